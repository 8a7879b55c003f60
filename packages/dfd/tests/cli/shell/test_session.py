"""The shell: what is typed, and what comes of it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dfd
import pytest
from dfd.cli import DONE, USAGE, main
from dfd.cli.shell.dot_commands import run_dot_command
from dfd.cli.shell.session import Shell

Typed = Callable[..., tuple[str, str]]


@pytest.fixture
def typed(runtime: dfd.Runtime, uri: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Gives lines to a shell; what it prints on stdout and stderr."""

    def printed(*lines: str | type[BaseException]) -> tuple[str, str]:
        rest = iter(lines)

        def read() -> str:
            line = next(rest, EOFError)
            if isinstance(line, str):
                return line
            raise line

        assert Shell(runtime, run_dot_command).run(read) == DONE
        found: tuple[str, str] = capsys.readouterr()
        return found

    return printed


def test_statements_and_formats(typed: Typed) -> None:
    out, err = typed(
        "select count(*) as n from t;", ".mode csv", "select 1 as a; select 2 as b;", ".mode"
    )
    assert err == ""
    assert "│     4 │" in out
    assert out.endswith("a\n1\nb\n2\ncsv\n")


def test_an_error_and_ctrl_c_end_no_shell(typed: Typed) -> None:
    out, err = typed(
        KeyboardInterrupt,
        "select nope;",
        ".nope",
        "",
        ".read /missing.sql",
        ".mode json",
        "select 7 as n;",
    )
    assert json.loads(out) == [{"n": 7}]
    assert [line.split(":")[0] for line in err.splitlines()] == ["dfd"] * 3
    assert "There is no .nope." in err


def test_tables_and_their_columns(typed: Typed, uri: Path) -> None:
    out, err = typed(
        ".tables", ".schema t", "create view v as select 1 as one;", ".tables", ".schema"
    )
    assert err == ""
    assert out.startswith(f"t  version 0  file://{uri}\nt\n    id  int64\n    s   string\n")
    assert out.split("\n")[5:] == [
        f"t  version 0  file://{uri}", "v", "t", "    id  int64", "    s   string", "    p   string",
        "v", "    one  int64", "",
    ]  # fmt: skip


def test_the_timer_a_file_a_plan_and_help(typed: Typed, tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text("delete from t where id = 1;\nselect count(*) as n from t;")
    out, err = typed(
        ".plan",
        ".timer on",
        f".read {script}",
        ".plan",
        ".timer off",
        ".help",
        ".quit",
        "select 1;",
    )
    assert err.count("\n") == 1
    assert "there is none yet" in err
    assert "│     3 │" in out
    assert "Took " in out
    assert "DataSourceExec" in out or "PlaceholderRowExec" in out
    for name in (".tables", ".schema", ".mode", ".timer", ".read", ".help", ".quit"):
        assert f"\n{name} " in out
    assert "one" not in out.splitlines()[-1]


def test_what_is_piped_in_is_run(capsys: pytest.CaptureFixture[str], uri: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dfd", "-t", f"t={uri}"],
        input="select count(*) as n from t; select 'second' as s;", text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert "│     4 │" in ended.stdout
    assert "second" in ended.stdout


def test_without_prompt_toolkit_a_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    for name in [
        name for name in sys.modules if name.startswith(("prompt_toolkit", "dfd.cli.shell.prompt"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    assert main([]) == USAGE
    err = capsys.readouterr().err
    assert (err.count("\n"), "pip install 'dfd[shell]'" in err) == (1, True)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[[bytes, bytes], bytes]]:
    """A shell in a terminal of its own: types, and waits until something is there."""
    pytest.importorskip("prompt_toolkit")
    leader, follower = pty.openpty()
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dfd"], stdin=follower, stdout=follower, stderr=follower,
        env=environment, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(follower)

    def typed(text: bytes, awaited: bytes) -> bytes:
        os.write(leader, text)
        seen = b""
        deadline = time.monotonic() + 60
        while awaited not in seen and time.monotonic() < deadline:
            if select.select([leader], [], [], 1)[0]:
                try:
                    seen += os.read(leader, 65536)
                except OSError:
                    break
        assert awaited in seen, seen
        return seen

    try:
        yield typed
        assert process.wait(30) == 0
    finally:
        process.kill()
        os.close(leader)


def test_a_real_terminal(terminal: Callable[[bytes, bytes], bytes], tmp_path: Path) -> None:
    """History, several lines, completion, and Ctrl-C that stops a query of hours and not the shell."""
    terminal(b"", b"dfd>")
    terminal(b"select 40 + 2 as\r", b"...>")
    terminal(b" answer;\r", b"engine")
    terminal(b".he\t", b"lp")
    terminal(b"\r", b"end the shell")
    slow = b"select count(*) from generate_series(1, 3000000) a join generate_series(1, 3000000) b on a.value < b.value"
    terminal(slow + b";\r", b"b.value")
    time.sleep(1)
    terminal(b"\x03", b"interrupted")
    terminal(b"select 'still ' || 'here' as s;\r", b"still here")
    assert "+select 40 + 2 as" in (tmp_path / "dfd" / "history").read_text()
    assert (tmp_path / "dfd" / "history").stat().st_mode & 0o077 == 0
    terminal(b".quit\r", b"\n")
