"""The command: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from dfd.cli import FAILED, INCOMPATIBLE, USAGE, main

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def run_json(capsys: Capture, *arguments: object) -> Any:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def table(tmp_path: Path, capsys: Capture) -> Path:
    pq.write_table(pa.table({"id": [1, 2, 3], "s": ["a", "b", None]}), tmp_path / "d.parquet")
    uri = tmp_path / "t"
    assert run(capsys, "write", uri, tmp_path / "d.parquet")[0] == 0
    return uri


def test_write_query_and_history(table: Path, tmp_path: Path, capsys: Capture) -> None:
    csv.write_csv(pa.table({"id": [4], "s": ["d"]}), tmp_path / "d.csv")
    once = ("write", table, tmp_path / "d.csv", "--app-id", "x", "--app-version", "1")
    assert [run_json(capsys, *once)["status"] for _ in range(2)] == [
        "committed",
        "already_committed",
    ]
    found = run_json(capsys, "sql", "-t", f"t={table}", "select sum(id) as s from t")
    assert found == [{"s": 10}]
    before = run_json(capsys, "sql", "-t", f"t={table}@0", "select sum(id) as s from t")
    assert before == [{"s": 6}]
    assert [commit["version"] for commit in run_json(capsys, "history", table)] == [1, 0]
    code, out, _ = run(capsys, "history", table)
    assert code == 0
    assert out.count("APPEND") == 2


def test_write_the_result_of_a_query(table: Path, tmp_path: Path, capsys: Capture) -> None:
    query = ("--query", "select id, s from t where id > 1", "-t", f"t={table}")
    made = ("--partition-by", "s", "--sort-by", "id", "--sort-by", "s")
    written = run_json(capsys, "write", tmp_path / "copy", *query, *made)
    assert (written["status"], written["metrics"]["rows"], written["metrics"]["files"]) == (
        "committed", 2, 2,
    )  # fmt: skip
    code, out, _ = run(capsys, "write", tmp_path / "copy", *query, "--mode", "overwrite")
    assert code == 0
    assert "committed: version 1, 1 attempt(s), 2 row(s) in 2 file(s)" in out
    found = run_json(capsys, "sql", "-t", f"t={tmp_path / 'copy'}", "select id from t order by id")
    assert found == [{"id": 2}, {"id": 3}]


def test_maintenance(table: Path, capsys: Capture) -> None:
    run(capsys, "write", table, table.parent / "d.parquet")
    assert run_json(capsys, "optimize", table)["metrics"]["numFilesRemoved"] == 2
    assert run_json(capsys, "vacuum", table)["metrics"]["dry_run"] is True
    assert run_json(capsys, "restore", table, "0")["status"] == "committed"
    assert run_json(capsys, "sql", "-t", f"t={table}", "select count(*) as n from t") == [{"n": 3}]


def test_limit(capsys: Capture) -> None:
    query = "select value as n from generate_series(1, 1000)"
    assert len(run_json(capsys, "sql", query, "--limit", "7")) == 7


def test_doctor_and_report(tmp_path: Path, capsys: Capture) -> None:
    found = run_json(capsys, "doctor")
    assert found["problem"] is None
    assert found["capabilities"]["plugin_abi"]["major"] == 1
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "fits together" in out
    made = tmp_path / "t"
    pq.write_table(pa.table({"id": [1]}), tmp_path / "d.parquet")
    run(capsys, "write", made, tmp_path / "d.parquet")
    found = run_json(capsys, "doctor", "--table", made, "--table", tmp_path / "t")
    assert found["abandoned_stages"] == {str(made): []}
    assert "no writer left files" in run(capsys, "doctor", "--table", made)[1]
    assert [Path(p).name for p in run_json(capsys, "report", tmp_path / "r")] == [
        "report.json",
        "report.md",
        "report.html",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), USAGE, "nonsense"),
        (("sql",), USAGE, "query"),
        (("sql", "select 1", "--limit", "many"), USAGE, "limit"),
        (("sql", "select nope"), FAILED, "nope"),
        (("sql", "-t", "x", "select 1"), USAGE, "name=uri"),
        (("sql", "-t", "x=/missing/table", "select 1"), FAILED, "/missing/table"),
        (("sql", "select 1", "--profile", "/missing.toml"), USAGE, "missing.toml"),
        (("history", "ftp://x/y"), USAGE, "ftp"),
        (("history", "/missing/table"), FAILED, "table"),
        (("write", "/tmp/x", "d.json"), USAGE, ".parquet"),
        (("write", "/tmp/x", "/missing.parquet"), FAILED, "missing.parquet"),
        (("write", "/tmp/x"), USAGE, "--query"),
        (("write", "/tmp/x", "d.csv", "--query", "select 1"), USAGE, "--query"),
        (("write", "/tmp/x", "d.csv", "-t", "x=y"), USAGE, "--table"),
        (("write", "/tmp/x", "d.csv", "--mode", "upsert"), USAGE, "upsert"),
        (("doctor", "--table", "ftp://x/y"), USAGE, "ftp"),
        (("demo", "--rows", "0"), USAGE, "--rows"),
        (("demo", "--dir", "/proc/none"), FAILED, "/proc/none"),
        (("report", "/proc/none"), FAILED, "/proc/none"),
    ],
)
def test_failures_are_one_line_and_a_stable_code(
    capsys: Capture, arguments: tuple[str, ...], code: int, says: str
) -> None:
    found, _, err = run(capsys, *arguments)
    assert found == code
    assert says in err
    assert err.startswith("dfd: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_an_incompatible_installation_has_a_code_of_its_own(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed can't be changed here: the versions' source is replaced."""
    import dfd_native.handshake

    monkeypatch.setattr(
        dfd_native.handshake, "_installed", lambda name: {"datafusion": "54.1.0"}.get(name)
    )
    code, _, err = run(capsys, "sql", "select 1")
    assert code == INCOMPATIBLE
    assert "datafusion 54.1.0" in err
    assert run(capsys, "doctor")[0] == INCOMPATIBLE


def test_help_names_every_command(capsys: Capture) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in [
        "demo",
        "doctor",
        "sql",
        "write",
        "history",
        "optimize",
        "vacuum",
        "restore",
        "report",
    ]:
        assert name in out
