"""Directories of this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from dfd_storage.commit_safety import Mechanism
from dfd_storage.error_mapping import is_system_refusal
from dfd_storage.errors import AccessRefused, DirectoryRefused, StorageFailure
from dfd_storage.profile.base import StorageProfile, register_kind
from dfd_storage.render import datafusion_store, obstore_store, pyarrow_filesystem
from dfd_storage.uri import local_path

if TYPE_CHECKING:
    import pyarrow.fs
    from obstore.store import ObjectStore


@register_kind
class LocalProfile(StorageProfile, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """A directory of this machine."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def _datafusion_store(self) -> Any:
        return datafusion_store.local_store()

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.local_store(local_path(self.uri))

    def _pyarrow_filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow_filesystem.local_filesystem(local_path(self.uri))

    def failure_of(
        self,
        error: BaseException,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
    ) -> StorageFailure | None:
        """The failure that an error tells of; the system's where it names the directory."""
        found = StorageProfile.failure_of(self, error, uri, library)
        if found is not None and type(found) is not AccessRefused:
            return found
        # Sources of rows fail over files of their own; obstore names none.
        named = "" if library == "obstore" else str(local_path(self.canonical_uri(uri)))
        if is_system_refusal(error, named.lstrip("/")):
            return DirectoryRefused(self.canonical_uri(uri), library)
        return None

    def store_uris(self) -> tuple[str, ...]:
        """The root of all local paths, `file://`."""
        return ("file://",)

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism of a disk, `"local_link"`: to link a name fails where there is one."""
        return "local_link"
