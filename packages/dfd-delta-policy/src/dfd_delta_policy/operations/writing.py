"""Appends and overwrites that deltalake makes, where dfd-native isn't installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from deltalake import DeltaTable, Field, write_deltalake

from dfd_delta_policy.backend.deltalake import refuse_binary_partitions
from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.operations.deltalake_handle import WRITER
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.faults import (
    fractional,
    refuse_fractional_partitions,
    refuse_misread,
    refuse_null_structs,
    refuse_void,
    without_negative,
)
from dfd_delta_policy.operations.nesting import from_arrow
from dfd_delta_policy.operations.row_changes import by_rows, check_predicate
from dfd_delta_policy.source import Source

_GENERATED = "delta.generationExpression"


class Write(NamedTuple):
    """One append or overwrite; `once` is an attempt at it."""

    mode: Literal["append", "overwrite"]
    predicate: str | None
    partition_by: list[str] | None
    schema_mode: Literal["merge", "overwrite"] | None

    def once(
        self,
        attempt: Attempt,
        committer: Committer,
        source: Source,
        storage_options: dict[str, str],
    ) -> Done:
        """Write the rows of the source, once it is sure that deltalake can."""
        table, new = attempt.table, from_arrow(source.schema)
        self._refuse(table, new)
        options: dict[str, Any] = {
            # Strict for the first version too: who comes second must look again.
            "mode": "error" if table is None else self.mode,
            "predicate": self._checked_predicate(table, new, committer),
            "partition_by": self.partition_by,
            "schema_mode": self.schema_mode,
            "storage_options": storage_options,
            "writer_properties": WRITER,
            "commit_properties": attempt.commit,
        }
        seen = fractional(self._columns(table, new), self._partition_by(table))
        with without_negative(source.open(), seen) as reader:
            write_deltalake(table or committer.uri, reader, **options)
        return Done(0 if table is None else table.version(), {})

    def _checked_predicate(
        self, table: DeltaTable | None, new: list[Field], committer: Committer
    ) -> str | None:
        if self.predicate is None:
            return None
        if table is None:
            check_predicate(self.predicate, new)
            return self.predicate
        # deltalake plans it over the columns that there will be, and runs it over those that there are.
        names = {field.name for field in self._columns(table, new)}
        fields = [field for field in table.schema().fields if field.name in names]
        check_predicate(self.predicate, fields)
        refuse_misread(committer, table, self.predicate)
        return by_rows(self.predicate, fields, table.metadata().partition_columns)

    def _refuse(self, table: DeltaTable | None, new: list[Field]) -> None:
        if table is None or self.schema_mode is not None:
            refuse_void(new, [] if table is None or self._replaces else table.schema().fields)
        if table is None or self._replaces:
            _check_generated(new)
        fields = self._columns(table, new)
        refuse_binary_partitions(fields, self._partition_by(table))
        # Of new rows the values are looked at on their way, unless they are computed.
        given = {field.name for field in new} if self._is_plain else set()
        refuse_fractional_partitions(fields, {*self._partition_by(table)} - given)
        refuse_null_structs(fields)

    def _partition_by(self, table: DeltaTable | None) -> Sequence[str]:
        if self.partition_by is not None or table is None:
            return self.partition_by or ()
        return table.metadata().partition_columns

    @property
    def _is_plain(self) -> bool:
        """Whether it writes the rows of the source, and no others."""
        return self.predicate is None and self.schema_mode is None

    @property
    def _replaces(self) -> bool:
        """Whether the table has the columns of the source afterwards."""
        return self.schema_mode == "overwrite"

    def _columns(self, table: DeltaTable | None, new: list[Field]) -> list[Field]:
        """The columns that the table has afterwards."""
        if table is None or self._replaces:
            return new
        there = table.schema().fields
        names = {field.name for field in there}
        added = [field for field in new if field.name not in names]
        return [*there, *added] if self.schema_mode == "merge" else there


def _check_generated(fields: Iterable[Field]) -> None:
    """Refuse a column that half a text would generate: deltalake keeps the text, and reads its first expression.

    Raises:
        InvalidOperation: what generates a column isn't one expression.
    """
    fields = list(fields)
    generated = {field.name: field.metadata.get(_GENERATED) for field in fields}
    if not any(generated.values()):
        return
    with over(Relation("table", fields)) as expressions:
        for name, text in generated.items():
            if text is not None:
                expressions.check_syntax(str(text), f"What generates column {name}")
