"""CREATE TABLE: a table made by its version 0, as an append would make it, or replaced as by an overwrite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema

from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.staged_writes import StagedWrite

_OF_DELTA = "delta."
_KEPT = ("comment", "delta.generationExpression")


def column_metadata(schema: pa.Schema) -> dict[str, dict[str, str]]:
    """What the metadata of columns says that a new table has: comments, and what generates them."""
    found = {}
    for field in schema:
        told = (field.metadata or {}).items()
        kept = {key.decode(): text.decode() for key, text in told if key.decode() in _KEPT}
        if kept:
            found[field.name] = kept
    return found


def operation_of(*, has_rows: bool, or_replace: bool) -> str:
    """What the history calls it, as Delta-Spark does."""
    made = "CREATE OR REPLACE TABLE" if or_replace else "CREATE TABLE"
    return f"{made} AS SELECT" if has_rows else made


def without_rows(schema: Any) -> pa.Table:
    """An empty table of a schema: pyarrow's, deltalake's, or anything's with `__arrow_c_schema__`.

    Raises:
        InvalidOperation: it is none, it has no column, or a column has metadata of Delta's own, whose feature the
            table would lack.
    """
    try:
        found = pa.schema(schema.to_arrow() if isinstance(schema, Schema) else schema)
    except (TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise InvalidOperation(
            f"`schema` is an Arrow schema or deltalake's, not {type(schema).__name__}: {error}"
        ) from error
    if not found.names:
        raise InvalidOperation("`schema` has no column.")
    for field in found:
        keys = [key.decode(errors="replace") for key in field.metadata or {}]
        if own := [key for key in keys if key.startswith(_OF_DELTA) and key not in _KEPT]:
            raise InvalidOperation(
                f"Column {field.name} has {own[0]}, which isn't kept for a new table. Nothing was made."
            )
    return found.empty_table()


class Creation:
    """The making of a table; where there is one, it is left as it is, or refused."""

    def __init__(self, write: StagedWrite, uri: str, *, exist_ok: bool) -> None:
        self._write = write
        self._uri = uri
        self._exist_ok = exist_ok
        self.close = write.close

    @property
    def metrics(self) -> dict[str, Any]:
        """The counts of what was staged: none."""
        return self._write.metrics

    def stage(self, table: DeltaTable | None) -> Mapping[str, Any]:
        """Find the table's schema in Delta's types."""
        if table is None:
            return self._write.stage(None)
        self._refuse(table)
        return {}

    def commit(self, attempt: Attempt) -> Done:
        """Make the table, if there is none.

        Raises:
            InvalidOperation: there is one, and that isn't to be passed over.
        """
        if attempt.table is None:
            return self._write.commit(attempt)
        self._refuse(attempt.table)
        return Done(None, {})

    def _refuse(self, table: DeltaTable) -> None:
        if not self._exist_ok:
            raise InvalidOperation(
                f"There is a table at {self._uri}, of version {table.version()}: `exist_ok=True` takes it as it is."
            )
