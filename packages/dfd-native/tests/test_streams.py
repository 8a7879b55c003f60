"""Arrow streams through Rust: lazy, exact, and ended by their first error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dfd_native
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st

TABLE = pa.table({"n": [1, 2, 3], "s": ["a", None, "c"]})


def reader_of(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, batches)


SOURCES = [
    pytest.param(lambda: TABLE, id="pyarrow-table"),
    pytest.param(lambda: TABLE.to_reader(), id="pyarrow-reader"),
    pytest.param(lambda: pl.DataFrame(TABLE), id="polars"),
    pytest.param(lambda: duckdb.from_arrow(TABLE), id="duckdb"),
    pytest.param(lambda: SessionContext().from_arrow(TABLE), id="datafusion"),
    pytest.param(lambda: dfd_native.adapt_stream(TABLE), id="adapted"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_takes_any_stream(source: Any) -> None:
    target = pa.schema([("s", pa.string()), ("n", pa.int32())])
    adapted = pa.table(dfd_native.adapt_stream(source(), schema=target))
    assert adapted.equals(TABLE.select(["s", "n"]).cast(target))


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda stream: pa.table(stream), id="pyarrow"),
        pytest.param(lambda stream: pl.DataFrame(stream).to_arrow(), id="polars"),
        pytest.param(
            lambda stream: SessionContext().from_arrow(stream).to_arrow_table(), id="datafusion"
        ),
        pytest.param(
            lambda stream: duckdb.from_arrow(pa.table(stream)).to_arrow_table(), id="duckdb"
        ),
    ],
)
def test_any_library_reads_it(read: Any) -> None:
    assert read(dfd_native.adapt_stream(TABLE)).to_pydict() == TABLE.to_pydict()


@given(
    sizes=st.lists(st.integers(0, 9), max_size=8),
    batch_rows=st.integers(1, 12),
)
def test_batch_rows_cuts_and_loses_nothing(sizes: list[int], batch_rows: int) -> None:
    values = iter(range(sum(sizes)))
    batches = [pa.record_batch({"n": [next(values) for _ in range(size)]}) for size in sizes]
    schema = pa.schema([("n", pa.int64())])
    stream = dfd_native.adapt_stream(
        reader_of(iter(b.cast(schema) for b in batches), schema), batch_rows=batch_rows
    )
    got = list(pa.RecordBatchReader.from_stream(stream))
    assert [n for batch in got for n in batch["n"].to_pylist()] == list(range(sum(sizes)))
    assert all(batch.num_rows == batch_rows for batch in got[:-1])
    assert all(0 < batch.num_rows <= batch_rows for batch in got[-1:])
    assert (stream.rows, stream.batches) == (sum(sizes), len(got))


def test_reads_no_more_than_is_asked_for() -> None:
    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(1000):
            taken.append(n)
            yield pa.record_batch({"n": [n]})

    schema = pa.schema([("n", pa.int64())])
    stream = dfd_native.adapt_stream(reader_of(batches(), schema), batch_rows=2)
    assert taken == []
    reader = pa.RecordBatchReader.from_stream(stream)
    reader.read_next_batch()
    assert len(taken) <= 3


def test_ends_for_good_after_its_first_error() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1]})
        yield pa.record_batch({"n": [1000]})
        yield pa.record_batch({"n": [3]})

    stream = dfd_native.adapt_stream(
        reader_of(batches(), pa.schema([("n", pa.int64())])), schema=pa.schema([("n", pa.int8())])
    )
    reader = pa.RecordBatchReader.from_stream(stream)
    assert reader.read_next_batch()["n"].to_pylist() == [1]
    with pytest.raises(pa.ArrowInvalid, match="doesn't fit Int8"):
        reader.read_next_batch()
    with pytest.raises(StopIteration):
        reader.read_next_batch()
    assert stream.rows == 1


def test_is_given_away_once() -> None:
    stream = dfd_native.adapt_stream(TABLE)
    pa.table(stream)
    with pytest.raises(dfd_native.StreamError, match="read once"):
        pa.table(stream)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (pa.schema([("n", pa.int64())]), "`s`"),
        (pa.schema([("n", pa.struct([("x", pa.int8())])), ("s", pa.string())]), "can't become"),
        (
            pa.schema([("n", pa.int64()), ("s", pa.string()), pa.field("x", pa.int8(), False)]),
            "`x`",
        ),
    ],
)
def test_refuses_schemas_that_lose_something(schema: pa.Schema, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dfd_native.adapt_stream(TABLE, schema=schema)


def test_refuses_what_is_no_stream() -> None:
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        dfd_native.adapt_stream(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_rows"):
        dfd_native.adapt_stream(TABLE, batch_rows=0)
    with pytest.raises(OverflowError):
        dfd_native.adapt_stream(TABLE, batch_rows=-1)


def test_batches_are_eager_and_complete() -> None:
    batches = dfd_native.arrow_stream_to_batches(TABLE.to_reader(max_chunksize=2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.Table.from_batches([pa.record_batch(b) for b in batches]).equals(TABLE)


def test_a_failing_source_gives_no_batches() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1]})
        raise RuntimeError("the source is gone")

    with pytest.raises(dfd_native.StreamError, match="the source is gone"):
        dfd_native.arrow_stream_to_batches(reader_of(batches(), pa.schema([("n", pa.int64())])))
