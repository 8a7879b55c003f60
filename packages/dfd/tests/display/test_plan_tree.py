"""A plan as a tree, before a run and after."""

from __future__ import annotations

import dfd
from dfd.display.plan_tree import PlanTree
from dfd_obs import OperatorMetrics


def operator(depth: int, name: str, **metrics: int) -> OperatorMetrics:
    return OperatorMetrics(depth=depth, operator=name, detail="", metrics=metrics)


def test_branches_join_operators_to_those_above() -> None:
    text = "Join: on=a\n  Sort\n    Scan: left\n  Union\n    Scan: r1\n    Scan: r2"
    assert str(PlanTree.of_text(text)).splitlines() == [
        "Join: on=a",
        "├─ Sort",
        "│  └─ Scan: left",
        "└─ Union",
        "   ├─ Scan: r1",
        "   └─ Scan: r2",
    ]


def test_shares_are_of_the_time_of_all_operators() -> None:
    tree = PlanTree(
        (
            operator(0, "Sort", elapsed_compute=1_000_000, output_rows=10),
            operator(1, "Scan", elapsed_compute=5, time_elapsed_processing=3_000_000),
        )
    )
    assert tree.has_run
    first, second = str(tree).splitlines()
    assert first.split() == ["██········", "25%", "1.0", "ms", "10", "rows", "Sort"]
    assert second.split() == ["████████··", "75%", "3.0", "ms", "└─", "Scan"]


def test_a_line_is_no_wider_than_asked() -> None:
    tree = PlanTree.of_text("Filter: " + "x" * 500)
    assert [len(line) for line in tree.draw(80).splitlines()] == [80]


def test_controls_of_names_are_escaped() -> None:
    assert r"\x1b" in str(PlanTree.of_text("Filter: a = '\x1b[31m'"))
    assert "<b>" not in PlanTree.of_text("Filter: a = '<b>'")._repr_html_()


def test_a_query_has_one_before_and_after(runtime: dfd.Runtime, uri: object) -> None:
    query = runtime.sql("select count(*) as n from t where id > 1")
    before = query.plan()
    assert (before.has_run, query.id) == (False, None)
    assert "DataSourceExec" in str(before)
    query.to_arrow_table()
    after = query.plan()
    assert after.has_run
    assert [one.operator for one in after.operators] == [one.operator for one in query.metrics()]
    assert "rows" in str(after)
