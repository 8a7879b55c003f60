"""`dfd delete`, `update`, `merge`, and `dfd write --predicate`: what they do, print and refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from dfd.cli import FAILED, USAGE

pytest.importorskip("dfd_native")

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


@pytest.fixture
def rows(table: Path, run_json: RunJson) -> Callable[[], list[tuple[Any, ...]]]:
    def read() -> list[tuple[Any, ...]]:
        found = run_json("sql", "-t", f"t={table}", "select id, s from t order by id")
        return [(row["id"], row["s"]) for row in found]

    return read


def test_delete(table: Path, run: Run, rows: Callable[[], Any]) -> None:
    code, out, _ = run("delete", table, "ID = 2")
    assert (code, out.strip()) == (0, "committed: version 1, 1 attempt(s), 1 row(s) deleted")
    assert rows() == [(1, "a"), (3, None)]
    for arguments in ((), ("id = 1", "--all")):
        code, _, err = run("delete", table, *arguments)
        assert code == USAGE, err
        assert "a predicate or --all" in err
    assert run("delete", table, "--all")[0] == 0
    assert rows() == []


def test_update(table: Path, run: Run, rows: Callable[[], Any]) -> None:
    once = ("--app-id", "u", "--app-version", "1")
    command = ("update", table, "--set", "s=s || '='", "--set", "id = id * 10")
    assert "3 row(s) updated" in run(*command, *once)[1]
    assert "already_committed" in run(*command, *once)[1]
    assert rows() == [(10, "a="), (20, "b="), (30, None)]
    assert "1 row(s) updated" in run(*command, "--predicate", "s is null")[1]
    assert rows()[-1] == (300, None)
    code, _, err = run("update", table, "--set", "s")
    assert (code, "COLUMN=VALUE" in err) == (USAGE, True)
    code, _, err = run("update", table, "--set", "t=1")
    assert code == FAILED
    assert err.count("\n") == 1
    assert "'t' is no column" in err


def test_merge(table: Path, tmp_path: Path, run: Run, rows: Callable[[], Any]) -> None:
    source = tmp_path / "changes.parquet"
    pq.write_table(pa.table({"id": [1, 2, 9], "s": ["gone", "B", "Z"]}), source)
    merge = ("merge", table, source, "--on", "t.id = s.id")
    code, out, _ = run(*merge, "--delete", "s.s = 'gone'", "--update", "--insert")
    assert code == 0
    assert "1 row(s) inserted, 1 row(s) updated, 1 row(s) deleted" in out
    assert rows() == [(2, "B"), (3, None), (9, "Z")]
    code, out, _ = run(*merge, "--delete-missing")
    assert rows() == [(2, "B"), (9, "Z")]
    code, _, err = run(*merge)
    assert (code, "does something" in err) == (USAGE, True)
    query = ("--query", "select id, 'q' as s from o", "-t", f"o={table}")
    assert run("merge", table, *query, "--on", "t.id = s.id", "--update")[0] == 0
    assert rows() == [(2, "q"), (9, "q")]
    pq.write_table(pa.table({"id": [9, 10], "more": [1.5, 2.5]}), source)
    code, _, err = run(*merge, "--update", "--insert")
    assert (code, "no column s" in err) == (FAILED, True)
    assert run(*merge, "--update", "--insert", "--merge-schema")[0] == 0
    assert rows() == [(2, "q"), (9, "q"), (10, None)]
    columns = DeltaTable(table).to_pyarrow_table(columns=["id", "more"]).sort_by("id")
    assert columns["more"].to_pylist() == [None, 1.5, 2.5]


def test_a_part_is_overwritten(
    table: Path, tmp_path: Path, run: Run, rows: Callable[[], Any]
) -> None:
    source = tmp_path / "part.parquet"
    pq.write_table(pa.table({"id": [2, 2], "s": ["x", "y"]}), source)
    part = ("write", table, source, "--mode", "overwrite")
    assert run(*part, "--predicate", "id = 2")[0] == 0
    assert Counter(rows()) == Counter([(1, "a"), (2, "x"), (2, "y"), (3, None)])
    code, _, err = run(*part, "--predicate", "id = 3")
    assert code == FAILED
    assert "the predicate of the write (id = 3)" in err
    pq.write_table(pa.table({"id": [4], "s": ["z"], "more": [1]}), source)
    assert run("write", table, source, "--schema-mode", "merge")[0] == 0
