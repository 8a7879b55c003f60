"""Handles on the newest version of a table, brought up to date rather than opened anew.

Opening reads the log since its last checkpoint; bringing a handle up to date reads what came since. A
table that was removed and made anew under the same name has lower versions, which a handle would
never see: so the file of the version it stands on is looked at first, and must be the one it was.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pyarrow.fs as fs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler

from dfd_delta_policy.errors import OperationRefused

# object_store asks again where it is refused, and not where an answer breaks off.
_CUT = re.compile(
    r"response body|connection reset|closed before message|incomplete message", re.IGNORECASE
)
_READS = 3
# The process that deltalake's threads were started in, by the first table that was opened here.
_threads_of: int | None = None


def _refuse_fork() -> None:
    """Refuse a process that was forked since deltalake's threads were started: it would panic, or wait for ever.

    Raises:
        OperationRefused: it was.
    """
    global _threads_of
    process = os.getpid()
    if _threads_of is None:
        _threads_of = process
    elif _threads_of != process:
        raise OperationRefused(
            "The process was forked after its first Delta table was opened, and the threads of deltalake didn't "
            "come along. Nothing was committed. Start workers by spawn, or open tables after the fork."
        )


class Handle(NamedTuple):
    """A table's handle, what it was opened with, and the file of its version: when it was written, and how long it is."""

    table: DeltaTable
    options: Mapping[str, str]
    files: fs.FileSystem
    tip: tuple[int, int, int | None]


class Handles:
    """Handles on one table; each belongs to one operation at a time."""

    def __init__(self, uri: str, options: Callable[[], dict[str, str]]) -> None:
        self._uri = uri
        self._options = options
        # Its ends are taken and given atomically, whatever threads there are.
        self._idle: deque[Handle] = deque(maxlen=1)

    def open(self) -> DeltaTable:
        """Open a handle, for the caller alone, on the newest version.

        Raises:
            deltalake.exceptions.TableNotFoundError: there is no table.
        """
        _refuse_fork()
        return DeltaTable(self._uri, storage_options=self._options())

    def version(self) -> int:
        """The newest version.

        Raises:
            deltalake.exceptions.TableNotFoundError: there is no table.
        """
        held = self.newest(self.take())
        self.give(held)
        return held.table.version()

    def take(self) -> Handle | None:
        """The handle that an earlier operation left, for one operation."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return None

    def give(self, held: Handle | None) -> None:
        """Leave a handle for the next operation."""
        if held is not None:
            self._idle.append(held)

    def newest(self, held: Handle | None) -> Handle:
        """The handle `held` brought up to date where that is sound, else a handle opened anew.

        Raises:
            deltalake.exceptions.TableNotFoundError: there is no table.
        """
        for _ in range(_READS - 1):
            try:
                return self._newest(held)
            except (OSError, DeltaError) as error:
                if _CUT.search(str(error)) is None:
                    raise
        return self._newest(held)

    def _newest(self, held: Handle | None) -> Handle:
        _refuse_fork()
        options = self._options()
        if held is None or held.options != options or held.tip != _tip(held.files, held.tip[0]):
            table = DeltaTable(self._uri, storage_options=options)
            files = fs.PyFileSystem(DeltaStorageHandler(self._uri, options=options))
        elif _tip(held.files, held.tip[0] + 1)[2] is None:
            return held
        else:
            table, files = held.table, held.files
            table.update_incremental()
        return Handle(table, options, files, _tip(files, table.version()))


def _tip(files: fs.FileSystem, version: int) -> tuple[int, int, int | None]:
    """A version, and what tells its file from another of its name; 0 and None where it is gone."""
    found = files.get_file_info(f"_delta_log/{version:020}.json")
    return version, found.mtime_ns or 0, found.size
