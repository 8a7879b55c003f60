"""DELETE and UPDATE by deltalake, and the checks before it has a say.

Texts are planned first (`expressions`), names are found (`columns`), tables whose rows would be damaged are
refused (`faults`), and what deltalake would decide without a look at the rows is put so that it looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from deltalake import Field
from deltalake.schema import PrimitiveType

from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.columns import Columns, quoted
from dfd_delta_policy.operations.deltalake_handle import WRITER, existing, on_handle
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.faults import (
    refuse_fractional_partitions,
    refuse_misread,
    refuse_negative_partitions,
    refuse_null_structs,
)

# What is read in little time, the least first.
_SMALL = ("boolean", "byte", "short", "integer", "date", "float", "long", "double")


def delete(attempt: Attempt, committer: Committer, predicate: str | None) -> Done:
    """Delete the rows that match `predicate`, or all."""
    table = existing(attempt)
    if predicate is not None:
        fields = table.schema().fields
        check_predicate(predicate, fields)
        refuse_negative_partitions(table)
        refuse_misread(committer, table, predicate)
        predicate = by_rows(predicate, fields, table.metadata().partition_columns)
    return on_handle(
        attempt,
        lambda table: table.delete(
            predicate, writer_properties=WRITER, commit_properties=attempt.commit
        ),
    )


def update(
    attempt: Attempt, committer: Committer, updates: Mapping[str, str], predicate: str | None
) -> Done:
    """Set columns to SQL expressions where `predicate` holds, or everywhere."""
    table = existing(attempt)
    fields = table.schema().fields
    found = named_updates(updates, Columns("the table", [field.name for field in fields]))
    with over(Relation("table", fields)) as expressions:
        for column, value in found.items():
            expressions.check_value(value, f"The value of column {column}")
        if predicate is not None:
            expressions.check_predicate(predicate, "The predicate")
    refuse_null_structs(fields)
    partition_by = table.metadata().partition_columns
    refuse_fractional_partitions(fields, [name for name in partition_by if name in found])
    refuse_negative_partitions(table)
    refuse_misread(committer, table, predicate)
    if predicate is not None:
        predicate = by_rows(predicate, fields, partition_by)
    return on_handle(
        attempt,
        lambda table: table.update(
            updates={quoted(column): value for column, value in found.items()},
            predicate=predicate,
            writer_properties=WRITER,
            commit_properties=attempt.commit,
        ),
    )


def named_updates(
    updates: Mapping[str, str], columns: Columns, alias: str | None = None
) -> dict[str, str]:
    """Updates under the names that the table has for their columns.

    Raises:
        InvalidOperation: one names no column, or two the same.
    """
    found: dict[str, str] = {}
    for given, value in updates.items():
        name = columns.named(given, alias)
        if name in found:
            raise InvalidOperation(f"`updates` names column {name} twice. Nothing was changed.")
        found[name] = value
    return found


def check_predicate(predicate: object, fields: Sequence[Field]) -> None:
    """Refuse what isn't one boolean expression over these columns.

    Raises:
        InvalidOperation: it isn't.
    """
    with over(Relation("table", fields)) as expressions:
        expressions.check_predicate(predicate, "The predicate")


def by_rows(predicate: str, fields: Iterable[Field], partition_by: Collection[str]) -> str:
    """A predicate of the same meaning that deltalake decides by looking at rows.

    What names no column within the partitions it decides by skipping files, which takes what it can't tell
    for a match: every file would match `year + 1 = 2025`. So the predicate comes twice: once for the files
    that it can skip, and once with a column of the rows. NULLIF of a column with itself is null in every
    row, of whatever type, and no planner knows it.

    Raises:
        UnsupportedTable: all columns are partition columns.
    """
    within = [field for field in fields if field.name not in partition_by]
    if not within:
        raise UnsupportedTable(
            "The table has partition columns alone: deltalake would decide the predicate without a look at rows. "
            "Nothing was changed. Delta-Spark can change this table."
        )
    column = quoted(min(within, key=_read_time).name)
    return (
        f"(\n{predicate}\n) and ((\n{predicate}\n) and nullif({column}, {column}) is null) is true"
    )


def _read_time(field: Field) -> int:
    """The cost of reading a column, against others."""
    if not isinstance(field.type, PrimitiveType):
        return len(_SMALL) + 1
    return _SMALL.index(field.type.type) if field.type.type in _SMALL else len(_SMALL)
