"""`dfd keep`: what the tables of a profile want, and what is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from dfd.cli import DONE, FAILED

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


@pytest.fixture
def profile(table: Path, tmp_path: Path, run: Run) -> Path:
    """A profile of two tables, one of them by two names, one that is pinned and one that isn't there."""
    for _ in range(2):
        run("write", table, tmp_path / "d.parquet")
    run("write", tmp_path / "lake" / "items", tmp_path / "d.parquet")
    file = tmp_path / "dfd.toml"
    file.write_text(
        f"""
        [keep]
        optimize_files = 3
        checkpoint_commits = 3
        vacuum_files = 1
        [[table]]
        name = "orders"
        uri = "{table}"
        [[table]]
        name = "z_again"
        uri = "{table}"
        [[table]]
        name = "old"
        uri = "{table}"
        version = 0
        [[schema]]
        name = "lake"
        uri = "{tmp_path}/lake"
        """
    )
    return file


def test_a_plan_changes_nothing(profile: Path, table: Path, run: Run, run_json: RunJson) -> None:
    found = run_json("keep", "--profile", profile)
    assert [(entry["name"], entry["found"]["due"], entry["done"]) for entry in found] == [
        ("lake.items", [], []),
        ("orders", ["optimize", "checkpoint"], []),
    ]
    assert all(entry["well"] for entry in found)
    assert DeltaTable(table).version() == 2
    code, out, err = run("keep", "--profile", profile)
    assert (code, err) == (DONE, "")
    assert out.endswith(
        "orders: version 2: 3 file(s) to compact, 3 commit(s) since the last checkpoint, 0 unneeded file(s). "
        "Due: optimize, checkpoint.\n"
    )


def test_what_is_due_is_done_once(profile: Path, table: Path, run: Run, run_json: RunJson) -> None:
    found = run_json("keep", "--run", "--profile", profile)
    assert [done["operation"] for done in found[1]["done"]] == ["optimize", "create_checkpoint"]
    assert len(DeltaTable(table).file_uris()) == 1
    assert run_json("keep", "--run", "--profile", profile)[1]["done"] == []
    assert run_json("sql", "select count(*) as n from orders", "--profile", profile) == [{"n": 9}]


def test_one_that_fails_stops_no_other(profile: Path, table: Path, run: Run) -> None:
    code, out, err = run("keep", "/missing", "orders", "--profile", profile, "--json")
    assert (code, err) == (FAILED, "")
    missing, orders = json.loads(out)
    assert (missing["well"], missing["found"], "missing" in missing["error"]) == (False, None, True)
    assert orders["well"]


def test_a_log_that_is_not_sound_is_exit_code_1(profile: Path, table: Path, run: Run) -> None:
    one, other = DeltaTable(table), DeltaTable(table)
    one.optimize.compact()
    other.optimize.compact()
    code, out, _ = run("keep", "orders", "--profile", profile)
    assert code == FAILED
    assert "the log isn't sound: `dfd doctor --table`" in out


def test_no_table_at_all(run: Run) -> None:
    code, out, _ = run("keep")
    assert (code, "[[table]]" in out) == (DONE, True)
