"""The page of the command: what stands there runs, in order."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dfd.cli import main
from dfd.cli.app import app

PAGE = Path(__file__).parents[4] / "docs" / "command.md"
FILES = {"csv": "flights.csv", "toml": "dfd.toml"}


def blocks() -> Iterator[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    yield from re.findall(r"^```(csv|toml|sh)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def ended(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command in this process; what a pipe gives is its stdin."""
    piped, found, command = line.rpartition(" | ")
    if found:
        given = subprocess.run(piped, shell=True, capture_output=True, check=True).stdout
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    name, *arguments = shlex.split(command)
    assert name == "dfd"
    return main(arguments)


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = []
    for kind, text in blocks():
        if kind in FILES:
            (tmp_path / FILES[kind]).write_text(text)
            continue
        for line in text.splitlines():
            code = ended(line, monkeypatch)
            assert code == 0, f"{line}: {capsys.readouterr().err}"
            commands.append(line)
    assert len(commands) > 20


def test_the_page_has_every_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = [name for name in app if not name.startswith("-")]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_script_that_completes_has_every_command() -> None:
    script = app.meta.generate_completion(shell="bash")
    names = [name for name in app if not name.startswith("-")]
    assert [name for name in names if name not in script] == []
