"""Any library's data goes in, and all that dfd gives goes into any library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arro3.core as arro3
import dfd
import dfd_native
import duckdb
import nanoarrow
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake

TABLE = pa.table({"n": pa.array([1, 2, 3], pa.int64()), "s": ["a", None, "c"]})
ROWS = TABLE.to_pylist()
BATCH = TABLE.to_batches()[0]


class OnlyAnArray:
    """A record batch as some libraries have it."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> object:
        return BATCH.__arrow_c_array__(requested_schema)


SOURCES: dict[str, Callable[[], Any]] = {
    "pyarrow table": lambda: TABLE,
    "pyarrow reader": lambda: TABLE.to_reader(max_chunksize=2),
    "pyarrow record batch": lambda: BATCH,
    "pyarrow scan": lambda: ds.dataset(TABLE).scanner().to_reader(),
    "pyarrow structs": lambda: BATCH.to_struct_array(),
    "polars": lambda: pl.DataFrame(TABLE),
    "polars lazy": lambda: pl.LazyFrame(TABLE).collect(),
    "polars structs": lambda: pl.DataFrame(TABLE).to_struct(),
    "pandas": lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "duckdb": lambda: duckdb.from_arrow(TABLE),
    "duckdb query": lambda: duckdb.from_arrow(TABLE).order("n"),
    "datafusion": lambda: SessionContext().from_arrow(TABLE),
    "arro3 table": lambda: arro3.Table.from_arrow(TABLE),
    "arro3 reader": lambda: arro3.RecordBatchReader.from_stream(TABLE),
    "arro3 record batch": lambda: arro3.RecordBatch.from_arrow(BATCH),
    "nanoarrow stream": lambda: nanoarrow.ArrayStream(TABLE),
    "nanoarrow array": lambda: nanoarrow.Array(BATCH),
    "an array alone": OnlyAnArray,
    "dfd query": lambda: query(),
    "dfd run": lambda: run(),
    "dfd stream": lambda: dfd_native.adapt_stream(TABLE),
    "dfd record batch": lambda: batch(),
}

SINKS: dict[str, Callable[[Any], Any]] = {
    "pyarrow table": lambda data: pa.table(data).to_pylist(),
    "pyarrow reader": lambda data: pa.RecordBatchReader.from_stream(data).read_all().to_pylist(),
    "polars": lambda data: pl.DataFrame(data).to_dicts(),
    "duckdb": lambda data: duckdb.from_arrow(data).to_arrow_table().to_pylist(),
    "duckdb by name": lambda data: duckdb.sql("from data").to_arrow_table().to_pylist(),
    "datafusion": lambda data: SessionContext().from_arrow(data).to_pylist(),
    "arro3 table": lambda data: pa.table(arro3.Table.from_arrow(data)).to_pylist(),
    "arro3 reader": lambda data: pa.table(arro3.RecordBatchReader.from_stream(data)).to_pylist(),
    "nanoarrow": lambda data: nanoarrow.ArrayStream(data).read_all().to_pylist(),
    "dfd stream": lambda data: pa.table(dfd_native.adapt_stream(data)).to_pylist(),
    "dfd batches": lambda data: rows(dfd_native.arrow_stream_to_batches(data)),
}

if hasattr(pd.DataFrame, "from_arrow"):  # since pandas 3
    SINKS["pandas"] = lambda data: pa.table(pd.DataFrame.from_arrow(data)).to_pylist()

RUNTIME = dfd.connect()
RUNTIME.session.from_arrow(TABLE, name="data")


def query() -> dfd.Query:
    return RUNTIME.sql("select * from data order by n")


def run() -> dfd_native.EngineRun:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.from_arrow(TABLE, name="data")
    plan = session.sql("select * from data order by n").optimized_logical_plan()
    return dfd_native.Engine().run(plan, session, TABLE.schema, is_sql=True)


def batch() -> dfd_native.RecordBatch:
    (batch,) = dfd_native.arrow_stream_to_batches(TABLE)
    return batch


