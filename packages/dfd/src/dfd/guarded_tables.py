"""The guarded tables of a runtime, kept so that one operation finds the handle that the one before left.

A handle is looked at before it is used: where the table was made anew, or the store's credentials are others,
it is opened again (`dfd_delta_policy.commit.handles`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from dfd_delta_policy import GuardedTable
from dfd_storage import StorageProfile

# A handle holds the table's list of files: of a hundred thousand, some tens of megabytes.
_LIMIT = 32


class GuardedTables:
    """The tables that were used last, by location. Threads may share it."""

    def __init__(
        self, make: Callable[[str, StorageProfile], GuardedTable], limit: int = _LIMIT
    ) -> None:
        self._make = make
        self._limit = limit
        self._kept: OrderedDict[str, tuple[StorageProfile, GuardedTable]] = OrderedDict()
        self._changing = threading.Lock()

    def get(self, uri: str, storage: StorageProfile) -> GuardedTable:
        """The table at a canonical URI; another where its storage profile is another by now."""
        with self._changing:
            profile, table = self._kept.pop(uri, (None, None))
            if table is None or profile != storage:
                table = self._make(uri, storage)
            self._kept[uri] = storage, table
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            return table

    def clear(self) -> None:
        """Forget all; who has a table uses it on."""
        with self._changing:
            self._kept.clear()
