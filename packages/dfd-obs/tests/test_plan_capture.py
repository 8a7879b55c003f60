"""Captured plans: a tree with the numbers of the run, and never beyond their bytes."""

from __future__ import annotations

import msgspec
from datafusion import SessionConfig, SessionContext
from dfd_obs import OperatorMetrics, PlanCapture, operator_metrics
from hypothesis import given
from hypothesis import strategies as st

NAMES = (
    "output_rows",
    "elapsed_compute",
    "output_bytes",
    "spilled_bytes",
    "time_elapsed_opening",
    "files",
)


def captured(sql: str) -> PlanCapture:
    session = SessionContext(SessionConfig().with_target_partitions(3))
    frame = session.sql(sql)
    frame.collect()
    found = operator_metrics(frame.execution_plan())
    return PlanCapture.of(found, max_bytes=65536, detail=str)


def test_a_plan_has_the_numbers_of_its_run() -> None:
    sql = "select value % 7 as k, count(*) as n from generate_series(1, 100000) where value > 11 group by 1"
    plan = captured(sql).plan
    assert plan is not None
    found = dict(reversed([(one.node_type, one) for _, one in plan.walk()]))
    assert found["FilterExec"].rows == 99_989
    assert found["ProjectionExec"].rows == 7
    spread = found["FilterExec"].rows_by_partition
    assert spread is not None
    assert spread.partitions == 3
    assert spread.min <= spread.median <= spread.max
    assert spread.max * 3 >= 99_989
    series = found["LazyMemoryExec"]
    assert series.rows == 100_000
    assert series.start_us is not None
    assert series.end_us is not None
    assert series.start_us <= series.end_us
    assert found["AggregateExec"].number("spilled_bytes", "spilled_rows") == 0


def test_names_in_json_are_those_of_explain() -> None:
    said = SessionContext().sql(
        "explain analyze format pgjson select value from generate_series(1, 3) where value > 1"
    )
    theirs = msgspec.json.decode(said.to_pydict()["plan"][0])[0]["Plan"]
    ours = msgspec.json.decode(
        msgspec.json.encode(
            captured("select value from generate_series(1, 3) where value > 1").plan
        )
    )
    assert {"Node Type", "Actual Rows", "Actual Total Time", "Plans"} <= set(theirs) & set(ours)
    assert theirs["Node Type"] == ours["Node Type"] == "FilterExec"
    assert theirs["Actual Rows"] == ours["Actual Rows"] == 2
    assert theirs["Details"] == f"{ours['Node Type']}: {ours['Details']}"


@st.composite
def plans(draw: st.DrawFn) -> list[OperatorMetrics]:
    depth, made = 0, []
    for _ in range(draw(st.integers(1, 12))):
        made.append(
            OperatorMetrics(
                depth=depth,
                operator=draw(st.text(max_size=12)),
                detail=draw(st.text(max_size=60)),
                metrics=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1 << 60))),
                partitions={"output_rows": tuple(draw(st.lists(st.integers(0, 9), max_size=3)))},
            )
        )
        depth = draw(st.integers(1, depth + 1))
    return made


@given(plans(), st.integers(30, 3000))
def test_a_capture_has_its_bytes_and_counts_what_it_leaves_out(
    operators: list[OperatorMetrics], max_bytes: int
) -> None:
    capture = PlanCapture.of(operators, max_bytes=max_bytes, detail=str)
    encoded = msgspec.json.encode(capture)
    assert len(encoded) <= max_bytes
    assert msgspec.json.decode(encoded, type=PlanCapture) == capture
    if capture.plan is not None:
        kept = [one for _, one in capture.plan.walk()]
        assert len(kept) + sum(one.left_out for one in kept) == len(operators)
        assert capture.truncated == (len(kept) < len(operators))


def test_a_plan_of_thousands_of_levels_is_cut() -> None:
    deep = [
        OperatorMetrics(depth=depth, operator="FilterExec", detail="", metrics={})
        for depth in range(5000)
    ]
    capture = PlanCapture.of(deep, max_bytes=1 << 24, detail=str)
    assert capture.truncated
    assert msgspec.json.decode(msgspec.json.encode(capture), type=PlanCapture) == capture
