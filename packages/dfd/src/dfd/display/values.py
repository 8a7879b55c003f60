"""Values of Arrow columns as JSON has them, none of them rounded: what tables in a terminal show too.

- NULL is None. Floats are the shortest decimal that reads back to the same value; those that JSON hasn't are
  the texts `NaN`, `Infinity` and `-Infinity`.
- Decimals are texts: most readers of JSON would make doubles of them. Integers stay integers.
- Dates, times and durations are ISO 8601, with all their digits and the offset of their time zone.
- Binary is hexadecimal. Structs are objects, lists are lists, and maps are lists of pairs, as keys need
  be neither texts nor different.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dfd.display.iso8601 import (
    date_text,
    duration_text,
    interval_text,
    time_text,
    timestamp_text,
    zone_offset,
)
from dfd.errors import QueryError

# Decimals of a second in each unit.
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def plain_columns(batch: pa.RecordBatch) -> list[list[Any]]:
    """The values of each column, as `plain_values`.

    Raises:
        QueryError: pyarrow has no values of a column's type.
    """
    columns = []
    for number, field in enumerate(batch.schema):
        try:
            column = batch.column(number)
        except KeyError:
            raise QueryError(
                f"The column {field.name!r} is of the type {field.type}, whose values can't be shown: cast it."
            ) from None
        columns.append(plain_values(column))
    return columns


def plain_values(column: pa.Array) -> list[Any]:
    """Each value as None, a bool, an int, a finite float, a text, a list or a dict with texts as keys."""
    for holds, values in _KINDS:
        if holds(column.type):
            return values(column)
    return [None if value is None else str(value) for value in column.to_pylist()]


def _unchanged(column: pa.Array) -> list[Any]:
    found: list[Any] = column.to_pylist()
    return found


def _doubles(column: pa.Array) -> list[Any]:
    return [_finite(value) for value in column.to_pylist()]


def _floats(column: pa.Array) -> list[Any]:
    # As a double 0.1 would be 0.10000000149011612; the text has the digits that a float has.
    texts = pc.cast(column, pa.string()).to_pylist()
    return [None if text is None else _finite(float(text)) for text in texts]


def _finite(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimals(column: pa.Array) -> list[Any]:
    return [None if value is None else format(value, "f") for value in column.to_pylist()]


def _dates(column: pa.Array) -> list[Any]:
    return [None if days is None else date_text(days) for days in _counts(column, pa.date32())]


def _times(column: pa.Array) -> list[Any]:
    digits = _DIGITS[column.type.unit]
    return [None if count is None else time_text(count, digits) for count in _counts(column)]


def _timestamps(column: pa.Array) -> list[Any]:
    digits = _DIGITS[column.type.unit]
    offset_of = None if column.type.tz is None else zone_offset(column.type.tz)
    return [
        None if count is None else timestamp_text(count, digits, offset_of)
        for count in _counts(column)
    ]


def _durations(column: pa.Array) -> list[Any]:
    digits = _DIGITS[column.type.unit]
    return [None if count is None else duration_text(count, digits) for count in _counts(column)]


def _counts(column: pa.Array, kind: pa.DataType | None = None) -> list[int | None]:
    """The counts, of days or units of time, that moments are made of."""
    column = column if kind is None else pc.cast(column, kind)
    counts: list[int | None] = column.view(f"int{column.type.bit_width}").to_pylist()
    return counts


def _intervals(column: pa.Array) -> list[Any]:
    return [
        None if value is None else interval_text(value.months, value.days, value.nanoseconds)
        for value in column.to_pylist()
    ]


def _binaries(column: pa.Array) -> list[Any]:
    return [None if value is None else value.hex() for value in column.to_pylist()]


def _lists(column: pa.Array) -> list[Any]:
    return [plain_values(entry.values) if entry.is_valid else None for entry in column]


def _maps(column: pa.Array) -> list[Any]:
    return [_pairs(entry.values) if entry.is_valid else None for entry in column]


def _pairs(entries: pa.StructArray) -> list[list[Any]]:
    columns = (plain_values(entries.field(n)) for n in range(2))
    return [list(pair) for pair in zip(*columns, strict=True)]


def _structs(column: pa.StructArray) -> list[Any]:
    names = [field.name for field in column.type]
    columns = [plain_values(child) for child in column.flatten()]
    rows = zip(*columns, strict=True) if columns else [()] * len(column)
    # Fields of one name don't fit into an object: they are pairs, like the entries of a map.
    kind: Callable[[Any], Any] = dict if len(set(names)) == len(names) else _as_lists
    valid = column.is_valid().to_pylist()
    return [
        kind(zip(names, row, strict=True)) if is_valid else None
        for row, is_valid in zip(rows, valid, strict=True)
    ]


def _run_ends(column: pa.Array) -> list[Any]:
    return plain_values(pc.call_function("run_end_decode", [column]))


def _as_lists(pairs: Any) -> list[list[Any]]:
    return [list(pair) for pair in pairs]


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], list[Any]]], ...] = (
    (pa.types.is_null, _unchanged),
    (pa.types.is_boolean, _unchanged),
    (pa.types.is_integer, _unchanged),
    (_is_text, _unchanged),
    (pa.types.is_float64, _doubles),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_duration, _durations),
    (pa.types.is_interval, _intervals),
    (_is_binary, _binaries),
    (pa.types.is_map, _maps),
    (_is_list, _lists),
    (pa.types.is_struct, _structs),
    (pa.types.is_dictionary, lambda column: plain_values(column.dictionary_decode())),
    (pa.types.is_run_end_encoded, _run_ends),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), lambda c: plain_values(c.storage)),
)
