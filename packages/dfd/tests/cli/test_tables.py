"""Commands that show what tables are, and names in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dfd.cli import DONE, FAILED, USAGE
from dfd.cli.parameters import TableAt

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


@pytest.fixture
def profile(table: Path, tmp_path: Path) -> Path:
    file = tmp_path / "dfd.toml"
    file.write_text(
        f'[[table]]\nname = "orders"\nuri = "{table}"\n[[table]]\nname = "new"\nuri = "{tmp_path}/n"\n'
        f'[[schema]]\nname = "lake"\nuri = "{tmp_path}"\n'
    )
    return file


def test_tables_of_a_profile_and_of_a_folder(
    table: Path, profile: Path, run: Run, run_json: RunJson
) -> None:
    found = run_json("tables", "--profile", profile)
    assert [(row["name"], row["version"]) for row in found] == [
        ("lake.t", 0),
        ("new", None),
        ("orders", 0),
    ]
    assert run_json("tables", table.parent) == [
        {"name": "t", "uri": f"{table.parent}/t", "version": None}
    ]
    assert run_json("tables") == []


def test_commands_take_names_of_the_profile(
    table: Path, profile: Path, run: Run, run_json: RunJson
) -> None:
    named = ("--profile", profile)
    assert run_json("delete", "orders", "id = 1", *named)["version"] == 1
    assert [commit["version"] for commit in run_json("history", "orders", *named)] == [1, 0]
    assert run_json("sql", "select count(*) as n from orders", *named) == [{"n": 2}]
    assert run_json("write", "new", "--query", "select * from orders", *named)["version"] == 0
    assert run_json("sql", "select count(*) as n from new", *named) == [{"n": 2}]
    code, _, err = run("history", "ordres", *named)
    assert (code, err.count("\n")) == (FAILED, 1)
    assert "no Delta table" in err


def test_schema(table: Path, run: Run, run_json: RunJson) -> None:
    run(
        "sql",
        f"alter table delta.`{table}` add columns (l array<struct<n: bigint>> comment 'list')",
    )
    found = run_json("schema", table)
    assert [(row["column"], row["type"]) for row in found] == [
        ("id", "bigint"),
        ("s", "string"),
        ("l", "array<struct<n: bigint>>"),
    ]
    assert (found[2]["comment"], found[2]["nullable"], found[2]["partition"]) == (
        "list",
        True,
        False,
    )
    assert len(run_json("schema", f"{table}@0")) == 2
    code, out, _ = run("schema", table)
    assert code == DONE
    assert "│ s      │ string" in out


def test_files_and_changes(table: Path, run: Run, run_json: RunJson) -> None:
    (file,) = run_json("files", table)
    assert file["path"].endswith(".parquet")
    assert file["num_records"] == 3
    run("sql", f"alter table delta.`{table}` set tblproperties (delta.enableChangeDataFeed = true)")
    run("delete", table, "id = 2")
    (change,) = run_json("cdf", table, "2")
    assert (change["id"], change["_change_type"], change["_commit_version"]) == (2, "delete", 2)
    code, _, err = run("cdf", table, "0")
    assert (code, err.count("\n")) == (FAILED, 1)


def test_checkpoint_and_constraints(table: Path, run: Run, run_json: RunJson) -> None:
    run_json("checkpoint", table)
    assert list((table / "_delta_log").glob("*.checkpoint.parquet"))
    assert run_json("constraint", table) == {}
    assert run_json("constraint", table, "--add", "positive=id > 0")["status"] == "committed"
    assert run_json("constraint", table) == {"positive": "id > 0"}
    assert run("constraint", table)[1] == "positive: id > 0\n"
    code, _, err = run("write", table, "--query", "select -1 as id, 'x' as s")
    assert (code, "positive" in err) == (FAILED, True)
    run_json("constraint", table, "--drop", "positive")
    assert run_json("constraint", table) == {}
    for arguments in (("--add", "x"), ("--add", "a=b", "--drop", "c")):
        assert run("constraint", table, *arguments)[0] == USAGE


def test_versions_and_times_behind_an_at() -> None:
    assert TableAt.parse("s3://b/t@12") == ("s3://b/t", 12, None)
    uri, version, moment = TableAt.parse("/t@2026-01-31T12:00:00+0100")
    assert (uri, version, moment and moment.isoformat()) == (
        "/t",
        None,
        "2026-01-31T12:00:00+01:00",
    )
    for text, shown in (
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T01:00Z", "2026-01-31T01:00:00+00:00"),
    ):
        moment = TableAt.parse(f"/t@{text}").timestamp
        assert moment is not None
        assert moment.isoformat() == shown
    for whole in ("abfss://container@account.dfs.core.windows.net/t", "/t", "/a@b/t@latest", "@3"):
        assert TableAt.parse(whole) == (whole, None, None)


def test_a_table_at_a_time(table: Path, run: Run, run_json: RunJson) -> None:
    run("delete", table, "id = 1")
    sql = "select count(*) as n from t"
    assert run_json("sql", sql, "-t", f"t={table}@2999-01-01") == [{"n": 2}]
    assert run_json("sql", sql, "-t", f"t={table}@0") == [{"n": 3}]
    code, _, err = run("sql", sql, "-t", f"t={table}@2001-01-01T00:00:00Z")
    assert (code, err.count("\n")) == (FAILED, 1)
