"""Casts keep every value, or name the column and the row of the first that they can't keep."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

NAN, INF = float("nan"), float("inf")
US, NS, UTC = pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC")
DAY = dt.datetime(2020, 1, 1)
HOUR = dt.datetime(2020, 1, 1, 1)


def cast(array: pa.Array, to: pa.DataType) -> pa.ChunkedArray:
    """The array as a column of the type; raises what the stream ends with."""
    source = pa.table({"before": pa.nulls(len(array)), "n": array})
    schema = pa.schema([("before", pa.null()), ("n", to)])
    (batch,) = dfd_native.adapt_stream(source, schema)
    found = pa.record_batch(batch)
    found.validate(full=True)
    return found["n"]


def of(values: list[Any], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(values, kind)


KEPT = [
    (of([1.0, -0.0, None]), pa.int64(), [1, 0, None]),
    (of([0.5, INF]), pa.float32(), [0.5, INF]),
    (of([2**53]), pa.float64(), [2.0**53]),
    (of([0, 1]), pa.bool_(), [False, True]),
    (of([1000, -1000]).cast(NS), US, [dt.datetime(1970, 1, 1, 0, 0, 0, 1), None]),
    (of([DAY], US), UTC, [DAY.replace(tzinfo=dt.timezone.utc)]),
    (of([DAY], US), pa.date32(), [DAY.date()]),
    (of([DAY.date()]), UTC, [DAY.replace(tzinfo=dt.timezone.utc)]),
    (of([Decimal("1.50")]), pa.decimal128(4, 1), [Decimal("1.5")]),
    (of([Decimal("2.0")]), pa.int8(), [2]),
    (of([0.1]), pa.decimal128(10, 2), [Decimal("0.10")]),
    (of([7]), pa.decimal128(3, 2), [Decimal("7.00")]),
    (of(["1.500", "15e-1"]), pa.decimal128(10, 1), [Decimal("1.5"), Decimal("1.5")]),
    (of(["2020-01-01T00:00:00.120000000Z"]), US, [dt.datetime(2020, 1, 1, 0, 0, 0, 120000)]),
    (of(["2020-01-01", "2020-01-01T00:00:00"]), pa.date32(), [DAY.date(), DAY.date()]),
    (of([b"\xc3\xa4", None]), pa.large_string(), ["ä", None]),
    (of(["a", None]), pa.string_view(), ["a", None]),
    (of(["a", None, "b"]).dictionary_encode(), pa.string(), ["a", None, "b"]),
    (of(["1", "2"]).dictionary_encode(), pa.int8(), [1, 2]),
    (of(["a", "b", "a"]), pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"]),
    (pa.RunEndEncodedArray.from_arrays([2, 3], [1, 2]), pa.int8(), [1, 1, 2]),
    (of([None, None]), pa.struct([("a", pa.int8())]), [None, None]),
    (of([[1, 2], None, []]), pa.large_list(pa.int8()), [[1, 2], None, []]),
    (of([[1, 2], None]), pa.list_(pa.int8(), 2), [[1, 2], None]),
    (of([[1, 2], None], pa.list_(pa.int64(), 2)), pa.list_view(pa.int8()), [[1, 2], None]),
    (
        of([{"a": 1, "b": "x"}, None]),
        pa.struct([("b", pa.string()), ("a", pa.int8()), ("c", pa.date32())]),
        [{"b": "x", "a": 1, "c": None}, None],
    ),
    (
        of([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        pa.map_(pa.string_view(), pa.int8()),
        [[("a", 1)], None],
    ),
]


@pytest.mark.parametrize(("array", "to", "values"), KEPT, ids=lambda one: str(one)[:40])
def test_what_fits_is_kept(array: pa.Array, to: pa.DataType, values: list[Any]) -> None:
    if to == US and values[-1] is None:
        array, values = array.slice(0, 1), values[:1]
    found = cast(array, to)
    assert found.type == to
    assert found.to_pylist() == values


LOST = [
    (of([1, 300]), pa.int8(), 1, "300 doesn't fit Int8"),
    (of([1, -1]), pa.uint64(), 1, "-1"),
    (of([1.0, 1.5]), pa.int64(), 1, "1.5"),
    (of([NAN]), pa.int64(), 0, "NaN"),
    (of([0.5, 0.1]), pa.float32(), 1, "0.1"),
    (of([2**53, 2**53 + 1]), pa.float64(), 1, "9007199254740993"),
    (of([2**63 - 1]), pa.float64(), 0, "9223372036854775807"),
    (of([70000]), pa.float16(), 0, "70000"),
    (of([0, 2]), pa.bool_(), 1, "2"),
    (of([1000, 1001]).cast(NS), US, 1, "000001001"),
    (of([-1]).cast(NS), US, 0, "999999999"),
    (of([2**62]).cast(US), NS, 0, "148108"),
    (of([DAY, HOUR], US), pa.date32(), 1, "01:00:00"),
    (of([dt.date(9999, 1, 1)]), NS, 0, "9999"),
    (of([1], pa.time64("ns")), pa.time32("ms"), 0, ""),
    (of([1], pa.duration("ns")), pa.duration("us"), 0, ""),
    (of([Decimal("1.50"), Decimal("1.25")]), pa.decimal128(9, 1), 1, "1.25"),
    (of([Decimal("99.5")]), pa.decimal128(2, 1), 0, "99.5"),
    (of([Decimal("1.5")]), pa.int64(), 0, "1.5"),
    (of([Decimal("12345678901234567890.5")]), pa.float64(), 0, ""),
    (of([0.1, 0.1 + 0.2]), pa.decimal128(10, 2), 1, "0.30000000000000004"),
    (of([12345]), pa.decimal128(6, 2), 0, "12345"),
    (of(["1", "x"]), pa.int64(), 1, '"x"'),
    (of(["a\0b"]), pa.int64(), 0, r'"a\\0b"'),
    (of(["1.5", "1.55"]), pa.decimal128(10, 1), 1, '"1.55"'),
    (of(["9" * 300]), pa.decimal128(38, 0), 0, "…"),
    (of(["inf", "1e400"]), pa.float64(), 1, '"1e400"'),
    (of(["2020-01-01", "2020-01-01T00:00:00.0000001"]), US, 1, "0000001"),
    (of(["2020-01-01", "2020-01-01T01:00:00"]), pa.date32(), 1, "01:00:00"),
    (of(["12:00:00.1", "12:00:00.1234"]), pa.time32("ms"), 1, "1234"),
    (of([b"a", b"\xff"]), pa.string(), 1, "ff"),
    (of([b"ab", b"abc"]), pa.binary(2), 1, "616263"),
    (of([str(n) for n in range(200)]), pa.dictionary(pa.int8(), pa.string()), 128, "key"),
    (of(["1", "x", "1"]).dictionary_encode(), pa.int64(), 1, '"x"'),
    (pa.RunEndEncodedArray.from_arrays([2, 3], [1, 300]), pa.int8(), 2, "300"),
]


@pytest.mark.parametrize(("array", "to", "row", "says"), LOST, ids=lambda one: str(one)[:40])
def test_what_does_not_fit_is_named(array: pa.Array, to: pa.DataType, row: int, says: str) -> None:
    with pytest.raises(dfd_native.StreamError, match=rf"column `n` in row {row} .*{says}"):
        cast(array, to)


@pytest.mark.parametrize(
    ("array", "to", "where"),
    [
        (of([{"a": 1}, None, {"a": 300}]), pa.struct([("a", pa.int8())]), "`n`.a in row 2"),
        (of([[1], None, [], [2, 300]]), pa.list_(pa.int8()), r"`n`\[\] in row 3"),
        (
            of([[{"a": [1]}], [{"a": []}, {"a": [3, 300]}]]),
            pa.list_(pa.struct([("a", pa.list_(pa.int8()))])),
            r"`n`\[\].a\[\] in row 1",
        ),
        (
            of([[("a", 1)], [], [("b", 300)]], pa.map_(pa.string(), pa.int64())),
            pa.map_(pa.string(), pa.int8()),
            "`n`.value in row 2",
        ),
        (of([[1, 2], None, [3]]), pa.list_(pa.int64(), 2), "`n` in row 2 .*1 items, not 2"),
        (
            of([{"a": 1}, None, {"a": None}]),
            pa.struct([pa.field("a", pa.int64(), False)]),
            "`n`.a in row 2 .*null",
        ),
        (
            of([[1], [None]]),
            pa.list_(pa.field("item", pa.int64(), False)),
            r"`n`\[\] in row 1 .*null",
        ),
    ],
)
def test_below_a_column_the_path_is_named(array: pa.Array, to: pa.DataType, where: str) -> None:
    with pytest.raises(dfd_native.StreamError, match=where):
        cast(array, to)


@pytest.mark.parametrize(
    ("array", "to", "says"),
    [
        (of([1]), US, "Int64 and can't become"),
        (of([DAY], US), pa.int64(), "can't become Int64"),
        (of([DAY], US), pa.timestamp("us", "Europe/Berlin"), "Europe/Berlin"),
        (of([DAY], pa.timestamp("us", "Europe/Berlin")), US, "Europe/Berlin"),
        (of([1]), pa.binary(), "can't become Binary"),
        (of([1]), pa.list_(pa.int64()), "can't become"),
        (of([{"a": 1}]), pa.struct([("b", pa.int64())]), "`n`.a would be lost"),
        (of([{"a": 1}]), pa.struct([("a", pa.date32())]), "`n`.a is Int64"),
        (of([[{"a": 1}]]), pa.list_(pa.struct([("a", US)])), r"`n`\[\].a is Int64"),
        (
            of([{"a": 1}]),
            pa.struct([("a", pa.int64()), pa.field("b", pa.int8(), False)]),
            "`n`.b is missing",
        ),
    ],
)
def test_types_without_a_way_are_refused_before_a_batch(
    array: pa.Array, to: pa.DataType, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        cast(array, to)


def test_an_instant_is_the_same_in_every_zone() -> None:
    berlin = cast(of([DAY], UTC), pa.timestamp("ns", "Europe/Berlin"))
    assert berlin.cast(pa.int64()).to_pylist() == [1_577_836_800_000_000_000]


def test_values_that_nobody_sees_are_not_looked_at() -> None:
    hidden = pa.array([True, False]).buffers()[1]
    to = pa.struct([("a", pa.int8())])
    of_null = pa.StructArray.from_buffers(
        pa.struct([("a", pa.int64())]), 2, [hidden], children=[of([1, 300])]
    )
    assert cast(of_null, to).to_pylist() == [{"a": 1}, None]
    of_null = pa.ListArray.from_buffers(
        pa.list_(pa.int64()), 2, [hidden, of([0, 1, 2], pa.int32()).buffers()[1]],
        children=[of([1, 300])],
    )  # fmt: skip
    assert cast(of_null, pa.list_(pa.int8())).to_pylist() == [[1], None]
    for kind in pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_view(pa.int64()):
        sliced = of([[300], [1, 2], [], None, [300]], kind).slice(1, 3)
        assert cast(sliced, pa.list_(pa.int8())).to_pylist() == [[1, 2], [], None]
    assert cast(of([b"\xff", b"a", b"\xff"]).slice(1, 1), pa.string()).to_pylist() == ["a"]
    assert cast(of(["x", "1", "1"]).dictionary_encode().slice(1), pa.int8()).to_pylist() == [1, 1]


def test_nulls_where_none_may_be_are_named() -> None:
    schema = pa.schema([pa.field("n", pa.int64(), False)])
    with pytest.raises(dfd_native.StreamError, match="`n` in row 1 of the stream: it is null"):
        list(dfd_native.adapt_stream(pa.table({"n": of([1, None])}), schema))


INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
EDGES = [0.0, 0.5, 1.0, -1.0, 255.0, 256.0, 2.0**31, 2.0**53, 2.0**63, 1e300, 5e-324, 0.1]


def fits(value: Any, to: pa.DataType) -> bool:
    """Whether the type has the value, said by Python's own numbers."""
    exact = Fraction(value)
    if pa.types.is_integer(to):
        signed = pa.types.is_signed_integer(to)
        low = -(2 ** (to.bit_width - 1)) if signed else 0
        return exact.denominator == 1 and low <= exact < low + 2**to.bit_width
    code = {16: "e", 32: "f", 64: "d"}[to.bit_width]
    try:
        (stored,) = struct.unpack(code, struct.pack(code, float(value)))
    except OverflowError:
        return False
    return abs(stored) != INF and Fraction(stored) == exact


