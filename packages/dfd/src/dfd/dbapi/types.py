"""Types of columns and constructors of values, as PEP 249 names them."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pyarrow as pa


class TypeGroup:
    """A group of types: equal to each Arrow type of it, as `cursor.description` has them."""

    def __init__(self, name: str, *holds: Callable[[pa.DataType], bool]) -> None:
        self._name = name
        self._holds = holds

    def __eq__(self, other: object) -> bool:
        if isinstance(other, pa.DataType):
            return any(holds(other) for holds in self._holds)
        return self is other

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"dfd.dbapi.{self._name}"


STRING = TypeGroup("STRING", pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
BINARY = TypeGroup(
    "BINARY",
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)
NUMBER = TypeGroup(
    "NUMBER",
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
)
DATETIME = TypeGroup(
    "DATETIME", pa.types.is_date, pa.types.is_time, pa.types.is_timestamp, pa.types.is_duration
)
ROWID = TypeGroup("ROWID")

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802  PEP 249 says so.
    """The local date at a number of seconds since 1970."""
    return datetime.datetime.fromtimestamp(ticks).date()


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """The local time of day at a number of seconds since 1970."""
    return datetime.datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """The local time at a number of seconds since 1970."""
    return datetime.datetime.fromtimestamp(ticks)
