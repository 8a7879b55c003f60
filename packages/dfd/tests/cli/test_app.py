"""The command: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
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
    assert "0 file(s) into 0" in run(capsys, "optimize", table)[1]
    assert run_json(capsys, "vacuum", table)["metrics"]["dry_run"] is True
    assert run_json(capsys, "restore", table, "0")["status"] == "committed"
    assert run_json(capsys, "sql", "-t", f"t={table}", "select count(*) as n from t") == [{"n": 3}]


def test_optimize_along_a_curve(table: Path, capsys: Capture) -> None:
    for _ in range(2):
        run(capsys, "write", table, table.parent / "d.parquet")
    columns = ("--z-order", "id", "--z-order", "s")
    code, out, err = run(capsys, "optimize", table, *columns)
    assert (code, err) == (0, "")
    assert "committed: version 3, 1 attempt(s), 3 file(s) into 1" in out
    found = run_json(capsys, "sql", "-t", f"t={table}", "select count(*) as n, sum(id) as s from t")
    assert found == [{"n": 9, "s": 18}]
    newest = run_json(capsys, "history", table, "--limit", "1")[0]
    assert newest["operation"] == "OPTIMIZE"
    assert json.loads(newest["operationParameters"]["zOrderBy"]) == ["id", "s"]
    assert run_json(capsys, "optimize", table, *columns)["status"] == "committed"
    code, _, err = run(capsys, "optimize", table, "--z-order", "nope")
    assert code == FAILED
    assert "nope" in err


def test_vacuum_lists_what_would_go_and_what_went(table: Path, capsys: Capture) -> None:
    DeltaTable(table).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 hours"}
    )
    (old,) = (Path(path).name for path in DeltaTable(table).file_uris())
    run(capsys, "write", table, table.parent / "d.parquet", "--mode", "overwrite")
    code, out, _ = run(capsys, "vacuum", table)
    assert code == 0
    assert out.splitlines() == [old, "nothing_to_do: version 2, 1 attempt(s), 1 file(s) would go"]
    assert (table / old).exists()
    code, out, _ = run(capsys, "vacuum", table, "--delete")
    assert code == 0
    assert out.splitlines() == [old, "committed: version 4, 1 attempt(s), 1 file(s) gone"]
    assert not (table / old).exists()
    DeltaTable(table).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 2 hours"}
    )
    code, _, err = run(capsys, "vacuum", table, "--retention-hours", "1")
    assert code == FAILED
    assert "below the table's retention" in err


def test_history_tells_the_ids_of_what_dfd_did(table: Path, capsys: Capture) -> None:
    run(capsys, "write", table, table.parent / "d.parquet")
    outcome = run_json(capsys, "optimize", table)
    write_deltalake(table, pa.table({"id": [9], "s": ["z"]}), mode="append")
    code, out, _ = run(capsys, "history", table)
    assert code == 0
    theirs, optimized, *writes = run_json(capsys, "history", table)
    assert "dfd.operation_id" not in theirs
    assert optimized["operation"] == "OPTIMIZE"
    assert optimized["dfd.operation_id"] == outcome["operation_id"]
    for commit in (optimized, *writes):
        assert commit["dfd.operation_id"] in out
        assert commit["dfd.run_id"] in out
    assert "WRITE" in out


def test_limit(capsys: Capture) -> None:
    query = "select value as n from generate_series(1, 1000)"
    assert len(run_json(capsys, "sql", query, "--limit", "7")) == 7
    assert len(run_json(capsys, "sql", query)) == 1000
    for arguments, shown in (((), 100), (("--limit", "7"), 7), (("--limit", "1000"), 1000)):
        code, out, _ = run(capsys, "sql", query, *arguments)
        assert (code, out.count("│")) == (0, 2 * shown)
        assert out.endswith(f"The first {shown} rows; there are more.\n") == (shown < 1000)


def test_values_are_shown_as_they_are(capsys: Capture) -> None:
    query = "select 0.001 as b, 1e-9 as c, 1e300 as d, null as n, '' as e, 1.50::decimal(5, 2) as f"
    code, out, _ = run(capsys, "sql", query)
    assert code == 0
    shown = [text.strip() for text in out.splitlines()[3].strip("│").split("│")]
    assert shown == ["0.001", "1e-09", "1e+300", "NULL", "", "1.50"]
    assert run_json(capsys, "sql", query) == [
        {"b": 0.001, "c": 1e-9, "d": 1e300, "n": None, "e": "", "f": "1.50"}
    ]


def test_two_columns_of_one_name(table: Path, capsys: Capture) -> None:
    query = ("sql", "select a.id, b.id from t a join t b on a.id = b.id", "-t", f"t={table}")
    code, out, err = run(capsys, *query, "--json")
    assert (code, out) == (FAILED, "")
    assert "'id'" in err
    assert run(capsys, *query)[1].count("id") == 2


def test_a_statement_shows_nothing(capsys: Capture) -> None:
    assert run(capsys, "sql", "create view v as select 1 as n") == (0, "", "")


def test_controls_of_others_are_escaped(table: Path, capsys: Capture) -> None:
    query = "select chr(27) || '[31mred' as c, 1 as \"\x1b[32mname\""
    code, out, _ = run(capsys, "sql", query)
    assert (code, "\x1b" in out) == (0, False)
    assert r"\x1b[31mred" in out
    assert r"\x1b[32mname" in out
    _, out, _ = run(capsys, "sql", query, "--json")
    assert "\x1b" not in out
    code, _, err = run(capsys, "sql", 'select "\x1b[31mnope\u202e"')
    assert code == FAILED
    assert r"\x1b[31mnope\u202e" in err
    write_deltalake(
        table,
        pa.table({"id": [9], "s": ["z"]}),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={"dfd.run_id": "\x1b[2J"}),
    )
    for arguments in (("history", table), ("history", table, "--json")):
        code, out, _ = run(capsys, *arguments)
        assert (code, "\x1b" in out) == (0, False)
        assert "[2J" in out


def test_who_reads_may_stop(tmp_path: Path) -> None:
    """A real process and a real pipe: what nobody reads any more is no traceback."""
    command = (sys.executable, "-m", "dfd", "sql")
    # An unbuffered stdout loses what a pipe doesn't take, and doesn't tell.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    for arguments in (("--json",), ("--limit", "20000")):
        process = subprocess.Popen(
            [*command, "select value as n from generate_series(1, 20000)", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == FAILED


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
    none = tmp_path / "none"
    code, out, _ = run(capsys, "doctor", "--table", made, "--table", none, "--json")
    found = json.loads(out)
    assert code == FAILED
    assert found["abandoned_stages"] == {str(made): [], str(none): []}
    assert found["audits"][str(none)] is None
    audit = found["audits"][str(made)]
    assert (audit["violations"], audit["sound_version"]) == ([], 0)
    code, out, _ = run(capsys, "doctor", "--table", made)
    assert code == 0
    assert f"{made}: no writer left files behind." in out
    assert f"{made}: versions 0 to 0 of the log are sound." in out
    code, out, err = run(capsys, "doctor", "--table", none)
    assert (code, err) == (FAILED, "")
    assert [line for line in out.splitlines() if str(none) in line] == [
        f"{none}: there is no table."
    ]
    assert not none.exists()
    assert [Path(p).name for p in run_json(capsys, "report", tmp_path / "r")] == [
        "report.json",
        "report.md",
        "report.html",
    ]


def test_doctor_finds_what_racing_writers_did(table: Path, capsys: Capture) -> None:
    for _ in range(4):
        run(capsys, "write", table, table.parent / "d.parquet")
    one, other = DeltaTable(table), DeltaTable(table)
    one.optimize.compact()
    other.optimize.compact()
    code, out, err = run(capsys, "doctor", "--table", table, "--json")
    assert (code, err) == (FAILED, "")
    audit = json.loads(out)["audits"][str(table)]
    assert [(v["version"], v["kind"]) for v in audit["violations"]] == [(6, "removed twice")] * 5
    assert audit["sound_version"] == 5
    code, out, err = run(capsys, "doctor", "--table", table)
    assert (code, err) == (FAILED, "")
    assert f"{table}: version 6 (OPTIMIZE by delta-rs:" in out
    assert "removed twice (before: version 5): 5 file(s): " in out
    assert out.count(".parquet") == 3
    assert f"`dfd restore {table} 5`" in out
    count = ("sql", "-t", f"t={table}", "select count(*) as n from t")
    assert run_json(capsys, *count) == [{"n": 30}]
    run(capsys, "restore", table, "5")
    assert run_json(capsys, *count) == [{"n": 15}]
    code, out, _ = run(capsys, "doctor", "--table", table)
    assert code == 0
    assert f"{table}: version 7 is sound again" in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), USAGE, "nonsense"),
        (("sql",), USAGE, "query"),
        (("sql", "select 1", "--limit", "many"), USAGE, "limit"),
        (("sql", "select nope"), FAILED, "nope"),
        (("sql", "select 1", "--limit", "-1"), USAGE, "limit"),
        (("sql", "select 1 / 0"), FAILED, "Divide by zero"),
        (("sql", "select 1 / 0", "--json"), FAILED, "Divide by zero"),
        (("sql", "select cast('x' as int)"), FAILED, "Cannot cast"),
        (("sql", "select * from read_delta('/missing/table')"), FAILED, "/missing/table"),
        (("sql", "-t", "raw.x=/tmp", "select 1"), USAGE, "raw.x"),
        (("write", "/tmp/x", "--query", "select cast('x' as int) as a"), FAILED, "Cannot cast"),
        (
            (
                "write",
                "/tmp/x",
                "--query",
                "select table_name, 1 / 0 as a from information_schema.tables",
            ),
            FAILED,
            "Divide by zero",
        ),
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
        (("optimize", "/missing/table"), FAILED, "table"),
        (("optimize", "/missing/table", "--z-order", "a"), FAILED, "table"),
        (("optimize", "/missing/table", "--z-order"), USAGE, "z-order"),
        (("vacuum", "/missing/table"), FAILED, "table"),
        (("vacuum", "/missing/table", "--retention-hours", "x"), USAGE, "retention-hours"),
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


@pytest.mark.parametrize("name", ["d.parquet", "d.csv", "d.arrow"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, capsys: Capture, name: str) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1\n")
    code, _, err = run(capsys, "write", tmp_path / "t", tmp_path / name)
    assert (code, err.count("\n")) == (FAILED, 1)
    assert name in err


@pytest.mark.parametrize("setting", ["datafusion.nope", "datafusion.execution.batch_size"])
def test_a_setting_that_datafusion_refuses(tmp_path: Path, capsys: Capture, setting: str) -> None:
    (tmp_path / "dfd.toml").write_text(f'[session]\n"{setting}" = "x"\n')
    code, _, err = run(capsys, "sql", "select 1", "--profile", tmp_path / "dfd.toml")
    assert (code, err.count("\n")) == (USAGE, 1)
    assert setting in err


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
