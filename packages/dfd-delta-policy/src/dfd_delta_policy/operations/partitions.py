"""Partitions chosen by filters, as deltalake's and pyarrow's are written: column, operator, value."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from dfd_delta_policy.backend.protocol import FileAction
from dfd_delta_policy.errors import InvalidOperation

PartitionFilters = Sequence[tuple[str, str, Any]]

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, wanted: value not in wanted,
}
_OF_SEVERAL = ("in", "not in")
_ORDERS = ("<", "<=", ">", ">=")


class _Filter(NamedTuple):
    column: str
    compared: str
    wanted: Any

    def takes(self, value: Any) -> bool:
        if value is None and self.compared in _ORDERS:
            return False
        return _COMPARED[self.compared](_ordered(value), self.wanted)


def chosen(
    table: DeltaTable, files: Sequence[FileAction], filters: PartitionFilters
) -> list[FileAction]:
    """The files of the partitions that the filters name.

    A value is compared as one of the column's type, whether it is given as such or as its text.

    Raises:
        InvalidOperation: a filter names no partition column or no operator, or its value is none of
            the column's type.
    """
    if not filters:
        return list(files)
    columns = table.metadata().partition_columns
    schema = pa.schema(table.schema().to_arrow())
    found = [_checked(one, columns, schema) for one in filters]
    actions = pa.table(table.get_add_actions()).select(["path", "partition"])
    values = {row["path"]: row["partition"] for row in actions.to_pylist()}
    return [
        file for file in files if all(one.takes(values[file["path"]][one.column]) for one in found)
    ]


def as_text(one: tuple[str, str, Any]) -> str:
    """A filter as the history has it."""
    column, compared, wanted = one
    return f"({column} {compared} {wanted})"


def _checked(one: tuple[str, str, Any], columns: Sequence[str], schema: pa.Schema) -> _Filter:
    column, compared, wanted = one
    if column not in columns:
        raise InvalidOperation(f"{column!r} is no partition column: {columns}.")
    if compared not in _COMPARED:
        raise InvalidOperation(f"{compared!r} is none of {', '.join(_COMPARED)}.")
    kind = schema.field(column).type
    if compared not in _OF_SEVERAL:
        return _Filter(column, compared, _value(wanted, kind, column))
    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Collection):
        raise InvalidOperation(f"{compared!r} compares {column} with a list, not with {wanted!r}.")
    return _Filter(column, compared, [_value(each, kind, column) for each in wanted])


def _value(given: Any, kind: pa.DataType, column: str) -> Any:
    """A value, or its text, as a value of the type.

    Raises:
        InvalidOperation: it is none.
    """
    if given is None:
        return None
    try:
        if pa.types.is_timestamp(kind):
            return _moment(given, kind)
        if pa.types.is_decimal(kind):
            return pa.scalar(Decimal(str(given)), kind).as_py()
        return _ordered(pa.scalar(given).cast(kind).as_py())
    except (pa.ArrowException, ArithmeticError, ValueError, TypeError) as error:
        raise InvalidOperation(
            f"{given!r} is no value of {column}, which is {kind}. Nothing was changed."
        ) from error


def _ordered(value: Any) -> Any:
    """A value as it is compared: NaN equals itself and is above all numbers, as in Spark."""
    return (
        (math.isnan(value), 0.0 if math.isnan(value) else value)
        if isinstance(value, float)
        else value
    )


def _moment(given: Any, kind: pa.DataType) -> datetime:
    """A moment; in UTC where it says no zone and the column's are moments of a zone."""
    text = given.isoformat() if hasattr(given, "isoformat") else str(given)
    found = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    if kind.tz is None:
        if found.tzinfo is not None:
            raise ValueError("a zone")
        return found
    return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
