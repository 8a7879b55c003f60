"""`runtime.write` of queries: run in the engine, staged there, observed like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pytest
from datafusion import udf
from deltalake import DeltaTable
from dfd_delta_policy import Status
from dfd_obs import ObservabilityConfig

ROWS = pa.table({"n": list(range(1_000)), "s": ["x", "y"] * 500})
SQL = "select n, s, 1 as one, count(*) over () as total from source where n % 2 = 0"


@pytest.fixture
def runtime(tmp_path: Path) -> Any:
    with dfd.connect(observability=ObservabilityConfig(slow_query_ms=0)) as made:
        made.write(tmp_path / "source", ROWS)
        made.register("source", tmp_path / "source")
        yield made


def test_a_query_is_staged_in_the_engine(
    runtime: dfd.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []
    real = dfd_native.stage

    def stage(uri: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        taken.append(data)
        return real(uri, data, *args, **kwargs)

    monkeypatch.setattr(dfd_native, "stage", stage)
    query = runtime.sql(SQL)
    outcome = runtime.write(tmp_path / "t", query, sort_by=["n"])
    assert [type(data) for data in taken] == [dfd_native.EngineRun]
    assert (outcome.status, outcome.version, outcome.metrics["rows"]) == (Status.COMMITTED, 0, 500)
    found = pa.table(DeltaTable(tmp_path / "t").scan())
    assert found["n"].to_pylist() == list(range(0, 1_000, 2))
    assert set(found["total"].to_pylist()) == {500}

    (record,) = [one for one in runtime.observer.records if one.query_id == query.id]
    assert (record.status, record.rows, record.route) == ("ok", 500, "engine")
    assert record.plan is not None
    assert "Window" in record.plan.text
    assert query.metrics()[0].metrics["output_rows"] == 500
    (commit,) = DeltaTable(tmp_path / "t").history()
    assert (commit["dfd.query_id"], commit["dfd.run_id"]) == (query.id, record.run_id)
    assert commit["dfd.operation_id"] == outcome.operation_id


def test_a_table_made_of_a_query_takes_nulls(runtime: dfd.Runtime, tmp_path: Path) -> None:
    """`1` is never null in this plan; the next plan's column may be."""
    runtime.write(tmp_path / "t", runtime.sql(SQL))
    assert all(field.nullable for field in DeltaTable(tmp_path / "t").schema().fields)
    nulls = runtime.sql("select n, s, cast(null as bigint) as one, 1 as total from source limit 1")
    assert runtime.write(tmp_path / "t", nulls).version == 1


def test_a_query_of_the_session_streams_out_of_it(runtime: dfd.Runtime, tmp_path: Path) -> None:
    kept: list[int] = []

    def noted(column: pa.Array) -> pa.Array:
        kept.append(len(column))
        return column

    runtime.session.register_udf(udf(noted, [pa.int64()], pa.int64(), "volatile", name="noted"))
    query = runtime.sql("select noted(n) as n from source")
    assert query.route == "session"
    outcome = runtime.write(tmp_path / "t", query)
    assert (outcome.metrics["rows"], sum(kept)) == (1_000, 1_000)
    (record,) = [one for one in runtime.observer.records if one.query_id == query.id]
    assert (record.status, record.rows, record.route) == ("ok", 1_000, "session")
    assert DeltaTable(tmp_path / "t").history()[0]["dfd.query_id"] == query.id


def test_a_dataframe_is_a_query(runtime: dfd.Runtime, tmp_path: Path) -> None:
    frame = runtime.session.table("source").limit(7)
    assert runtime.write(tmp_path / "t", frame).metrics["rows"] == 7
    (record,) = [one for one in runtime.observer.records if one.rows == 7]
    assert record.route == "engine"


def test_a_replay_does_not_run_the_query(runtime: dfd.Runtime, tmp_path: Path) -> None:
    query = runtime.sql(SQL)
    runtime.write(tmp_path / "t", query, app_id="loader", app_version=1)
    before = len(runtime.observer.records)
    again = runtime.write(tmp_path / "t", query, app_id="loader", app_version=1)
    assert again.status is Status.ALREADY_COMMITTED
    assert len(runtime.observer.records) == before
    assert runtime.write(tmp_path / "t", query, app_id="loader", app_version=2).version == 1
    assert len(runtime.observer.records) == before + 1


@pytest.mark.parametrize("fields", [{"schema_mode": "overwrite"}, {"predicate": "n >= 0"}])
def test_a_query_replaces_columns_or_rows(
    runtime: dfd.Runtime, tmp_path: Path, fields: Any
) -> None:
    runtime.write(tmp_path / "t", runtime.sql(SQL))
    runtime.write(tmp_path / "t", runtime.sql(SQL), mode="overwrite", **fields)
    assert pa.table(DeltaTable(tmp_path / "t").scan()).num_rows == 500


def test_a_query_that_fails_leaves_nothing(runtime: dfd.Runtime, tmp_path: Path) -> None:
    query = runtime.sql("select 10 / (n - 900) as q from source")
    with pytest.raises(dfd_native.StageError, match=r"[Dd]ivide by zero"):
        runtime.write(tmp_path / "t", query)
    assert not list(tmp_path.glob("t/**/*"))
    (record,) = [one for one in runtime.observer.records if one.query_id == query.id]
    assert record.status == "error"


def test_a_table_is_overwritten_by_a_query_of_itself(runtime: dfd.Runtime, tmp_path: Path) -> None:
    for left in (500, 250, 125):
        query = runtime.sql("select n / 2 as n, s from source where n % 2 = 0")
        runtime.write(tmp_path / "source", query, mode="overwrite")
        (counted,) = runtime.sql("select count(*) as c from source").to_arrow_table().to_pylist()
        assert counted == {"c": left}


def test_rows_against_a_rule_are_named_and_leave_nothing(
    runtime: dfd.Runtime, tmp_path: Path
) -> None:
    table = tmp_path / "source"
    DeltaTable(table).alter.add_constraint({"small": "n < 1000"})
    before = sorted(table.rglob("*"))
    for data, said in (
        (pa.table({"n": [1, 5_000], "s": ["a", "b"]}), "small.*row 1|row 1.*small"),
        (pa.table({"n": [1], "other": ["b"]}), "other|s"),
        (pa.table({"n": ["many"], "s": ["a"]}), "n"),
    ):
        with pytest.raises(dfd_native.RuleViolation, match=said):
            runtime.write(table, data)
    assert sorted(table.rglob("*")) == before
