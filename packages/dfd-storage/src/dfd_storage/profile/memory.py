"""Directories in this process's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dfd_storage.commit_safety import Mechanism
from dfd_storage.profile.base import StorageProfile, register_kind
from dfd_storage.render import obstore_store

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@register_kind
class MemoryProfile(StorageProfile, frozen=True, kw_only=True, tag="memory", tag_field="kind"):
    """A directory in this process's memory, for tests with obstore.

    The other libraries have a memory each of their own, new with every handle: what is written
    there is gone when the handle is. They are refused.
    """

    schemes: ClassVar[tuple[str, ...]] = ("memory",)

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.memory_store(self.uri)

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism of conditional puts, `"conditional_put"`."""
        return "conditional_put"
