"""The golden list is read as it was written, and its reasons are those of a kind."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import golden


def outcome(line: int, reason: str | None, sql: str = "SELECT 1", **more: Any) -> dict[str, Any]:
    told = {"suite": "a.slt", "file": "a.slt", "line": line, "sql": sql, "outcome": "same"}
    return {**told, "route": "session" if reason else "engine", "reason": reason, **more}


OUTCOMES = [
    outcome(1, None),
    outcome(
        2, "the plan comes back with another schema: (a Int64) in the session, () in the engine"
    ),
    outcome(
        3, "the plan comes back with another schema: (b Utf8) in the session, () in the engine"
    ),
    outcome(4, "EXPLAIN runs in the session", sql="EXPLAIN SELECT 1"),
    outcome(5, "x", outcome="both fail"),
    outcome(6, "the plan can't be read: Schema error: No field named t.a.", file="part"),
]


def golden_list(path: Path, kind: golden.GoldenList) -> golden.GoldenList:
    kept = copy.copy(kind)
    kept._path = path / "golden.txt"
    return kept


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    kept = golden_list(tmp_path, golden.SESSION)
    kept.write(OUTCOMES)
    assert kept.read() == {
        ("about the session itself: EXPLAIN runs in the session", "a.slt"): ["1", "query"],
        ("the plan can't be read: No field named ...", "a.slt"): ["part:6"],
        ("the plan comes back with another schema: no columns", "a.slt"): ["2", "3"],
    }
    assert kept.changes(OUTCOMES) == []
    assert kept.changes(OUTCOMES[1:2]) == [
        "a.slt: about the session itself: EXPLAIN runs in the session:"
        " 1 query in the golden list, none now",
        "a.slt: the plan can't be read: No field named ...: part:6 in the golden list, none now",
        "a.slt: the plan comes back with another schema: no columns: 2 3 in the golden list, 2 now",
    ]


def test_causes_stay_when_the_list_is_written(tmp_path: Path) -> None:
    kept = golden_list(tmp_path, golden.DELTA)
    outcomes = [
        outcome(1, None),
        outcome(2, "a key", outcome="not held"),
        outcome(3, None, outcome="differs", by="leaf"),
        outcome(4, None, outcome="fails", by="engine", file="b/part"),
    ]
    (tmp_path / "golden.txt").write_text("a known cause\n  a.slt: part:4/engine 9/leaf\n")
    assert kept.wrong(outcomes) == [outcomes[2]]
    kept.write(outcomes)
    assert kept.read() == {
        ("a known cause", "a.slt"): ["part:4/engine"],
        ("held by no Delta table: a key", "a.slt"): ["2"],
        ("unexplained", "a.slt"): ["3/leaf"],
    }
    assert kept.wrong(outcomes) == [outcomes[2]]
    assert kept.changes(outcomes[:1]) == [
        "a.slt: a known cause: part:4/engine in the golden list, none now",
        "a.slt: held by no Delta table: a key: 2 in the golden list, none now",
        "a.slt: unexplained: 3/leaf in the golden list, none now",
    ]


def test_a_result_that_differs_is_wrong_on_both_routes_whatever_runs_where() -> None:
    told = outcome(1, "why", outcome="differs")
    assert golden.SESSION.wrong([told]) == [told]
