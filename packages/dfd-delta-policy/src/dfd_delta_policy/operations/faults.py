"""Rows that deltalake would write otherwise than they are, refused by the name of what it gets wrong.

What dfd-native stages itself has none of these. What deltalake writes are the changes of rows (delete,
update, merge, overwrite by predicate), writes with `schema_mode`, and without dfd-native every write.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pyarrow as pa
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType, StructType

from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.nesting import is_one_of, places

_DECIMAL = re.compile(r"decimal\(\d+,\s*(\d+)\)")


def refuse_misread(committer: Committer, table: DeltaTable, predicate: str | None = None) -> None:
    """Refuse to let deltalake rewrite files that have columns which it carries over wrong.

    It reads INT96 as nanoseconds, so that 9999-12-31 becomes a day of 1816 in every row that it carries over, and
    makes nulls of a column that a file spells in another case than the table.

    Raises:
        UnsupportedTable: a file that may have rows of `predicate` has such a column.
    """
    if columns := committer.misread_columns(table.version(), predicate):
        shown = ", ".join(f"{column} ({reason})" for column, reason in columns.items())
        raise UnsupportedTable(
            f"deltalake would carry over other values of {shown} into the files that it writes anew. "
            "Nothing was changed. `z_order`, with dfd-native, writes the files anew with the values that they have; "
            "Delta-Spark can change them as they are."
        )


def refuse_fractional_partitions(fields: Iterable[Field], partition_by: Collection[str]) -> None:
    """Refuse to let deltalake compute partition values that are decimals with a fraction.

    It writes the value -1.50 as `-1.-50`, which nobody can read.

    Raises:
        UnsupportedTable: a partition column is such a decimal.
    """
    for column in fractional(fields, partition_by):
        raise _written_wrong(column)


def refuse_negative_partitions(table: DeltaTable) -> None:
    """Refuse to let deltalake rewrite files under a partition value that it writes wrong.

    Raises:
        UnsupportedTable: the table has such a file.
    """
    columns = fractional(table.schema().fields, table.metadata().partition_columns)
    if not columns:
        return
    values = pa.table(table.get_add_actions())["partition"].to_pylist()
    for column in columns:
        if any(map(_is_written_wrong, {row[column] for row in values})):
            raise _written_wrong(column)


@contextmanager
def without_negative(
    reader: pa.RecordBatchReader, columns: Collection[str]
) -> Iterator[pa.RecordBatchReader]:
    """The batches of a reader on their way to deltalake, up to the first with a value that it writes wrong.

    Raises:
        UnsupportedTable: a batch has such a value in one of `columns`.
    """
    refused: list[UnsupportedTable] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            for column in columns:
                if any(map(_is_written_wrong, batch[column].unique().to_pylist())):
                    refused.append(_written_wrong(column))
                    raise refused[0]
            yield batch

    try:
        yield pa.RecordBatchReader.from_batches(reader.schema, batches()) if columns else reader
    except Exception as error:
        if refused:
            raise refused[0] from error
        raise


def fractional(fields: Iterable[Field], partition_by: Collection[str]) -> list[str]:
    """The partition columns of decimals with a fraction."""

    def is_fractional(field: Field) -> bool:
        kind = field.type.type if isinstance(field.type, PrimitiveType) else ""
        found = _DECIMAL.fullmatch(kind)
        return found is not None and int(found[1]) > 0

    return [field.name for field in fields if field.name in partition_by and is_fractional(field)]


def _is_written_wrong(value: object) -> bool:
    try:
        number = Decimal(str(value))
        return number < 0 and number != number.to_integral_value()
    except ArithmeticError:  # no number
        return False


def _written_wrong(column: str) -> UnsupportedTable:
    return UnsupportedTable(
        f"deltalake would write negative values of {column}, a partition column of decimals, so that the table can't "
        "be read any more. Nothing was changed. Appends and full overwrites through dfd-native write them right, "
        "and Delta-Spark can change the table."
    )


def refuse_null_structs(fields: Iterable[Field]) -> None:
    """Refuse to let deltalake write structs that may be null and have a field that may not.

    A null struct breaks the rule of that field, and the table with it: deltalake writes it.

    Raises:
        UnsupportedTable: there is such a struct, at any depth.
    """
    for path, kind, nullable in places(fields):
        strict = (
            [one.name for one in kind.fields if not one.nullable]
            if isinstance(kind, StructType)
            else []
        )
        if nullable and strict:
            raise UnsupportedTable(
                f"{path} may be null and its field {strict[0]} may not: deltalake would write null structs, with "
                "which the table can't be read. Nothing was changed. Appends and full overwrites through dfd-native "
                "refuse such rows alone; Delta-Spark can change the table."
            )


def refuse_void(fields: Iterable[Field], known: Iterable[Field] = ()) -> None:
    """Refuse to give a table columns without a type, as Arrow's nulls would be.

    No later write could follow that schema.

    Raises:
        InvalidOperation: there is one, at any depth, and none of its name in `known`.
    """
    there = {place.path for place in places(known)}
    for path, kind, _ in places(fields):
        if is_one_of(kind, "void") and path not in there:
            raise InvalidOperation(
                f"{path} holds nulls and has no type, which a table's column must have. Nothing was changed. "
                "Cast it to the type that its values will have, or leave it out."
            )
