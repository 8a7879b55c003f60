"""Plans whose bytes would say something else are refused before they run."""

from __future__ import annotations

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext, col, functions, lit
from datafusion.functions import spark


@pytest.fixture
def session() -> SessionContext:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    made.from_pydict({"a": ["x", "y"], "n": [-1, 2]}, name="t")
    return made


def run(session: SessionContext, sql: str) -> pa.Table:
    plan = session.sql(sql).optimized_logical_plan()
    return pa.table(dfd_native.Engine().run(plan, session, is_sql=True))


def test_functions_of_spark_are_not_taken_for_datafusions(session: SessionContext) -> None:
    sql = "select concat(a, null) as c from t"
    assert run(session, sql).to_pydict() == {"c": ["x", "y"]}
    session.enable_spark_functions()
    assert session.sql(sql).to_pydict() == {"c": [None, None]}
    with pytest.raises(dfd_native.EngineRefusal, match="concat may be the function of"):
        run(session, sql)
    assert run(session, "select sum(n) as s from t").to_pydict() == {"s": [1]}


@pytest.mark.parametrize("abs_", [spark.abs, functions.abs])
def test_a_dataframe_may_have_either(session: SessionContext, abs_: object) -> None:
    frame = session.table("t").select(abs_(col("n")).alias("n"))  # type: ignore[operator]
    with pytest.raises(dfd_native.EngineRefusal, match="abs may be the function of"):
        dfd_native.Engine().run(frame.optimized_logical_plan(), session)


def test_functions_that_call_themselves_otherwise_are_told_apart(session: SessionContext) -> None:
    def lengths(of: object) -> pa.Table:
        frame = session.table("t").select(of.length(col("a")).alias("n"))  # type: ignore[attr-defined]
        return pa.table(dfd_native.Engine().run(frame.optimized_logical_plan(), session))

    assert lengths(functions).to_pydict() == {"n": [1, 1]}
    with pytest.raises(dfd_native.EngineRefusal, match="length"):
        lengths(spark)


NAMES = [
    "abs",
    "ascii",
    "avg",
    "concat",
    "floor",
    "length",
    "round",
    "trunc",
    "EmptyRelation: rows=0",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_alone_calls_no_function(name: str) -> None:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    made.from_pydict({name: [1, 2]}, name="t")
    column = col(f'"{name}"')
    other = "abs" if name == "avg" else "avg"
    frames = [
        made.table("t"),
        made.table("t").filter(column > lit(0)).sort(column),
        made.table("t").select(column.alias("concat"), lit(f"{name}(1)").alias("abs")),
        made.table("t").aggregate([column], [functions.count(column).alias(other)]),
    ]
    for frame in frames:
        found = pa.table(dfd_native.Engine().run(frame.optimized_logical_plan(), made))
        assert sorted(found.to_pylist(), key=repr) == sorted(frame.to_pylist(), key=repr)


def test_every_function_of_spark_is_refused_or_another_by_name(session: SessionContext) -> None:
    """None of them is taken for DataFusion's own."""
    rows = {"x": [1.5], "d": ["2024-01-01"], "i": pa.array([3], pa.int32())}
    session.from_arrow(pa.table(rows), name="u")
    calls = {
        "abs": ("x",), "ascii": ("d",), "avg": ("x",), "ceil": ("x",), "concat": ("d", "d"),
        "factorial": ("i",), "floor": ("x",), "length": ("d",), "pow": ("x", "x"), "round": ("x",),
        "char_length": ("d",), "substr": ("d", "i", "i"), "atan2": ("x", "x"),
    }  # fmt: skip
    for name, arguments in calls.items():
        call = getattr(spark, name)(*map(col, arguments)).alias("v")
        frame = session.table("u")
        frame = frame.aggregate([], [call]) if name == "avg" else frame.select(call)
        plan = frame.optimized_logical_plan()
        with pytest.raises(dfd_native.EngineRefusal):
            dfd_native.Engine().run(plan, session)


@pytest.mark.parametrize(
    "sql",
    ["select a from t where false", "select a, (select n from t limit 0) as b from t"],
)
def test_relations_without_rows(session: SessionContext, sql: str) -> None:
    with pytest.raises(dfd_native.EngineRefusal, match="another schema"):
        run(session, sql)


@pytest.mark.parametrize(
    "condition", ["h > arrow_cast(1, 'Float16')", "h in (arrow_cast(1, 'Float16'))"]
)
def test_half_precision_literals(session: SessionContext, condition: str) -> None:
    session.from_arrow(pa.table({"h": pa.array([1.0, 2.0], pa.float16())}), name="halves")
    with pytest.raises(dfd_native.EngineRefusal, match="Float16"):
        run(session, f"select h from halves where {condition}")
    assert run(session, "select count(h) as n from halves").to_pydict() == {"n": [2]}


def test_types_inside_structs_may_differ_in_metadata(session: SessionContext) -> None:
    inner = pa.field("x", pa.int64(), metadata={"k": "v"})
    rows = pa.table({"s": pa.array([{"x": 1}], pa.struct([inner]))})
    session.from_arrow(rows, name="nested")
    plan = session.sql("select s from nested").optimized_logical_plan()
    plain = pa.schema([("s", pa.struct([("x", pa.int64())]))])
    assert pa.table(dfd_native.Engine().run(plan, session, plain)).to_pylist() == rows.to_pylist()
