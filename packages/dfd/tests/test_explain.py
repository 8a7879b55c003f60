"""EXPLAIN shows the plan that would run, where it would run, and does nothing else."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from datafusion import udf

QUERY = "select s, count(*) as n from t where id > 1 group by s order by n"


def shown(runtime: dfd.Runtime, sql: str) -> dict[str, str]:
    rows = runtime.sql(sql).to_arrow_table()
    assert rows.column_names == ["plan_type", "plan"]
    return dict(zip(rows["plan_type"].to_pylist(), rows["plan"].to_pylist(), strict=True))


def test_it_is_the_plan_of_the_engine(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql(QUERY)
    plans = shown(runtime, f"explain {QUERY}")
    assert query.route == "engine"
    assert plans["physical_plan"].strip() == query.explain().strip()
    # The session would scan through the opaque leaf, and texts as texts.
    assert "DataSourceExec" in plans["physical_plan"]
    assert "DataSourceExec" not in runtime.session.sql(QUERY).execution_plan().display_indent()
    assert "TableScan: t" in plans["logical_plan"]
    assert runtime.observer.records[-1].route == "engine"


def test_it_is_the_plan_of_the_session_where_that_runs(runtime: dfd.Runtime, uri: Path) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    sql = "select watch(id) as id from t"
    query = runtime.sql(f"explain {sql}")
    assert (query.route, runtime.sql(sql).route) == ("session", "session")
    plans = shown(runtime, f"explain {sql}")
    assert plans["physical_plan"].strip() == runtime.sql(sql).explain().strip()
    assert seen == []


@pytest.mark.parametrize("form", ["tree", "pgjson", "graphviz", "indent"])
def test_formats_are_those_of_the_session(runtime: dfd.Runtime, uri: Path, form: str) -> None:
    sql = f"explain format {form} select id from t order by id"
    query = runtime.sql(sql)
    assert query.route == "engine"
    wanted = runtime.session.sql(sql).to_arrow_table()
    found = query.to_arrow_table()
    assert found["plan_type"].to_pylist() == wanted["plan_type"].to_pylist()
    if form in ("pgjson", "graphviz"):
        assert found["plan"][0].as_py()[:20] == wanted["plan"][0].as_py()[:20]
    if form == "tree":
        assert "┌" in found["plan"][0].as_py()


def test_verbose_has_statistics_and_schemas(runtime: dfd.Runtime, uri: Path) -> None:
    plans = shown(runtime, "explain verbose select id from t where id > 1")
    assert "statistics=[" in plans["physical_plan_with_stats"]
    assert "schema=[" in plans["physical_plan_with_schema"]


def test_settings_of_explain_are_the_sessions(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.sql("set datafusion.explain.physical_plan_only = true")
    assert list(shown(runtime, "explain select id from t")) == ["physical_plan"]
    runtime.sql("set datafusion.explain.physical_plan_only = false")
    runtime.sql("set datafusion.explain.logical_plan_only = true")
    assert list(shown(runtime, "explain select id from t")) == ["logical_plan"]


def test_analyze_runs_it_once_and_shows_that_run(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql("explain analyze select id from t where id > 1")
    assert query.route == "engine"
    assert runtime.observer.records == ()
    (row,) = query.to_arrow_table().to_pylist()
    assert row["plan_type"] == "Plan with Metrics"
    assert "output_rows=3" in row["plan"]
    assert "DataSourceExec" in row["plan"]
    (record,) = runtime.observer.records
    assert (record.status, record.rows) == ("ok", 1)


CHANGES = {
    "delete from m where id = 1": "Delete",
    "delete from m": "Delete",
    "update m set s = 'x'": "Update",
    "insert into m values (9, 'z')": "Insert",
    "truncate table m": "Truncate",
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_changed(runtime: dfd.Runtime, uri: Path, change: str) -> None:
    runtime.sql("create table m as select id, s from t").to_arrow_table()
    before = runtime.sql("select * from m order by id").to_arrow_table()
    query = runtime.sql(f"explain {change}")
    assert query.route == "session"
    assert query.explain()
    plans = shown(runtime, f"explain {change}")
    assert CHANGES[change] in plans["logical_plan"]
    assert ("physical_plan" in plans) == (CHANGES[change] == "Insert")
    assert ("Sink" if CHANGES[change] == "Insert" else CHANGES[change]) in runtime.sql(
        change
    ).explain()
    assert runtime.sql("select * from m order by id").to_arrow_table().equals(before)
    if CHANGES[change] == "Truncate":
        return  # Tables in memory have none.
    # And without EXPLAIN it is done.
    assert runtime.sql(change).to_arrow_table().num_rows == 1
    assert not runtime.sql("select * from m order by id").to_arrow_table().equals(before)


def test_to_look_at_analyze_of_a_change_makes_none(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.sql("create table m as select id, s from t").to_arrow_table()
    query = runtime.sql("explain analyze update m set id = id + 1")
    assert "Update" in query.explain()
    assert query.route == "session"
    ids = "select id from m order by id"
    assert runtime.sql(ids).to_arrow_table()["id"].to_pylist() == [1, 2, 3, 4]
    query.to_arrow_table()
    assert runtime.sql(ids).to_arrow_table()["id"].to_pylist() == [2, 3, 4, 5]


def test_analyze_of_a_change_makes_it(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.sql("create table m as select id, s from t").to_arrow_table()
    runtime.sql("explain analyze insert into m values (9, 'z')").to_arrow_table()
    assert runtime.sql("select count(*) as n from m").to_arrow_table()["n"].to_pylist() == [5]


@pytest.mark.parametrize(
    "statement",
    ["create table made as select 1 as a", "drop table m", "copy m to '{0}/made.parquet'"],
)
def test_statements_are_shown_and_not_made(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path, statement: str
) -> None:
    runtime.sql("create table m as select id, s from t").to_arrow_table()
    plans = shown(runtime, f"explain {statement.format(tmp_path)}")
    assert "logical_plan" in plans
    assert not (tmp_path / "made.parquet").exists()
    assert runtime.session.table_exist("m")
    assert not runtime.session.table_exist("made")


def test_a_merge_is_shown_by_its_logical_plan(runtime: dfd.Runtime) -> None:
    """datafusion has no name for its operation."""
    runtime.sql("create table a as select 1 as id, 2 as v").to_arrow_table()
    merge = "merge into a using a as b on a.id = b.id when matched then update set v = 3"
    plans = shown(runtime, f"explain {merge}")
    assert plans.keys() == {"logical_plan"}
    assert "MergeInto" in plans["logical_plan"]
