"""Commands that change a table: what they do, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pytest
from deltalake import DeltaTable
from dfd.cli import FAILED

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


def test_write_query_and_history(table: Path, tmp_path: Path, run: Run, run_json: RunJson) -> None:
    csv.write_csv(pa.table({"id": [4], "s": ["d"]}), tmp_path / "d.csv")
    once = ("write", table, tmp_path / "d.csv", "--app-id", "x", "--app-version", "1")
    assert [run_json(*once)["status"] for _ in range(2)] == [
        "committed",
        "already_committed",
    ]
    found = run_json("sql", "-t", f"t={table}", "select sum(id) as s from t")
    assert found == [{"s": 10}]
    before = run_json("sql", "-t", f"t={table}@0", "select sum(id) as s from t")
    assert before == [{"s": 6}]
    assert [commit["version"] for commit in run_json("history", table)] == [1, 0]
    code, out, _ = run("history", table)
    assert code == 0
    assert out.count("APPEND") == 2


def test_write_the_result_of_a_query(
    table: Path, tmp_path: Path, run: Run, run_json: RunJson
) -> None:
    query = ("--query", "select id, s from t where id > 1", "-t", f"t={table}")
    made = ("--partition-by", "s", "--sort-by", "id", "--sort-by", "s")
    written = run_json("write", tmp_path / "copy", *query, *made)
    assert (written["status"], written["metrics"]["rows"], written["metrics"]["files"]) == (
        "committed", 2, 2,
    )  # fmt: skip
    code, out, _ = run("write", tmp_path / "copy", *query, "--mode", "overwrite")
    assert code == 0
    assert "committed: version 1, 1 attempt(s), 2 row(s) in 2 file(s)" in out
    found = run_json("sql", "-t", f"t={tmp_path / 'copy'}", "select id from t order by id")
    assert found == [{"id": 2}, {"id": 3}]


def test_the_partitions_of_the_rows_are_replaced(
    table: Path, tmp_path: Path, run: Run, run_json: RunJson
) -> None:
    copy = tmp_path / "copy"
    rows = ("--query", "select id, s from t where id > 1", "-t", f"t={table}")
    run_json("write", copy, *rows, "--partition-by", "s")
    new = ("--query", "select id + 10 as id, s from t where id = 3", "-t", f"t={table}")
    by_partition = ("--partition-overwrite-mode", "dynamic")
    assert run("write", copy, *new, *by_partition)[0] != 0
    run_json("write", copy, *new, "--mode", "overwrite", *by_partition)
    assert sorted(pa.table(DeltaTable(copy).scan())["id"].to_pylist()) == [2, 13]


def test_what_a_user_says_of_a_commit(table: Path, run: Run, run_json: RunJson) -> None:
    said = ("--user-metadata", "backfill of [May]")
    run("write", table, table.parent / "d.parquet", *said)
    run("update", table, "--set", "s='x'", *said)
    run("delete", table, "id = 1", *said)
    merged = ("--on", "t.id = s.id", "--insert")
    run("merge", table, table.parent / "d.parquet", *merged, *said)
    run("optimize", table, *said)
    run("restore", table, "0", *said)
    commits = run_json("history", table)
    assert [commit.get("userMetadata") for commit in commits] == [said[1]] * 6 + [None]
    code, out, _ = run("history", table)
    assert code == 0
    assert out.count(said[1]) == 6


def test_maintenance(table: Path, run: Run, run_json: RunJson) -> None:
    run("write", table, table.parent / "d.parquet")
    assert run_json("optimize", table)["metrics"]["numFilesRemoved"] == 2
    assert "0 file(s) into 0" in run("optimize", table)[1]
    assert run_json("vacuum", table)["metrics"]["dry_run"] is True
    assert run_json("restore", table, "0")["status"] == "committed"
    later = (datetime.now(timezone.utc) + timedelta(minutes=1)).isoformat(timespec="seconds")
    assert run_json("restore", table, "--timestamp", later)["status"] == "nothing_to_do"
    assert run_json("sql", "-t", f"t={table}", "select count(*) as n from t") == [{"n": 3}]


def test_optimize_along_a_curve(table: Path, run: Run, run_json: RunJson) -> None:
    for _ in range(2):
        run("write", table, table.parent / "d.parquet")
    columns = ("--z-order", "id", "--z-order", "s")
    code, out, err = run("optimize", table, *columns)
    assert (code, err) == (0, "")
    assert "committed: version 3, 1 attempt(s), 3 file(s) into 1" in out
    found = run_json("sql", "-t", f"t={table}", "select count(*) as n, sum(id) as s from t")
    assert found == [{"n": 9, "s": 18}]
    newest = run_json("history", table, "--limit", "1")[0]
    assert newest["operation"] == "OPTIMIZE"
    assert json.loads(newest["operationParameters"]["zOrderBy"]) == ["id", "s"]
    assert run_json("optimize", table, *columns)["status"] == "committed"
    code, _, err = run("optimize", table, "--z-order", "nope")
    assert code == FAILED
    assert "nope" in err


def test_vacuum_lists_what_would_go_and_what_went(table: Path, run: Run) -> None:
    DeltaTable(table).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 hours"}
    )
    (old,) = (Path(path).name for path in DeltaTable(table).file_uris())
    run("write", table, table.parent / "d.parquet", "--mode", "overwrite")
    code, out, _ = run("vacuum", table)
    assert code == 0
    assert out.splitlines() == [old, "nothing_to_do: version 2, 1 attempt(s), 1 file(s) would go"]
    assert (table / old).exists()
    code, out, _ = run("vacuum", table, "--delete")
    assert code == 0
    assert out.splitlines() == [old, "committed: version 4, 1 attempt(s), 1 file(s) gone"]
    assert not (table / old).exists()
    DeltaTable(table).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 2 hours"}
    )
    code, _, err = run("vacuum", table, "--retention-hours", "1")
    assert code == FAILED
    assert "below the table's retention" in err


@pytest.mark.parametrize("name", ["d.parquet", "d.csv", "d.arrow"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, run: Run, name: str) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1\n")
    code, _, err = run("write", tmp_path / "t", tmp_path / name)
    assert (code, err.count("\n")) == (FAILED, 1)
    assert name in err
