"""Two times compared: what became slower, fails, came and went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dfd_obs import ObservabilityConfig, Observer, OperatorMetrics, Recorded, compare

PLANS = {"one": ["FilterExec", "DataSourceExec"], "other": ["HashJoinExec", "DataSourceExec"]}


def recorded(
    durations: Mapping[str, Sequence[float]], plan: str, key: str | None = "a key of these tests"
) -> Recorded:
    """Runs of statements that took so many seconds."""
    clock = [0.0]
    config = ObservabilityConfig(slow_query_ms=0, fingerprint_key=key)
    observer = Observer(config, seconds=lambda: clock[0])
    operators = [
        OperatorMetrics(depth=depth, operator=name, detail="", metrics={})
        for depth, name in enumerate(PLANS[plan])
    ]
    for sql, all_s in durations.items():
        for number, took_s in enumerate(all_s):
            scope = observer.start_query(f"{sql} where a = {number}")
            clock[0] += took_s
            scope.finish(rows=1, operators=operators)
    return Recorded(list(observer.records), [])


def test_statements_are_found_again_by_their_fingerprints() -> None:
    before = {
        "select a from t": [1.0, 1.0, 1.0],
        "select b from t": [8.0],
        "select c from t": [1.0],
        "select d from t": [2.0],
    }
    after = {
        "select a from t": [3.0, 3.0, 9.0],
        "select b from t": [4.0],
        "select c from t": [1.0625],
        "select e from t": [0.5],
    }
    found = compare(recorded(before, "one"), recorded(after, "other"))
    assert found.by == "fingerprint"
    # Those first whose time changed the most.
    assert [(one.change, one.ratio) for one in found.statements] == [
        ("slower", 3.0),
        ("faster", 0.5),
        ("gone", None),
        ("new", None),
        ("same", 1.0625),
    ]
    assert {one.plan_changed for one in found.statements if one.ratio} == {True}
    same = compare(recorded(before, "one"), recorded(before, "one"))
    assert {(one.change, one.plan_changed) for one in same.statements} == {("same", False)}


def test_without_a_common_key_they_are_found_by_their_summaries() -> None:
    one = recorded({"select a from t": [1.0]}, "one", key=None)
    other = recorded({"select a from t": [1.0]}, "one", key="another key of tests")
    found = compare(one, other)
    assert found.by == "summary"
    assert [(change.summary, change.change) for change in found.statements] == [("SELECT", "same")]
