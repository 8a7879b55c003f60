"""The same values in every representation of their type, into every other and nested too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

TEXT = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view()]
DECIMALS = [pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 4), pa.decimal256(76, 10)]
INTEGERS = [pa.int16(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(9, 1)]
MOMENTS = [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC")]

texts = st.sampled_from(["", "a", "ä" * 20, "7"])
FAMILIES: list[tuple[list[pa.DataType], st.SearchStrategy[Any]]] = [
    (TEXT, texts),
    (BYTES, texts.map(str.encode)),
    (DECIMALS, st.sampled_from(["0.00", "-1.25", "1234567.89"]).map(Decimal)),
    (INTEGERS, st.integers(-999, 999)),
    (MOMENTS, st.integers(-(10**9), 10**9)),
]


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(pa.timestamp("ms", kind.tz)).cast(kind)
    return pa.array(values, kind)


def wrapped(items: pa.Array, shape: str, into: bool) -> pa.Array:
    """The column itself, or one value a row in something nested."""
    count = len(items)
    ends = pa.array(range(count + 1), pa.int64())
    if shape == "struct":
        return pa.StructArray.from_arrays([items, items], ["b", "a"] if into else ["a", "b"])
    if shape == "list":
        if into:
            return pa.LargeListArray.from_arrays(ends, items)
        return pa.ListArray.from_arrays(ends.cast(pa.int32()), items)
    if shape == "list view":
        if into:
            return pa.FixedSizeListArray.from_arrays(items, 1)
        return pa.ListViewArray.from_arrays(
            ends.cast(pa.int32())[:-1], pa.array([1] * count, pa.int32()), items
        )
    if shape == "map":
        keys = pa.array(["k"] * count, pa.large_string() if into else pa.string())
        return pa.MapArray.from_arrays(ends.cast(pa.int32()), keys, items)
    return items


@pytest.mark.parametrize("shape", ["plain", "struct", "list", "list view", "map"])
@given(data=st.data())
def test_it_is_the_same_in_the_other_and_back(shape: str, data: st.DataObject) -> None:
    kinds, strategy = data.draw(st.sampled_from(FAMILIES))
    one, other = data.draw(st.sampled_from(kinds)), data.draw(st.sampled_from(kinds))
    values = data.draw(st.lists(st.none() | strategy, min_size=1, max_size=12))
    first = data.draw(st.integers(0, len(values) - 1))
    source = wrapped(column(values, one), shape, into=False)
    target = wrapped(column(values, other), shape, into=True)
    for before, after in (source, target), (target, source):
        found = cast(before.slice(first), after.type)
        assert found.type == after.type
        # Not `equals`: to pyarrow other dictionaries are other values.
        assert found.to_pylist() == after.slice(first).to_pylist()


@given(data=st.data())
def test_it_is_the_same_when_its_text_is_read(data: st.DataObject) -> None:
    kinds, strategy = data.draw(st.sampled_from(FAMILIES[2:]))
    values = data.draw(st.lists(st.none() | strategy, min_size=1, max_size=12))
    numbers = column(values, data.draw(st.sampled_from(kinds)))
    text = cast(numbers, data.draw(st.sampled_from(TEXT)))
    assert cast(text, numbers.type).equals(numbers)


def cast(array: pa.Array, to: pa.DataType) -> pa.Array:
    stream = dfd_native.adapt_stream(pa.table({"n": array}), pa.schema([("n", to)]))
    (batch,) = stream
    found = pa.record_batch(batch)
    found.validate(full=True)
    return found["n"]
