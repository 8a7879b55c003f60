"""A query's stream as other libraries and threads read it: handed on whole, and recorded once, however it ends."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import dfd
import dfd_obs
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from dfd_obs import ObservabilityConfig

ROWS = 300_000
BIG = f"select value as n, cast(value as text) as s from generate_series(1, {ROWS})"
FAILS = "select 1 / (value - 200000) as n from generate_series(1, 300000)"
SUMS = (ROWS, ROWS * (ROWS + 1) // 2)
# Stays in the session: what it captures would not be shared with a copy.
IN_SESSION = "watch(value)"


@pytest.fixture
def session_runtime(runtime: dfd.Runtime) -> dfd.Runtime:
    from datafusion import udf

    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    return runtime


def on_route(sql: str, route: str) -> str:
    return sql if route == "engine" else sql.replace("select ", f"select {IN_SESSION} as w, ", 1)


def sums(n: pa.ChunkedArray | np.ndarray) -> tuple[int, int]:
    values = np.asarray(n)
    return len(values), int(values.sum())


def test_no_batch_passes_pyarrow_or_python(
    runtime: dfd.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dfd.query
    from dfd_native import EngineRun

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a batch passes Python")

    made = runtime.sql(BIG)
    assert made.route == "engine"
    monkeypatch.setattr(dfd.query, "adapt_stream", refused)
    monkeypatch.setattr(dfd.query, "under", refused)
    monkeypatch.setattr(dfd.query.pa, "record_batch", refused)
    _, stream = made._stream()
    assert isinstance(stream, EngineRun)
    assert sums(pl.DataFrame(stream)["n"].to_numpy()) == SUMS
    assert sums(runtime.sql(BIG).to_polars()["n"].to_numpy()) == SUMS
    assert sums(runtime.sql(BIG).to_arrow_table()["n"]) == SUMS
    assert sums(pa.table(runtime.sql(BIG))["n"]) == SUMS
    lazy = duckdb.from_arrow(pa.RecordBatchReader.from_stream(runtime.sql(BIG)))
    assert lazy.aggregate("count(*), sum(n)::bigint").fetchall() == [SUMS]
    assert [record.status for record in runtime.observer.records] == ["ok"] * 5
    assert {record.rows for record in runtime.observer.records} == {ROWS}


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("read", ["to_arrow_table", "to_polars", "to_pandas", "reader", "explain"])
def test_a_failure_is_a_query_error_whoever_reads(
    session_runtime: dfd.Runtime, route: str, read: str
) -> None:
    query = session_runtime.sql(on_route(FAILS, route))
    assert query.route == route
    reads = {"reader": lambda: query.reader().read_all(), "explain": lambda: query.explain(True)}
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero") as failure:
        reads.get(read, getattr(query, read))()
    assert failure.value.query_id == query.id
    assert str(query.id) in str(failure.value)
    assert failure.value.__cause__ is not None
    (record,) = session_runtime.observer.records
    assert (record.status, record.query_id) == ("error", query.id)


@pytest.mark.parametrize("route", ["engine", "session"])
def test_other_libraries_are_told_the_query_id(session_runtime: dfd.Runtime, route: str) -> None:
    for read in (pa.table, pl.DataFrame, lambda query: duckdb_sum(query)):
        query = session_runtime.sql(on_route(FAILS, route))
        # polars below 1.40 panics.
        with pytest.raises(BaseException, match=r"(?i)divide by zero") as failure:
            read(query)
        assert f"Query {query.id} failed" in str(failure.value)
        assert session_runtime.observer.records[-1].status == "error"
    assert len(session_runtime.observer.records) == 3


def duckdb_sum(query: dfd.Query) -> list[tuple[int, ...]]:
    return duckdb.from_arrow(pa.RecordBatchReader.from_stream(query)).sum("n").fetchall()


def test_a_failure_holds_nothing_that_ran(runtime: dfd.Runtime) -> None:
    gc.collect()
    gc.disable()
    try:
        for read in ("to_arrow_table", "to_polars"):
            sql = "select a.value / (b.value - 5) as n from generate_series(1, 9) a "
            query = runtime.sql(sql + "join generate_series(1, 9) b on a.value = b.value")
            run = None
            with pytest.raises(dfd.QueryError) as failure:
                getattr(query, read)()
            frames = [frame for frame, _ in traceback.walk_tb(failure.value.__traceback__)]
            held = [value for frame in frames for value in frame.f_locals.values()]
            run = [value for value in held if type(value).__name__ == "EngineRun"]
            assert run == []
    finally:
        gc.enable()


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("drop", ["here", "in a thread", "by an exception", "by close"])
def test_a_stream_that_is_dropped_half_way_is_recorded_once(
    session_runtime: dfd.Runtime, route: str, drop: str
) -> None:
    query = session_runtime.sql(on_route(BIG, route))
    assert query.route == route
    held = [pa.RecordBatchReader.from_stream(query)]
    first = held[0].read_next_batch().num_rows
    assert session_runtime.observer.records == ()

    if drop == "here":
        held.clear()
    elif drop == "in a thread":
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
    elif drop == "by close":
        held[0].close()
    else:
        # It goes while the exception is on its way.
        with pytest.raises(ZeroDivisionError):
            print(held.pop(), 1 // len(held))
    held.clear()
    gc.collect()
    (record,) = session_runtime.observer.records
    assert (record.status, record.rows) == ("abandoned", first)
    assert query.metrics() != []


def test_a_stream_that_nobody_reads_is_no_run(runtime: dfd.Runtime) -> None:
    query = runtime.sql(BIG)
    stream = query.__arrow_c_stream__()
    reader = query.reader()
    del stream, reader
    gc.collect()
    assert (query.id, runtime.observer.records) == (None, ())


def test_a_reader_elsewhere_works_for_whoever_asked_for_the_stream(runtime: dfd.Runtime) -> None:
    from opentelemetry import trace

    for route_sql in (BIG, "show tables"):
        with dfd_obs.run("asked"):
            reader = pa.RecordBatchReader.from_stream(runtime.sql(route_sql))
        thread = threading.Thread(target=reader.read_all)
        with dfd_obs.run("another"):
            thread.start()
            thread.join()
        assert runtime.observer.records[-1].run_id == "asked"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_planning_is_part_of_the_duration() -> None:
    config = ObservabilityConfig(slow_query_ms=0)
    columns = ", ".join(
        f"case when value = {n} then {n} else value end as c{n}" for n in range(300)
    )
    with dfd.connect(observability=config) as runtime:
        query = runtime.sql(f"select {columns} from generate_series(1, 2)")
        began = runtime.observer.seconds()
        assert query.route == "engine"
        planned_s = runtime.observer.seconds() - began
        query.to_arrow_table()
        (record,) = runtime.observer.records
        assert record.duration_s >= planned_s * 0.5


def test_a_requested_schema_is_cast_exactly_and_a_misfit_is_an_error(runtime: dfd.Runtime) -> None:
    wanted = pa.schema([("n", pa.int16()), ("s", pa.large_string())])
    few = runtime.sql(f"select * from ({BIG}) where n <= 3")
    reader = pa.RecordBatchReader.from_stream(few, wanted)
    assert reader.read_all().sort_by("n").to_pydict() == {"n": [1, 2, 3], "s": ["1", "2", "3"]}
    many = pa.RecordBatchReader.from_stream(runtime.sql(BIG), wanted)
    with pytest.raises(pa.ArrowInvalid, match="column `n` in row"):
        many.read_all()
    assert [record.status for record in runtime.observer.records] == ["ok", "error"]


def test_two_columns_of_one_name_stay_two(runtime: dfd.Runtime, uri: Path) -> None:
    sql = "select a.id, b.id from t a join t b on a.id = b.id + 1 order by a.id"
    query = runtime.sql(sql)
    assert query.route == "engine"
    columns = [column.to_pylist() for column in query.to_arrow_table().columns]
    assert columns == [[2, 3, 4], [1, 2, 3]]
    batch = pa.RecordBatchReader.from_stream(query).read_all()
    assert [column.to_pylist() for column in batch.columns] == columns


AT_EXIT = """
import atexit, sys
import pyarrow as pa

def show():
    print([(record.status, record.rows) for record in runtime.observer.records])

atexit.register(show)
import dfd

runtime = dfd.connect()
query = runtime.sql(sys.argv[1])
reader = pa.RecordBatchReader.from_stream(query) if sys.argv[2] == "stream" else query.reader()
reader.read_next_batch()
other = runtime.sql(sys.argv[1]).__arrow_c_stream__()
"""


@pytest.mark.parametrize("held", ["stream", "reader"])
@pytest.mark.parametrize("sql", [BIG, "select * from information_schema.df_settings"])
def test_the_end_of_the_process_ends_its_runs(sql: str, held: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", AT_EXIT, sql, held],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[('abandoned', ")
    assert done.stdout.count("(") == 1
