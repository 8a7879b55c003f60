"""Slices of nested data come in as they are: arrow-rs alone slices the children of structs twice."""

from __future__ import annotations

import dfd_native
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

PAIR = pa.list_(pa.struct({"z": pa.struct({"q": pa.string()})}), 2)
ITEMS = pa.list_(pa.struct({"a": pa.struct({"b": pa.int32()})}))
NESTED = pa.struct({"f": pa.struct({"g": pa.int8(), "pair": PAIR, "items": ITEMS})})


def nested(row: int) -> dict[str, object] | None:
    if row % 11 == 0:
        return None
    items = [{"a": {"b": item}} if item % 3 else None for item in range(row % 4)]
    pair = [{"z": {"q": str(row)}}, {"z": None}]
    return {"f": None if row % 5 == 0 else {"g": row, "pair": pair, "items": items}}


TABLE = pa.table({"c": pa.array([nested(row) for row in range(50)], NESTED)})


def read(data: object) -> list[object]:
    batches = dfd_native.arrow_stream_to_batches(data)
    return pa.Table.from_batches(map(pa.record_batch, batches), TABLE.schema).to_pylist()


@given(first=st.integers(0, 50), rows=st.integers(0, 50), size=st.integers(1, 50))
def test_slices_of_slices(first: int, rows: int, size: int) -> None:
    wanted = TABLE.slice(first, rows)
    batches = wanted.to_batches(max_chunksize=size)
    assert read(pa.RecordBatchReader.from_batches(TABLE.schema, batches)) == wanted.to_pylist()


@given(first=st.integers(0, 49), rows=st.integers(1, 50))
def test_a_slice_of_one_array(first: int, rows: int) -> None:
    batch = TABLE.to_batches()[0].slice(first, rows)
    assert read(batch) == batch.to_pylist()
