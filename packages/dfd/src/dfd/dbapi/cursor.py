"""A cursor: one statement at a time, and the rows of its result, read while they are fetched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from dfd_delta_policy import Outcome

from dfd.dbapi.errors import InterfaceError, ProgrammingError, as_dbapi_errors
from dfd.dbapi.parameters import with_dollars
from dfd.rows import python_rows

if TYPE_CHECKING:
    from dfd.query import Query
    from dfd.runtime import Runtime

Row = tuple[Any, ...]
Description = tuple[str, pa.DataType, None, None, None, None, bool | None]

# Of an outcome, what counts rows that were changed; a statement has those of its kind.
_COUNTS = (
    ("num_deleted_rows",),
    ("num_updated_rows",),
    ("num_target_rows_inserted", "num_target_rows_updated", "num_target_rows_deleted"),
    ("rows",),
)


class OpenConnection(Protocol):
    """A `Connection`."""

    @property
    def runtime(self) -> Runtime:
        """The runtime beneath."""

    def ensure_open(self) -> None:
        """Raise where it is closed."""


class Cursor:
    """Made by `Connection.cursor()`. Threads don't share one.

    - `description`: name and Arrow type of each column; None where there are no rows to fetch.
    - `rowcount`: the rows that a statement changed; -1 of a query, or where nobody counted.
    - `outcome`: what a statement that changed a table has done (`dfd_delta_policy.Outcome`).
    - `arraysize`: how many rows `fetchmany` gives.
    """

    def __init__(self, connection: OpenConnection) -> None:
        self.connection = connection
        self.arraysize = 1
        self._is_closed = False
        self._forget()

    def _forget(self) -> None:
        self.description: list[Description] | None = None
        self.rowcount = -1
        self.outcome: Outcome | None = None
        self._query: Query | None = None
        self._rows: Iterator[Row] | None = None

    def execute(self, operation: str, parameters: Mapping[str, Any] | None = None) -> Cursor:
        """Run a statement; `:name` (or `$name`) takes its value from `parameters`. The cursor itself.

        A query runs when its rows are fetched. Of several statements the last gives the result.

        Raises:
            Error: it can't be planned, or a statement that changes a table failed.
        """
        self._ensure_open()
        self._forget()
        if parameters is not None and not isinstance(parameters, Mapping):
            raise ProgrammingError(
                "Parameters are named: give a mapping, as in {'low': 1} for :low."
            )
        names = parameters or {}
        with as_dbapi_errors():
            query = self.connection.runtime.sql(with_dollars(operation, names), names)
            schema = query.schema
        self.outcome = query.outcome
        # A dry run of VACUUM has rows and an outcome.
        if self.outcome is not None and not self.outcome.metrics.get("dry_run"):
            self.rowcount = changed_rows(self.outcome)
        elif schema.names:
            self.description = [
                (field.name, field.type, None, None, None, None, field.nullable) for field in schema
            ]
            self._query = query
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Mapping[str, Any]]) -> Cursor:
        """Run a statement for each mapping of parameters. Each is a commit: one INSERT of many rows is faster.

        Raises:
            ProgrammingError: it is a query. Error: as `execute`; what was done before it stands.
        """
        total = 0
        for parameters in seq_of_parameters:
            self.execute(operation, parameters)
            if self.description is not None:
                self._forget()
                raise ProgrammingError("executemany() is for statements that give no rows.")
            total = -1 if -1 in (total, self.rowcount) else total + self.rowcount
        self.rowcount = total
        return self

    def fetchone(self) -> Row | None:
        """The next row; None after the last."""
        with as_dbapi_errors():
            return next(self._opened(), None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows, at most `size`; `arraysize` by default."""
        with as_dbapi_errors():
            return list(itertools.islice(self._opened(), self.arraysize if size is None else size))

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        with as_dbapi_errors():
            return list(self._opened())

    def fetch_arrow_table(self) -> pa.Table:
        """All rows as an Arrow table, as ADBC has it; before any other is fetched."""
        query = self._unread()
        with as_dbapi_errors():
            return query.to_arrow_table()

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """All rows as a lazy reader, as ADBC has it; before any other is fetched."""
        return self._unread().reader()

    def _unread(self) -> Query:
        self._ensure_rows()
        if self._query is None:
            raise InterfaceError("Rows were fetched already: execute the statement again.")
        query, self._query = self._query, None
        self._rows = iter(())
        return query

    def _opened(self) -> Iterator[Row]:
        self._ensure_rows()
        if self._rows is None:
            batches = iter(self._unread())
            self._rows = (row for batch in batches for row in python_rows(batch))
        return self._rows

    def _ensure_rows(self) -> None:
        self._ensure_open()
        if self.description is None:
            raise InterfaceError("There are no rows to fetch: execute a query first.")

    def _ensure_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("The cursor is closed.")
        self.connection.ensure_open()

    def __iter__(self) -> Iterator[Row]:
        """The rows that are left, one after the other."""
        return iter(self.fetchone, None)

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Nothing: values have their types."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing: values are given whole."""

    def close(self) -> None:
        """Let go of what is running. A closed cursor can't be used; closing it twice is harmless."""
        self._forget()
        self._is_closed = True

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def changed_rows(outcome: Outcome) -> int:
    """The rows that a statement changed; -1 where nobody counted."""
    for names in _COUNTS:
        counted = [outcome.metrics[name] for name in names if name in outcome.metrics]
        if counted:
            return int(sum(counted))
    return -1
