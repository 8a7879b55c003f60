"""The newest records of queries and operations, bounded in their number and in their bytes."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from dfd_obs.record import OperationRecord, QueryRecord


class RecordStore:
    """Keeps records until there are too many, or too many bytes of them; the oldest go first. Safe between threads.

    A record weighs what it takes as JSON. One that has no room is kept without its plan, or not at all.

    - `most`: of queries, and of operations. `most_bytes`: of all of them together.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._queries: deque[tuple[QueryRecord, int, int]] = deque()
        self._operations: deque[tuple[OperationRecord, int, int]] = deque()
        self._bytes = 0
        self._added = 0

    @property
    def queries(self) -> tuple[QueryRecord, ...]:
        """The queries that are kept, oldest first."""
        with self._lock:
            return tuple(record for record, *_ in self._queries)

    @property
    def operations(self) -> tuple[OperationRecord, ...]:
        """The operations that are kept, oldest first."""
        with self._lock:
            return tuple(record for record, *_ in self._operations)

    @property
    def bytes(self) -> int:
        """The weight of all records that are kept."""
        return self._bytes

    def add(self, record: QueryRecord | OperationRecord) -> None:
        """Keep a record, and let go of older ones for which there is no room any more."""
        weight = _weight(record)
        if weight > self._most_bytes and isinstance(record, QueryRecord) and record.plan:
            record = msgspec.structs.replace(record, plan=None)
            weight = _weight(record)
        if weight > self._most_bytes:
            return
        with self._lock:
            self._added += 1
            if isinstance(record, QueryRecord):
                self._queries.append((record, weight, self._added))
            else:
                self._operations.append((record, weight, self._added))
            self._bytes += weight
            self._drop()

    def _drop(self) -> None:
        for records in (self._queries, self._operations):
            if len(records) > self._most:
                self._bytes -= records.popleft()[1]
        while self._bytes > self._most_bytes:
            self._bytes -= self._oldest().popleft()[1]

    def _oldest(
        self,
    ) -> deque[tuple[QueryRecord, int, int]] | deque[tuple[OperationRecord, int, int]]:
        if not self._operations:
            return self._queries
        if not self._queries or self._operations[0][2] < self._queries[0][2]:
            return self._operations
        return self._queries


def _weight(record: QueryRecord | OperationRecord) -> int:
    try:
        return len(msgspec.json.encode(record, enc_hook=str))
    except ValueError:
        # Half of a pair in what a caller gave: no query fails of its record.
        return len(repr(record))