OURS: dict[str, Callable[[], Any]] = {
    "query": query,
    "run": run,
    "stream": lambda: dfd_native.adapt_stream(TABLE.to_reader(max_chunksize=2)),
    "stream ahead": lambda: dfd_native.adapt_stream(
        TABLE.to_reader(max_chunksize=1), batch_rows=2, prefetch_batches=2
    ),
    "record batch": batch,
}


def rows(batches: list[dfd_native.RecordBatch]) -> list[dict[str, Any]]:
    return [row for one in batches for row in pa.record_batch(one).to_pylist()]


@pytest.mark.parametrize("source", SOURCES)
def test_takes_the_data_of_any_library(source: str) -> None:
    assert rows(dfd_native.arrow_stream_to_batches(SOURCES[source]())) == ROWS
    target = pa.schema([("s", pa.string()), ("n", pa.int16())])
    for ahead in 0, 1:
        stream = dfd_native.adapt_stream(SOURCES[source](), target, 2, ahead)
        adapted = pa.table(stream)
        assert adapted.equals(TABLE.select(["s", "n"]).cast(target))
        assert (stream.rows, stream.batches) == (3, 2)


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("ours", OURS)
def test_any_library_takes_it(ours: str, sink: str) -> None:
    assert SINKS[sink](OURS[ours]()) == ROWS


@pytest.mark.parametrize("ours", OURS)
def test_deltalake_writes_it(ours: str, tmp_path: Any) -> None:
    write_deltalake(tmp_path, OURS[ours]())
    assert DeltaTable(tmp_path).to_pyarrow_table().sort_by("n").to_pylist() == ROWS


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda batch: pa.record_batch(batch).to_pylist(), id="pyarrow"),
        pytest.param(
            lambda batch: pa.record_batch(arro3.RecordBatch.from_arrow(batch)).to_pylist(),
            id="arro3",
        ),
        pytest.param(lambda batch: nanoarrow.Array(batch).to_pylist(), id="nanoarrow"),
    ],
)
def test_a_record_batch_is_one_everywhere(read: Callable[[Any], Any]) -> None:
    assert read(batch()) == ROWS


def test_batches_make_a_table() -> None:
    batches = dfd_native.arrow_stream_to_batches(TABLE.to_reader(max_chunksize=2))
    assert pa.Table.from_batches([pa.record_batch(one) for one in batches]).equals(TABLE)


@pytest.mark.parametrize("ours", [name for name in OURS if name != "query"])
def test_its_schema_is_known_before_it_is_read(ours: str) -> None:
    data = OURS[ours]()
    assert pa.schema(data).names == ["n", "s"]
    assert pa.schema(arro3.Schema.from_arrow(data)) == pa.schema(data)
    assert [field.name for field in nanoarrow.Schema(data).fields] == ["n", "s"]
    assert pa.table(data).to_pylist() == ROWS


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(3, "__arrow_c_stream__", id="no Arrow"),
        pytest.param(pl.LazyFrame(TABLE), "collect", id="lazy"),
        pytest.param(ds.dataset(TABLE).scanner(), "to_reader", id="scan"),
        pytest.param(TABLE["n"], "of record batches is needed, not of Int64", id="one column"),
        pytest.param(pa.array([1]), "not of Int64", id="one array"),
    ],
)
def test_what_is_no_stream_of_batches_is_refused(data: Any, says: str) -> None:
    for take in dfd_native.adapt_stream, dfd_native.arrow_stream_to_batches:
        with pytest.raises(TypeError, match=says):
            take(data)


@pytest.mark.parametrize("structs", [pa.array([{"n": 1}, None]), pl.Series([{"n": 1}, None])])
def test_a_row_that_is_null_as_a_whole_is_refused(structs: Any) -> None:
    with pytest.raises(dfd_native.StreamError, match="null as a whole"):
        dfd_native.arrow_stream_to_batches(structs)


def test_what_a_source_raises_when_it_is_asked_is_its_own() -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            raise LookupError("no such data")

    with pytest.raises(LookupError, match="no such data"):
        dfd_native.adapt_stream(Broken())
