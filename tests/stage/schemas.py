"""Tables of any schema that Delta can have, as other libraries give them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

EXACT = Context(prec=80)


@dataclass(frozen=True)
class Kind:
    """A type as it is given, the one that Delta stores, and values of both."""

    given: pa.DataType
    stored: pa.DataType
    values: SearchStrategy[Any]


@dataclass(frozen=True)
class Drawn:
    """A table as it is given, in its batches, and what is to be read of it."""

    given: pa.Table
    stored: pa.Table
    partition_by: list[str]


def whole(given: pa.DataType, stored: pa.DataType, least: int, most: int) -> Kind:
    return Kind(given, stored, st.integers(least, most))


def decimals(make: Callable[[int, int], pa.DataType], precision: int, scale: int) -> Kind:
    most = 10**precision - 1
    values = st.integers(-most, most).map(lambda number: Decimal(number).scaleb(-scale, EXACT))
    return Kind(make(precision, scale), pa.decimal128(precision, scale), values)


def moments(unit: str, zone: str | None) -> Kind:
    least = {"s": 1_000_000, "ms": 1000}.get(unit, 1)

    def moment(seconds: int, parts: int) -> datetime:
        found = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=parts * least)
        return found if zone else found.replace(tzinfo=None)

    seconds = st.integers(-2_000_000_000, 7_000_000_000)
    values = st.builds(moment, seconds, st.integers(0, 1_000_000 // least - 1))
    return Kind(pa.timestamp(unit, zone), pa.timestamp("us", zone and "UTC"), values)


DATES = st.dates(date(1900, 1, 1), date(2200, 1, 1))
# Parquet has no text with a surrogate; readers pass over what follows a NUL.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SCALARS: list[Kind] = [
    Kind(pa.bool_(), pa.bool_(), st.booleans()),
    *(whole(t, t, -(2 ** (t.bit_width - 1)), 2 ** (t.bit_width - 1) - 1)
      for t in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    whole(pa.uint8(), pa.int16(), 0, 2**8 - 1),
    whole(pa.uint16(), pa.int32(), 0, 2**16 - 1),
    whole(pa.uint32(), pa.int64(), 0, 2**32 - 1),
    Kind(pa.uint64(), pa.decimal128(20, 0), st.integers(0, 2**64 - 1)),
    Kind(pa.float32(), pa.float32(), st.floats(width=32)),
    Kind(pa.float64(), pa.float64(), st.floats()),
    *(Kind(t, pa.string(), TEXTS) for t in (pa.string(), pa.large_string(), pa.string_view())),
    *(Kind(t, pa.binary(), st.binary(max_size=12))
      for t in (pa.binary(), pa.large_binary(), pa.binary_view())),
    Kind(pa.binary(3), pa.binary(), st.binary(min_size=3, max_size=3)),
    Kind(pa.date32(), pa.date32(), DATES),
    Kind(pa.date64(), pa.date32(), DATES),
    *(moments(unit, zone)
      for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")),
    decimals(pa.decimal32, 9, 2),
    decimals(pa.decimal64, 18, 18),
    decimals(pa.decimal128, 38, 10),
    decimals(pa.decimal128, 5, 0),
    decimals(pa.decimal256, 38, 0),
    Kind(pa.dictionary(pa.int8(), pa.string()), pa.string(), TEXTS),
    Kind(pa.dictionary(pa.int32(), pa.int64()), pa.int64(), st.integers(-5, 5)),
]  # fmt: skip
# In which a stream may be partitioned by the protocol.
KEYS = [
    whole(pa.int32(), pa.int32(), -3, 3),
    whole(pa.uint8(), pa.int16(), 0, 3),
    Kind(pa.bool_(), pa.bool_(), st.booleans()),
    Kind(pa.date32(), pa.date32(), st.sampled_from([date(1969, 12, 31), date(2024, 2, 29)])),
    Kind(pa.decimal128(9, 2), pa.decimal128(9, 2), st.sampled_from([Decimal("-1.50"), Decimal("0.00")])),
    Kind(pa.string_view(), pa.string(), st.sampled_from(["a b", "a/b=c%20", "ü'\"", "[:]{}#?", "."])),
    Kind(pa.timestamp("ns"), pa.timestamp("us"),
         st.sampled_from([datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(2024, 1, 1)])),
    Kind(pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "UTC"),
         st.sampled_from([datetime(2024, 3, 31, 1, tzinfo=timezone.utc)])),
]  # fmt: skip


ROW = whole(pa.int64(), pa.int64(), 0, 0)


def listed(make: Callable[[pa.DataType], pa.DataType]) -> Callable[[Kind], Kind]:
    def of(inner: Kind) -> Kind:
        values = st.lists(st.none() | inner.values, max_size=3)
        return Kind(make(inner.given), pa.list_(inner.stored), values)

    return of


def paired(inner: Kind, other: Kind) -> Kind:
    values = st.fixed_dictionaries({"a": st.none() | inner.values, "B c": st.none() | other.values})
    given = pa.struct([("a", inner.given), ("B c", other.given)])
    return Kind(given, pa.struct([("a", inner.stored), ("B c", other.stored)]), values)


def fixed(inner: Kind) -> Kind:
    values = st.lists(inner.values, min_size=2, max_size=2)
    return Kind(pa.list_(inner.given, 2), pa.list_(inner.stored), values)


def mapped(inner: Kind) -> Kind:
    values = st.dictionaries(TEXTS, st.none() | inner.values, max_size=3)
    given = pa.map_(pa.string(), inner.given)
    return Kind(given, pa.map_(pa.string(), inner.stored), values.map(lambda it: list(it.items())))


def nested(inner: SearchStrategy[Kind]) -> SearchStrategy[Kind]:
    return st.one_of(
        st.builds(listed(pa.list_), inner),
        st.builds(listed(pa.large_list), inner),
        st.builds(listed(pa.list_view), inner),
        st.builds(fixed, inner),
        st.builds(mapped, inner),
        st.builds(paired, inner, inner),
    )


KINDS = st.recursive(st.sampled_from(SCALARS), nested, max_leaves=4)


def encoded(kind: Kind, values: list[Any], is_run_end_encoded: bool) -> pa.Array:
    array = pa.array(values, kind.given)
    return pc.run_end_encode(array) if is_run_end_encoded else array


@st.composite
def tables(draw: DrawFn, max_rows: int = 40) -> Drawn:
    """A table of random columns, rows, batches and partitioning; `row` numbers the rows."""
    rows = draw(st.integers(0, max_rows))
    names = st.lists(
        st.sampled_from(["a", "Ab", "c d", "é", "_e", "f.g", "h-i"]), min_size=1, max_size=4
    )
    columns = {name: draw(KINDS) for name in draw(names)}
    keys = {f"key {n}": draw(st.sampled_from(KEYS)) for n in range(draw(st.integers(0, 2)))}
    kinds = {**columns, **keys, "row": ROW}
    values = {
        name: draw(st.lists(st.none() | kind.values, min_size=rows, max_size=rows))
        for name, kind in kinds.items()
    }
    values["row"] = list(range(rows))
    runs = {
        name
        for name, kind in columns.items()
        if kind.given in (pa.int64(), pa.string()) and draw(st.booleans())
    }
    order = draw(st.permutations(list(kinds)))
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=4)))
    batches = [
        pa.record_batch(
            {name: encoded(kinds[name], values[name][a:b], name in runs) for name in order}
        )
        for a, b in zip([0, *cuts], [*cuts, rows], strict=True)
    ]
    stored = {name: pa.array(values[name], kinds[name].stored) for name in order}
    return Drawn(pa.Table.from_batches(batches), pa.table(stored), list(keys))
