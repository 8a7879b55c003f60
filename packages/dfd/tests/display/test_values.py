"""Values read back: nothing is rounded, cut off or mistaken for another."""

from __future__ import annotations

import math
import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dfd
import msgspec
import pyarrow as pa
import pytest
from dfd.display.values import plain_columns, plain_values
from hypothesis import given
from hypothesis import strategies as st

MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))


def of(values: list[Any], kind: pa.DataType) -> list[Any]:
    return plain_values(pa.array(values, kind))


def is_same(one: float, other: float) -> bool:
    return struct.pack("d", one) == struct.pack("d", other) or (
        math.isnan(one) and math.isnan(other)
    )


@given(st.lists(st.none() | st.floats()))
def test_doubles(values: list[float | None]) -> None:
    for value, found in zip(values, of(values, pa.float64()), strict=True):
        if value is None:
            assert found is None
        else:
            assert is_same(float(found), value)
            assert isinstance(found, float) == math.isfinite(value)


@given(st.lists(st.floats(width=32)))
def test_floats_have_no_more_digits_than_they_are_made_of(values: list[float]) -> None:
    for value, found in zip(values, of(values, pa.float32()), strict=True):
        again = pa.scalar(float(found), pa.float32()).as_py()
        assert is_same(again, value)
        assert len(Decimal(str(found)).normalize().as_tuple().digits) <= 9
    assert of([0.1, 1 / 3], pa.float32()) == [0.1, 0.33333334]


def test_what_json_has_not_is_a_text() -> None:
    assert of([math.nan, math.inf, -math.inf], pa.float64()) == ["NaN", "Infinity", "-Infinity"]


@given(st.lists(st.none() | st.decimals(-(10**20), 10**20, places=10)))
def test_decimals_are_texts(values: list[Decimal | None]) -> None:
    found = of(values, pa.decimal128(38, 10))
    assert [value and Decimal(value) for value in found] == values
    assert of([Decimal("1E+3")], pa.decimal128(5, -2)) == ["1000"]


def test_integers_stay_integers() -> None:
    assert of([2**64 - 1, None], pa.uint64()) == [2**64 - 1, None]
    assert of([-(2**63)], pa.int64()) == [-(2**63)]


@given(st.lists(st.none() | MOMENTS), st.sampled_from([None, "UTC", "+05:30", "Europe/Berlin"]))
def test_moments(values: list[datetime | None], zone: str | None) -> None:
    zones = {"UTC": timezone.utc, "+05:30": timezone(timedelta(hours=5.5))}
    info = None if zone is None else zones.get(zone) or ZoneInfo(zone)
    aware = [value and value.replace(tzinfo=info and timezone.utc) for value in values]
    for wanted, found in zip(aware, of(aware, pa.timestamp("us", zone)), strict=True):
        if wanted is None:
            assert found is None
            continue
        local = wanted if info is None else wanted.astimezone(info)
        offset = (
            "" if info is None else local.isoformat()[len(local.replace(tzinfo=None).isoformat()) :]
        )
        assert found.endswith("Z" if offset == "+00:00" else offset)
        moment = found.removesuffix("Z").removesuffix(offset)
        assert datetime.fromisoformat(_six_digits(moment)) == local.replace(tzinfo=None)


def _six_digits(text: str) -> str:
    """What Python 3.10 reads: no fraction, or one of six digits."""
    seconds, dot, fraction = text.partition(".")
    return f"{seconds}.{fraction:0<6}" if dot else seconds


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        ([1, 2**63 - 1], pa.timestamp("ns"), ["1970-01-01T00:00:00.000000001", "2262-04-11T23:47:16.854775807"]),
        ([2**63 - 1], pa.timestamp("us", "UTC"), ["+294247-01-10T04:00:54.775807Z"]),
        ([-(10**17)], pa.timestamp("us"), ["-1199-02-15T14:13:20"]),
        ([1], pa.timestamp("s", "No/Where"), ["1970-01-01T00:00:01Z"]),
        ([date(2024, 2, 29), None], pa.date32(), ["2024-02-29", None]),
        ([3_000_000, -800_000], pa.date32(), ["+10183-09-21", "-0221-09-04"]),
        ([time(23, 59, 59, 5)], pa.time64("us"), ["23:59:59.000005"]),
        ([86_399_999_999_999], pa.time64("ns"), ["23:59:59.999999999"]),
        ([1, -1_500_000, 0], pa.duration("us"), ["PT0.000001S", "PT-1.5S", "PT0S"]),
        ([pa.MonthDayNano([1, -2, 3]), None], pa.month_day_nano_interval(), ["P1M-2DT0.000000003S", None]),
        ([b"\x00\xff", b"", None], pa.binary(), ["00ff", "", None]),
        ([True, False, None], pa.bool_(), [True, False, None]),
        (["", None], pa.string_view(), ["", None]),
        (["a", None], pa.dictionary(pa.int8(), pa.string()), ["a", None]),
        ([None], pa.null(), [None]),
    ],
)  # fmt: skip
def test_kinds(values: list[Any], kind: pa.DataType, wanted: list[Any]) -> None:
    assert of(values, kind) == wanted


def test_what_is_inside_of_lists_and_structs() -> None:
    moments = pa.list_(pa.timestamp("ns", "UTC"))
    assert of([[1], None, []], moments) == [["1970-01-01T00:00:00.000000001Z"], None, []]
    entries = pa.struct({"raw": pa.binary(), "x": pa.list_(pa.float32())})
    values = [{"raw": b"x", "x": [0.1, None]}, None, {"raw": None, "x": None}]
    assert of(values, entries) == [{"raw": "78", "x": [0.1, None]}, None, {"raw": None, "x": None}]
    pairs = pa.map_(pa.int64(), pa.decimal128(5, 2))
    assert of([[(1, Decimal("1.50")), (2, None)], None], pairs) == [[[1, "1.50"], [2, None]], None]
    sliced = pa.array([[1], [2, 3], [4]], pa.list_(pa.int64())).slice(1, 1)
    assert plain_values(sliced) == [[2, 3]]
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    assert plain_values(twice) == [[["x", 1], ["x", 2]]]
    assert of([{}, None], pa.struct([])) == [{}, None]
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([b"a", None]))
    assert plain_values(runs) == ["61", "61", None]


def test_every_plain_value_is_json() -> None:
    kinds = [
        pa.float64(),
        pa.timestamp("ns", "UTC"),
        pa.binary(),
        pa.decimal256(50, 3),
        pa.uint64(),
    ]
    for kind in kinds:
        values = of([1, None] if kind != pa.binary() else [b"1", None], kind)
        assert msgspec.json.decode(msgspec.json.encode(values)) == values


def test_a_type_that_pyarrow_has_no_values_of_is_named(runtime: dfd.Runtime) -> None:
    query = runtime.sql("select 1 as a, arrow_cast('1 month', 'Interval(YearMonth)') as months")
    (batch,) = query.reader()
    with pytest.raises(dfd.QueryError, match=r"'months'.*cast"):
        plain_columns(batch)
