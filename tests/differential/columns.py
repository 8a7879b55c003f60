"""The columns of generated tables: their Delta types, and values that readers get wrong."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

UTC = dt.timezone.utc
LONG_TEXT = "a text that is longer than what bounds keep of it "
Value = Any


class Column(NamedTuple):
    """A column: its Delta type, its Arrow type, its values, and how SQL writes one of them.

    `literal` is None where no literal means the same everywhere.
    """

    delta: Any
    arrow: pa.DataType
    values: tuple[Value, ...]
    literal: Callable[[Value], str] | None
    is_partition: bool = True
    is_number: bool = False


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def cast_to(kind: str) -> Callable[[Value], str]:
    return lambda value: f"cast('{value}' as {kind})"


def clock(value: dt.datetime) -> str:
    return f"timestamp '{value:%Y-%m-%d %H:%M:%S.%f}'"


def _at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


# What bounds of milliseconds cut, before and after the epoch, and beyond nanoseconds.
_TIMES = (
    (1970, 1, 1), (1969, 12, 31, 23, 59, 59, 999_999), (2020, 2, 29, 12, 0, 0, 1),
    (2020, 2, 29, 12, 0, 0, 999), (2020, 2, 29, 12, 0, 0, 999_999), (1677, 9, 21),
    (1583, 1, 1), (2262, 4, 12), (9999, 12, 31, 23, 59, 59, 999_999),
)  # fmt: skip
_DATES = ((1970, 1, 1), (1969, 12, 31), (2020, 2, 29), (1583, 1, 1), (9999, 12, 31))
_FLOATS = (0.0, 1.5, -1.5, 0.1, 1e300, -1e300, math.inf, -math.inf, math.nan, 5e-324)
_SINGLES = (0.0, 1.5, -0.5, 2.0**-149, math.inf, math.nan)

COLUMNS = {
    "i": Column(
        "long", pa.int64(), (*range(-4, 12), 2**53 + 1, 2**63 - 1, -(2**63)), str, is_number=True
    ),
    "n": Column("integer", pa.int32(), (-3, -1, 0, 1, 2, 2**31 - 1), str, is_number=True),
    "h": Column("short", pa.int16(), (-(2**15), -1, 0, 1, 2**15 - 1), str, is_number=True),
    "b": Column("byte", pa.int8(), (-128, -1, 0, 1, 127), str, is_number=True),
    "f": Column("double", pa.float64(), _FLOATS, cast_to("double"), is_partition=False),
    "e": Column("float", pa.float32(), _SINGLES, cast_to("real"), is_partition=False),
    "m": Column(
        "decimal(9,2)",
        pa.decimal128(9, 2),
        tuple(map(Decimal, ("0.00", "1.25", "-1.25", "-0.50", "9999999.99", "-9999999.99"))),
        cast_to("decimal(9,2)"),
    ),
    "g": Column(
        "decimal(38,10)",
        pa.decimal128(38, 10),
        tuple(map(Decimal, ("0", "1e-10", "-1e-10", "9" * 28, "12345678901234567890.5"))),
        lambda value: f"cast('{value:f}' as decimal(38,10))",
    ),
    "s": Column(
        "string",
        pa.string(),
        (
            "a",
            "A",
            "b",
            "",
            " ",
            "ä'\"",
            "𝄞",
            "\U0010ffff",
            "x/y=c%41 #?",
            "null",
            "_%",
            "\\",
            LONG_TEXT + "1",
            LONG_TEXT + "2",
            "𝄞" * 40,
        ),
        quoted,
    ),
    "y": Column(
        "binary",
        pa.binary(),
        (b"", b"\x00", b"a", b"\xff\xfe", b"\x80" * 40),
        None,
        is_partition=False,
    ),
    "o": Column("boolean", pa.bool_(), (True, False), lambda value: str(value).lower()),
    "d": Column(
        "date",
        pa.date32(),
        tuple(dt.date(*parts) for parts in _DATES),
        lambda value: f"date '{value}'",
    ),
    "ts": Column(
        "timestamp",
        pa.timestamp("us", "UTC"),
        tuple(_at(*parts) for parts in _TIMES),
        lambda value: f"timestamptz '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'",
    ),
    "z": Column(
        "timestamp_ntz",
        pa.timestamp("us"),
        tuple(dt.datetime(*parts) for parts in _TIMES),  # type: ignore[arg-type]
        clock,
    ),
    "l": Column(
        {"type": "array", "elementType": "long", "containsNull": True},
        pa.list_(pa.int64()),
        ([], [None], [1, 2], [3, None, 3]),
        None,
        is_partition=False,
    ),
    "r": Column(
        {
            "type": "struct",
            "fields": [
                {"name": "x", "type": "long", "nullable": True, "metadata": {}},
                {"name": "w", "type": "string", "nullable": True, "metadata": {}},
            ],
        },
        pa.struct([("x", pa.int64()), ("w", pa.string())]),
        ({"x": 1, "w": "a"}, {"x": None, "w": "b"}, {"x": 2, "w": None}, {"x": None, "w": None}),
        None,
        is_partition=False,
    ),
    "p": Column(
        {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": True},
        pa.map_(pa.string(), pa.int64()),
        ([], [("a", 1)], [("a", None), ("b", 2)]),
        None,
        is_partition=False,
    ),
}
NESTED = ("l", "r", "p")
# Compared, sorted and grouped by: all but what SQL gives no order.
FLAT = tuple(name for name in COLUMNS if name not in NESTED)
LITERAL = tuple(name for name, column in COLUMNS.items() if column.literal is not None)
NUMBERS = tuple(name for name, column in COLUMNS.items() if column.is_number)
SCHEMA = pa.schema(
    [pa.field("id", pa.int64()), *(pa.field(n, column.arrow) for n, column in COLUMNS.items())]
)
