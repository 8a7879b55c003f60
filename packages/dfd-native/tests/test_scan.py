"""What a scan skips, and what it doesn't: NaN, row filters, statistics for the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from datafusion import Expr, SessionContext, col, lit, udf
from datafusion import functions as f
from datafusion.functions import spark
from deltalake import write_deltalake

NAN = float("nan")


def session(**tables: str) -> SessionContext:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    for name, uri in tables.items():
        made.register_table(name, dfd_native.delta_table(uri))
    return made


def both_routes(made: SessionContext, sql: str) -> list[object]:
    rows: list[object] = made.sql(sql).to_arrow_table().to_pylist()
    plan = made.sql(sql).optimized_logical_plan()
    assert pa.table(dfd_native.Engine().run(plan, made, is_sql=True)).to_pylist() == rows
    return rows


def _is_b(values: pa.Array) -> pa.Array:
    return pa.array([value == "b" for value in values.to_pylist()], pa.bool_())


NOTHING = lit(pa.scalar(None, pa.string()))
FILTERS: dict[str, Expr] = {
    "DataFusion's": f.concat(col("p"), NOTHING).is_null(),
    "Spark's of that name": spark.concat(col("p"), NOTHING).is_null(),
    "several": (f.upper(col("p")) == lit("B")) | (f.upper(f.lower(col("p"))) == lit("A")),
    "of Python": udf(_is_b, [pa.string()], pa.bool_(), "volatile", "upper")(col("p")),
    "of Python, decided by partitions": udf(_is_b, [pa.string()], pa.bool_(), "immutable", "upper")(col("p")),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_functions_of_filters_are_those_of_the_host(tmp_path: Path, name: str) -> None:
    rows = pa.table({"id": [1, 2, 3], "p": ["a", "b", None]})
    write_deltalake(tmp_path / "t", rows, partition_by=["p"])
    made = session(t=(tmp_path / "t").as_uri())
    made.from_arrow(rows, name="memory")
    found, wanted = (
        made.table(table).filter(FILTERS[name]).sort("id").select("id").to_pydict()
        for table in ("t", "memory")
    )
    assert found == wanted


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("nan", [NAN, -NAN])
def test_rows_with_nan_are_never_skipped(tmp_path: Path, kind: pa.DataType, nan: float) -> None:
    rows = pa.table({"id": [1, 2], "v": pa.array([0.0, nan], kind)})
    write_deltalake(tmp_path / "t", rows)
    made = session(t=(tmp_path / "t").as_uri())
    made.from_arrow(rows, name="memory")
    for condition in ("v > 1", "v <> 0", "v >= 0", "v < -1", "v is not null", "v is null"):
        wanted = made.sql(f"select id from memory where {condition}").to_arrow_table().to_pylist()
        assert both_routes(made, f"select id from t where {condition}") == wanted


def test_a_selective_join_filters_in_the_decoder(
    tmp_path: Path, metrics_of: Callable[[dfd_native.EngineRun], dict[str, int]]
) -> None:
    n = 50_000
    facts = pa.table({"k": [i * 7919 % n for i in range(n)], "v": [str(i) for i in range(n)]})
    keys = pa.table({"k": list(range(n)), "p": [i % 1000 for i in range(n)]})
    for name, rows in (("facts", facts), ("keys", keys)):
        write_deltalake(tmp_path / name, rows)
    made = session(**{name: (tmp_path / name).as_uri() for name in ("facts", "keys")})
    engine = dfd_native.Engine()

    def pruned(sql: str) -> int:
        plan = made.sql(sql).optimized_logical_plan()
        return metrics_of(engine.run(plan, made, is_sql=True)).get("pushdown_rows_pruned", 0)

    selective = "select max(v) from facts join keys using (k) where p = 3"
    assert pruned(selective) > n / 2
    # A condition that is there beforehand is cheaper above the scan.
    assert pruned("select max(v) from facts where k < 100") == 0
    assert both_routes(made, selective) == [
        {
            "max(facts.v)": max(
                v
                for k, v in zip(facts["k"].to_pylist(), facts["v"].to_pylist(), strict=True)
                if k % 1000 == 3
            )
        }
    ]


def test_a_host_plans_with_the_statistics_of_the_log(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"id": list(range(10)), "x": [1.5] * 10}))
    made = session(t=(tmp_path / "t").as_uri())
    made.sql("set datafusion.explain.show_statistics = true").collect()
    plan = str(made.sql("explain select id, x from t").to_pydict()["plan"])
    assert "Rows=Exact(10)" in plan
    assert "Min=Exact(Int64(0))" in plan
    # Counts and bounds come from the log: no row is read.
    before = dfd_native.request_counts()
    assert both_routes(made, "select count(*) as n, min(id) as a, max(id) as b from t") == [
        {"n": 10, "a": 0, "b": 9}
    ]
    assert dfd_native.request_counts() == before


@pytest.mark.parametrize(
    ("uri", "options", "reason"),
    [
        ("abfss://c@a.dfs.core.windows.net/t", {"acount_name": "x"}, "acount_name"),
        ("s3://b/t", {"aws_regoin": "x"}, "aws_regoin"),
        ("s3://b/t", {"max_retries": "many"}, "max_retries"),
        ("gs://b/t", {"retry_timeout": "soon"}, "retry_timeout"),
        ("ftp://b/t", {}, "names no kind of store"),
    ],
)
def test_options_that_no_store_has_are_refused(
    uri: str, options: dict[str, str], reason: str
) -> None:
    with pytest.raises(dfd_native.TableError, match=reason):
        dfd_native.delta_table(uri, options)


def test_a_leaf_gives_the_rows_of_its_filters_alone(tmp_path: Path) -> None:
    n = 40_000
    rows = pa.table({"id": range(n), "s": [f"s{i % 100}" for i in range(n)], "v": [i % 7 for i in range(n)]})  # fmt: skip
    write_deltalake(tmp_path / "t", rows)
    made = session(t=(tmp_path / "t").as_uri())

    def planned(sql: str) -> tuple[str, pa.Table]:
        frame = made.sql(sql)
        return frame.execution_plan().display_indent(), frame.to_arrow_table()

    plan, found = planned("select id from t where s = 's7' and v < 3")
    assert "FilterExec" not in plan
    assert 'columns=[id], filter=[s = Utf8("s7") AND v < Int64(3)]' in plan
    assert sorted(found["id"].to_pylist()) == [i for i in range(n) if i % 100 == 7 and i % 7 < 3]
    # A function is the host's to call.
    plan, found = planned("select id from t where upper(s) = 'S7' and s >= 's7'")
    assert "FilterExec: upper(" in plan
    assert sorted(found["id"].to_pylist()) == list(range(7, n, 100))
    # A limit counts what is left.
    _, found = planned("select id, s from t where s = 's99' limit 5")
    assert found["s"].to_pylist() == ["s99"] * 5
    assert found["s"].type == pa.string()


def test_the_engine_filters_where_a_leaf_would(tmp_path: Path) -> None:
    rows = pa.table({"id": range(1000), "s": [f"s{i % 10}" for i in range(1000)]})
    write_deltalake(tmp_path / "t", rows)
    made = session(t=(tmp_path / "t").as_uri())
    found = both_routes(made, "select id from t where s = 's7' order by id")
    assert [row["id"] for row in found] == list(range(7, 1000, 10))  # type: ignore[index]
    assert len(both_routes(made, "select id from t where s = 's7' and id < 10 limit 5")) == 1
    plan = made.sql("select id from t where s = 's7' limit 4").optimized_logical_plan()
    run = dfd_native.Engine().run(plan, made, is_sql=True)
    assert "FilterExec" in run.explain()
    assert pa.table(run).num_rows == 4
