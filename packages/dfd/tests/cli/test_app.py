"""The command as a whole: its commands, exit codes and errors, and what no command may print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from dfd.cli import FAILED, INCOMPATIBLE, INTERRUPTED, USAGE
from dfd.cli.app import app

Run = Callable[..., tuple[int, str, str]]
README = Path(__file__).parents[2] / "README.md"
COMMANDS = [name for name in app if not name.startswith("-")]


def test_controls_of_others_are_escaped(table: Path, run: Run) -> None:
    query = "select chr(27) || '[31mred' as c, 1 as \"\x1b[32mname\""
    code, out, _ = run("sql", query)
    assert (code, "\x1b" in out) == (0, False)
    assert r"\x1b[31mred" in out
    assert r"\x1b[32mname" in out
    _, out, _ = run("sql", query, "--json")
    assert "\x1b" not in out
    code, _, err = run("sql", 'select "\x1b[31mnope\u202e"')
    assert code == FAILED
    assert r"\x1b[31mnope\u202e" in err
    write_deltalake(
        table,
        pa.table({"id": [9], "s": ["z"]}),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={"dfd.run_id": "\x1b[2J"}),
    )
    for arguments in (("history", table), ("history", table, "--json")):
        code, out, _ = run(*arguments)
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


def test_ctrl_c_is_said_and_has_a_code_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dfd.cli.queries.register_tables", interrupted)
    assert run("sql", "select 1") == (INTERRUPTED, "", "dfd: interrupted.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), USAGE, "There is no command 'nonsense'"),
        (("hstory", "/x"), USAGE, "Did you mean `history`?"),
        (("sql", "select 1", "--formatt", "csv"), USAGE, "--format"),
        (("sql", "selec 1"), FAILED, "an SQL statement, found: selec at Line: 1"),
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
        (("write", "/tmp/x", "d.parqet"), USAGE, ".parquet"),
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
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    found, _, err = run(*(tmp_path if argument == "/tmp/x" else argument for argument in arguments))
    assert found == code
    assert says in err
    assert err.startswith("dfd: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("setting", ["datafusion.nope", "datafusion.execution.batch_size"])
def test_a_setting_that_datafusion_refuses(tmp_path: Path, run: Run, setting: str) -> None:
    (tmp_path / "dfd.toml").write_text(f'[session]\n"{setting}" = "x"\n')
    code, _, err = run("sql", "select 1", "--profile", tmp_path / "dfd.toml")
    assert (code, err.count("\n")) == (USAGE, 1)
    assert setting in err


def test_an_incompatible_installation_has_a_code_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed can't be changed here: the versions' source is replaced."""
    import dfd_native.handshake

    monkeypatch.setattr(
        dfd_native.handshake, "_installed", lambda name: {"datafusion": "54.1.0"}.get(name)
    )
    code, _, err = run("sql", "select 1")
    assert code == INCOMPATIBLE
    assert "datafusion 54.1.0" in err
    assert run("doctor")[0] == INCOMPATIBLE


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in COMMANDS:
        assert name in out


def test_the_readme_names_every_command() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`dfd {name}`" not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json_when_asked_and_has_an_example(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "--json" in out
    _, _, examples = out.partition("For example:")
    assert f"dfd {name}" in examples
