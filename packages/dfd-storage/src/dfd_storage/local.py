"""Directories of this machine, and of this process."""

from __future__ import annotations

from typing import Any, ClassVar

from dfd_storage.commits import Mechanism
from dfd_storage.profile import StorageProfile


class LocalProfile(StorageProfile, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """A directory of this machine."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def _datafusion_store(self, stores: Any) -> Any:
        """DataFusion's file system, from its root."""
        return stores.LocalFileSystem()

    def store_uris(self) -> tuple[str, ...]:
        """`file://`."""
        return ("file://",)

    @property
    def mechanism(self) -> Mechanism:
        """A file is linked under its name, which fails where there is one."""
        return "local_link"


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
