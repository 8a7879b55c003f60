"""A statement with an effect takes it once: when it is read, and not when it is looked at."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import udf


def count(runtime: dfd.Runtime, table: str) -> int:
    return runtime.sql(f"select count(*) as n from {table}").to_arrow_table()["n"][0].as_py()


def looked_at(query: dfd.Query) -> dfd.Query:
    """The query, after everything about it was asked that is no run."""
    assert query.explain()
    assert query.schema is not None
    assert query.route == "session"
    assert query.route_reason
    assert (query.id, query.metrics()) == (None, [])
    return query


@pytest.mark.parametrize("stored_as", ["parquet", "csv", "json", "arrow"])
def test_copy(runtime: dfd.Runtime, tmp_path: Path, stored_as: str) -> None:
    target = tmp_path / "copied"
    sql = f"copy (select id, s from t where g = 1) to '{target}/' stored as {stored_as}"
    query = looked_at(runtime.sql(sql))
    assert not target.exists()
    assert query.to_arrow_table()["count"].to_pylist() == [29]
    runtime.session.sql(
        f"create external table copied stored as {stored_as} location '{target}/'"
    ).collect()
    assert count(runtime, "copied") == 29


def test_copy_of_partitions(runtime: dfd.Runtime, tmp_path: Path) -> None:
    sql = f"copy t to '{tmp_path}/parts/' stored as parquet partitioned by (g)"
    assert runtime.sql(sql).to_arrow_table()["count"].to_pylist() == [62]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["g=0", "g=1", "g=2"]
    assert pq.read_table(tmp_path / "parts").num_rows == 62


def test_insert(runtime: dfd.Runtime) -> None:
    runtime.sql("create table made (id bigint, s text)").to_arrow_table()
    query = looked_at(runtime.sql("insert into made select id, s from t where g = 2"))
    assert count(runtime, "made") == 0
    assert query.to_arrow_table()["count"].to_pylist() == [30]
    assert count(runtime, "made") == 30
    runtime.sql("insert into made values (1000, null)").to_arrow_table()
    assert count(runtime, "made") == 31


def test_insert_into_files(runtime: dfd.Runtime, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    runtime.sql(
        f"create external table files (id bigint, s text) stored as parquet location '{tmp_path}/files/'"
    ).to_arrow_table()
    for wanted in (29, 58):
        runtime.sql("insert into files select id, s from t where g = 1").to_arrow_table()
        # The engine sees what was written since it looked last.
        read = runtime.sql("select id from files")
        assert read.route == "engine"
        assert read.to_arrow_table().num_rows == wanted


def test_a_delta_table_takes_no_insert(runtime: dfd.Runtime) -> None:
    sql = "insert into u (k) values (1)"
    with pytest.raises(Exception, match=r"(?i)insert"):
        runtime.session.sql(sql).collect()
    with pytest.raises(dfd.QueryError, match=r"(?i)insert"):
        runtime.sql(sql).to_arrow_table()
    assert count(runtime, "u") == 10


@pytest.mark.parametrize("sql", ["update made set s = 'x' where id = 1", "delete from made"])
def test_update_and_delete(runtime: dfd.Runtime, sql: str) -> None:
    runtime.sql("create table made as select id, s from t").to_arrow_table()
    query = looked_at(runtime.sql(sql))
    affected = query.to_arrow_table()["count"].to_pylist()
    other = dfd.connect().session
    other.from_arrow(runtime.session.table("t"), name="t")
    other.sql("create table made as select id, s from t").collect()
    assert other.sql(sql).to_arrow_table()["count"].to_pylist() == affected
    wanted = other.sql("select * from made order by id").to_arrow_table()
    found = runtime.sql("select * from made order by id").to_arrow_table()
    assert found.to_pylist() == wanted.to_pylist()


def test_create_table_runs_its_query_once(runtime: dfd.Runtime) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.extend(values.to_pylist())
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    runtime.sql("create table made as select watch(id) as id from t").to_arrow_table()
    assert len(seen) == 62
    assert count(runtime, "made") == 62
    assert len(seen) == 62


def test_a_function_of_a_query_sees_each_row_once(runtime: dfd.Runtime) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.extend(values.to_pylist())
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    query = runtime.sql("select watch(id) as id from t")
    # What it appends to is here, and a copy in the engine would have another.
    assert query.route == "session"
    assert "captures seen" in str(query.route_reason)
    table = query.to_arrow_table()
    assert sorted(seen) == sorted(table["id"].to_pylist())


@pytest.mark.parametrize(
    ("form", "options"), [("parquet", {}), ("csv", {"with_header": True}), ("json", {})]
)
def test_a_dataframe_writes_once(
    runtime: dfd.Runtime, tmp_path: Path, form: str, options: dict[str, bool]
) -> None:
    query = runtime.sql("select id, s from t where g = 1")
    getattr(query.dataframe, f"write_{form}")(str(tmp_path / "out"), **options)
    read = getattr(runtime.session, f"read_{form}")
    assert runtime.query(read(str(tmp_path / "out"))).to_arrow_table().num_rows == 29


def test_write_table(runtime: dfd.Runtime) -> None:
    runtime.sql("create table made (id bigint)").to_arrow_table()
    runtime.session.sql("select id from t").write_table("made")
    assert count(runtime, "made") == 62
