"""Directories of this machine, and of this process."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from dfd_storage.commit_safety import Mechanism
from dfd_storage.error_mapping import is_system_refusal
from dfd_storage.errors import AccessRefused, DirectoryRefused, StorageFailure
from dfd_storage.profile import StorageProfile, register_kind
from dfd_storage.uri import local_path


@register_kind
class LocalProfile(StorageProfile, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """A directory of this machine."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def _datafusion_store(self, stores: Any) -> Any:
        """DataFusion's file system, from its root."""
        return stores.LocalFileSystem()

    def failure_of(
        self,
        error: BaseException,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
    ) -> StorageFailure | None:
        """As for every kind; what the system refuses is told where it names the directory."""
        found = StorageProfile.failure_of(self, error, uri, library)
        if found is not None and type(found) is not AccessRefused:
            return found
        # Sources of rows fail over files of their own; obstore names none.
        named = "" if library == "obstore" else str(local_path(self.canonical_uri(uri)))
        if is_system_refusal(error, named.lstrip("/")):
            return DirectoryRefused(self.canonical_uri(uri), library)
        return None

    def store_uris(self) -> tuple[str, ...]:
        """`file://`."""
        return ("file://",)

    @property
    def mechanism(self) -> Mechanism:
        """A file is linked under its name, which fails where there is one."""
        return "local_link"


@register_kind
class MemoryProfile(StorageProfile, frozen=True, kw_only=True, tag="memory", tag_field="kind"):
    """A directory in this process's memory, for tests with obstore.

    The other libraries have a memory each of their own, new with every handle: what is written there is
    gone when the handle is. They are refused.
    """

    schemes: ClassVar[tuple[str, ...]] = ("memory",)

    @property
    def mechanism(self) -> Mechanism:
        """Conditional puts."""
        return "conditional_put"
