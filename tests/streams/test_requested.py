"""What a consumer requests is another representation of the same data, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext

TABLE = pa.table({"n": pa.array([1, 300], pa.int64()), "s": ["a", None]})


def stream(schema: pa.Schema) -> pa.Table:
    return pa.RecordBatchReader.from_stream(dfd_native.adapt_stream(TABLE), schema).read_all()


def batch(schema: pa.Schema) -> pa.Table:
    (batch,) = dfd_native.arrow_stream_to_batches(TABLE)
    schema_capsule, array = batch.__arrow_c_array__(schema.__arrow_c_schema__())
    return pa.table(pa.RecordBatch._import_from_c_capsule(schema_capsule, array))


def batch_stream(schema: pa.Schema) -> pa.Table:
    (batch,) = dfd_native.arrow_stream_to_batches(TABLE)
    return pa.RecordBatchReader.from_stream(batch, schema).read_all()


def run(schema: pa.Schema) -> pa.Table:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.from_arrow(TABLE, name="data")
    plan = session.sql("select * from data").optimized_logical_plan()
    run = dfd_native.Engine().run(plan, session, TABLE.schema, is_sql=True)
    return pa.RecordBatchReader.from_stream(run, schema).read_all()


exports = pytest.mark.parametrize("export", [stream, batch, batch_stream, run])


@exports
def test_it_comes_as_requested(export: Callable[[pa.Schema], pa.Table]) -> None:
    schema = pa.schema([("n", pa.int16()), ("s", pa.string_view())], {"of": "the request"})
    found = export(schema)
    assert found.schema.equals(schema, check_metadata=True)
    assert found.to_pylist() == TABLE.to_pylist()


@exports
def test_it_comes_in_the_order_requested(export: Callable[[pa.Schema], pa.Table]) -> None:
    found = export(pa.schema([("s", pa.large_string()), ("n", pa.int64())]))
    assert found.schema.names == ["s", "n"]
    assert found.to_pylist() == TABLE.select(["s", "n"]).to_pylist()


@exports
def test_a_value_that_does_not_fit_is_an_error(export: Callable[[pa.Schema], pa.Table]) -> None:
    with pytest.raises((ValueError, pa.ArrowInvalid), match=r"`n` in row 1 .* 300 doesn't fit"):
        export(pa.schema([("n", pa.int8()), ("s", pa.string())]))


@exports
@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (pa.schema([("n", pa.int64())]), "1 columns was requested of 2"),
        (pa.schema([("n", pa.int64()), ("t", pa.string())]), "`s`"),
        (pa.schema([("n", pa.int64()), ("s", pa.string()), ("x", pa.int8())]), "3 columns"),
    ],
)
def test_other_columns_are_refused(
    export: Callable[[pa.Schema], pa.Table], schema: pa.Schema, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        export(schema)


@pytest.mark.parametrize("what", ["stream", "batch"])
def test_a_type_that_nothing_leads_to_leaves_it_as_it_is(what: str) -> None:
    wanted = pa.schema([("n", pa.date32()), ("s", pa.string())]).__arrow_c_schema__()
    source: Any = dfd_native.adapt_stream(TABLE)
    if what == "batch":
        (source,) = dfd_native.arrow_stream_to_batches(TABLE)
    capsule = source.__arrow_c_stream__(wanted)
    assert pa.RecordBatchReader._import_from_c_capsule(capsule).read_all().equals(TABLE)


def test_a_refused_request_takes_nothing_away() -> None:
    stream = dfd_native.adapt_stream(TABLE)
    with pytest.raises(ValueError, match="requested"):
        pa.RecordBatchReader.from_stream(stream, pa.schema([("n", pa.int64())]))
    assert pa.table(stream).equals(TABLE)