@given(
    source=st.sampled_from([pa.int64(), pa.uint64(), pa.float64()]).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.lists(
                st.none()
                | (
                    st.sampled_from(EDGES) | st.floats(allow_nan=False, allow_infinity=False)
                    if kind == pa.float64()
                    else st.integers(0, 300)
                    | st.integers(0, 2**64 - 1).map(lambda n: n if kind == pa.uint64() else n >> 1)
                ),
                max_size=20,
            ),
        )
    ),
    to=st.sampled_from([*INTEGERS, pa.float16(), pa.float32(), pa.float64()]),
)
def test_numbers_fit_or_the_first_that_does_not_is_named(
    source: tuple[pa.DataType, list[Any]], to: pa.DataType
) -> None:
    kind, values = source
    bad = [row for row, value in enumerate(values) if value is not None and not fits(value, to)]
    if not values:
        return
    if bad:
        with pytest.raises(dfd_native.StreamError, match=rf"`n` in row {bad[0]} of"):
            cast(of(values, kind), to)
    else:
        assert cast(of(values, kind), to).to_pylist() == values


UNITS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


@given(
    values=st.lists(
        st.none() | st.integers(-(10**6), 10**6) | st.integers(-9, 9).map(lambda n: n * 10**9),
        min_size=1,
        max_size=20,
    ),
    units=st.tuples(st.sampled_from(list(UNITS)), st.sampled_from(list(UNITS))),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin"]),
)
def test_moments_fit_a_unit_or_the_first_that_does_not_is_named(
    values: list[int | None], units: tuple[str, str], zone: str | None
) -> None:
    unit, to = units
    moments = of(values, pa.int64()).cast(pa.timestamp(unit, zone))
    nanos = [None if value is None else value * UNITS[unit] for value in values]
    bad = [row for row, value in enumerate(nanos) if value is not None and value % UNITS[to]]
    if bad:
        with pytest.raises(dfd_native.StreamError, match=rf"`n` in row {bad[0]} of"):
            cast(moments, pa.timestamp(to, zone))
    else:
        found = cast(moments, pa.timestamp(to, zone)).cast(pa.int64()).to_pylist()
        assert found == [None if value is None else value // UNITS[to] for value in nanos]
