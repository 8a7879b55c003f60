"""Statistics of data files as Spark writes them: texts and times cut, NaN the greatest of all; or fewer of them."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from columns import SCHEMA
from table_schema import TableSchema

_KEPT_OF_TEXT = 32
_BOUNDED = frozenset(["id", *"inhbfemgsdz", "ts", "r"])
Statistics = dict[str, Any]


def statistics(
    kind: str, schema: TableSchema, part: pa.Table, chance: random.Random
) -> Statistics | None:
    """Of the rows of a file; None where there are none."""
    if kind == "mixed":
        kind = chance.choice(("all", "some", "count", "none"))
    if kind == "none":
        return None
    found: Statistics = {"numRecords": len(part), "tightBounds": True}
    if kind == "count":
        return found
    parts: dict[str, Statistics] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for place, bound in _of_columns(schema, part):
        for key, value in zip(parts, bound, strict=True):
            if value is not None and (kind == "all" or chance.random() < 0.7):
                _put(parts[key], place, value)
    return {**found, **parts}


def _put(into: Statistics, place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        into = into.setdefault(name, {})
    into[place[-1]] = value


def _of_columns(
    schema: TableSchema, part: pa.Table
) -> Iterator[tuple[tuple[str, ...], tuple[Any, Any, int]]]:
    """Each column, or field of a struct, with its least and greatest value and its count of nulls."""
    for name in part.column_names:
        physical = schema.physical(name)
        values = part[name].to_pylist()
        if not pa.types.is_struct(SCHEMA.field(name).type):
            yield (physical,), _known(name, values)
            continue
        for field in schema.fields_of(name):
            inner = [None if value is None else value[field] for value in values]
            yield (physical, schema.physical(name, field)), _known(name, inner)


def _known(name: str, values: Sequence[Any]) -> tuple[Any, Any, int]:
    present = [value for value in values if value is not None]
    least, most = _bounds(present) if name in _BOUNDED and present else (None, None)
    return least, most, len(values) - len(present)


def _bounds(values: Sequence[Any]) -> tuple[Any, Any]:
    first = values[0]
    if isinstance(first, str):
        return min(values)[:_KEPT_OF_TEXT], _greatest_text(max(values))
    if isinstance(first, float):
        rest = [value for value in values if not math.isnan(value)]
        most = "NaN" if len(rest) < len(values) else _number(max(rest))
        return (_number(min(rest)) if rest else "NaN"), most
    return _bound(min(values)), _bound(max(values))


def _number(value: float) -> float | str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _greatest_text(text: str) -> str | None:
    """What is kept of it, and after that a character that no cut one is greater than."""
    if len(text) <= _KEPT_OF_TEXT:
        return text
    if text[_KEPT_OF_TEXT] == "\U0010ffff":
        return None
    breaker = "\x7f" if text[_KEPT_OF_TEXT] < "\x7f" else "\U0010ffff"
    return text[:_KEPT_OF_TEXT] + breaker


def _bound(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        text = value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].rjust(23, "0")
        return text + ("Z" if value.tzinfo else "")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
