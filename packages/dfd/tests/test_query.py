"""A query is lazy, exported whole, and explained by its own run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dfd
import duckdb
import pyarrow as pa
import pytest
from datafusion import udf

BIG = "select value as n from generate_series(1, 300000)"


def test_any_library_reads_it(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql("select id, s from t where id > $low order by id", params={"low": 2})
    wanted = {"id": [3, 4], "s": [None, "d"]}
    assert query.to_arrow_table().to_pydict() == wanted
    assert pa.table(query).to_pydict() == wanted
    assert query.to_pandas()["id"].tolist() == [3, 4]
    assert duckdb.from_arrow(query.reader()).fetchall() == [(3, None), (4, "d")]
    assert query.to_polars().to_dict(as_series=False) == wanted


def test_nothing_runs_before_the_stream_is_read_nor_more_than_is_read(
    runtime: dfd.Runtime,
) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    query = runtime.sql(BIG.replace("value as n", "watch(value) as n"))
    reader = pa.RecordBatchReader.from_stream(query)
    assert (seen, query.id, query.metrics()) == ([], None, [])
    reader.read_next_batch()
    assert 0 < sum(seen) < 300_000
    del reader
    (record,) = runtime.observer.records
    assert record.status == "abandoned"
    assert record.rows < 300_000


def test_metrics_are_those_of_the_run_that_happened(runtime: dfd.Runtime) -> None:
    query = runtime.sql(BIG + " where value % 3 = 0")
    assert query.to_arrow_table().num_rows == 100_000
    first = query.id
    (filtered,) = [one for one in query.metrics() if one.operator == "FilterExec"]
    assert filtered.metrics["output_rows"] == 100_000
    assert runtime.observer.records[-1].query_id == first
    query.to_arrow_table()
    assert query.id != first


def test_explain(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql("select s from t where id = 1")
    assert "DataSourceExec" in query.explain()
    assert query.id is None
    assert "DataSourceExec" in query.explain(analyze=True)
    assert query.id is not None
    counted = runtime.sql("select count(*) from t where id > 1").explain(analyze=True)
    assert "AggregateExec: mode=Final, gby=[], aggr=[count(Int64(1))], metrics=[" in counted
    assert "output_rows=1" in counted


def test_a_dataframe_is_a_query(runtime: dfd.Runtime, uri: Path) -> None:
    frame = runtime.session.table("t").limit(2)
    query = runtime.query(frame)
    assert query.dataframe is frame
    assert query.to_arrow_table().num_rows == 2
    assert (query.route, query.route_reason) == ("engine", None)


def test_errors_keep_the_query_id(runtime: dfd.Runtime, uri: Path) -> None:
    with pytest.raises(dfd.QueryError, match="nope") as planning:
        runtime.sql("select nope from t")
    (record,) = runtime.observer.records
    assert (record.status, record.query_id) == ("error", planning.value.query_id)
    query = runtime.sql("select 1 / (id - 3) as x from t")
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero") as running:
        query.to_arrow_table()
    assert running.value.query_id == query.id
    assert runtime.observer.records[-1].status == "error"


def test_empty_results_keep_their_schema(runtime: dfd.Runtime, uri: Path) -> None:
    table = runtime.sql("select id, s from t where false").to_arrow_table()
    assert table.num_rows == 0
    assert table.column_names == ["id", "s"]


def test_show_prints_a_table(runtime: dfd.Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    runtime.sql(BIG + " order by n").show(rows=3)
    printed = capsys.readouterr().out
    assert "│     3 │" in printed
    assert "│     4 │" not in printed
    assert re.search(r"3 of (at least )?[0-9,]+ rows, [0-9.]+ m?s, engine\n$", printed)


def test_a_stream_that_is_a_table_of_the_user_joins(runtime: dfd.Runtime, uri: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [1, 4], "w": [0.5, 2.0]})

    source = pa.RecordBatchReader.from_batches(
        pa.schema([("id", pa.int64()), ("w", pa.float64())]), batches()
    )
    runtime.session.from_arrow(source, name="weights")
    query = runtime.sql("select sum(w) as w from t join weights using (id)")
    assert query.to_arrow_table()["w"].to_pylist() == [2.5]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select id, s from t where false", "another schema"),
        ("describe t", "the plan can't be"),
        ("show tables", "information_schema"),
    ],
)
def test_what_cannot_cross_runs_in_the_session(
    runtime: dfd.Runtime, uri: Path, sql: str, reason: str
) -> None:
    query = runtime.sql(sql)
    assert query.route == "session"
    assert reason in (query.route_reason or "")
    wanted = runtime.session.sql(sql).to_arrow_table()
    assert query.to_arrow_table().to_pylist() == wanted.to_pylist()
    assert runtime.observer.records[-1].route == "session"


def test_tables_and_functions_of_python_cross(runtime: dfd.Runtime, uri: Path) -> None:
    session = runtime.session
    session.from_pydict({"k": [1, 2, 3]}, name="memory")
    session.register_udf(udf(lambda a: a, [pa.int64()], pa.int64(), "immutable", "same"))
    query = runtime.sql("select same(k) as k, s from memory join t on k = id order by k")
    assert query.route == "engine"
    plain = session.sql("select k, s from memory join t on k = id order by k").to_arrow_table()
    assert query.to_arrow_table().to_pylist() == plain.to_pylist()
    # Each run takes its tables along anew.
    assert query.to_arrow_table().to_pylist() == plain.to_pylist()


def test_an_error_while_running_is_no_second_run(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql("select 1 / (id - id) as x from t")
    assert query.route == "engine"
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero"):
        query.to_arrow_table()
    assert [record.status for record in runtime.observer.records] == ["error"]


def test_settings_go_along(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.session.sql("set datafusion.execution.time_zone = 'Asia/Tokyo'").collect()
    sql = "select arrow_typeof(cast(timestamp '2024-01-01' as timestamp with time zone)) as t"
    sql += ", id from t order by id"
    query = runtime.sql(sql)
    assert query.route == "engine"
    wanted = runtime.session.sql(sql).to_arrow_table().to_pylist()
    assert query.to_arrow_table().to_pylist() == wanted
    assert "Asia/Tokyo" in wanted[0]["t"]


def test_a_plan_that_the_optimizer_refuses_fails_when_it_runs(runtime: dfd.Runtime) -> None:
    query = runtime.sql("select arrow_cast('no number', 'Int32') + 1 as n")
    assert query.schema.names == ["n"]
    assert query.route == "session"
    assert "optimize" in str(query.route_reason)
    with pytest.raises(dfd.QueryError, match="no number"):
        query.to_arrow_table()
    assert query.id is not None
