"""The golden list is read as it was written, and its reasons are those of a kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import golden
import pytest


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


def test_what_is_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "PATH", tmp_path / "golden.txt")
    golden.write(OUTCOMES)
    assert golden.read() == {
        ("about the session itself: EXPLAIN runs in the session", "a.slt"): ["1", "query"],
        ("the plan can't be read: No field named ...", "a.slt"): ["part:6"],
        ("the plan comes back with another schema: no columns", "a.slt"): ["2", "3"],
    }
    assert golden.changes(OUTCOMES) == []
    assert golden.changes(OUTCOMES[1:2]) == [
        "a.slt: about the session itself: EXPLAIN runs in the session:"
        " 1 query in the golden list, none now",
        "a.slt: the plan can't be read: No field named ...: part:6 in the golden list, none now",
        "a.slt: the plan comes back with another schema: no columns: 2 3 in the golden list, 2 now",
    ]
