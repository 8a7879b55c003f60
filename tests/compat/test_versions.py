"""The wheels on every Python, and on other versions of DataFusion: it works or it is refused; it never crashes."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pythons import supported

DOORS = Path(__file__).with_name("doors.py")
REQUIRED = "datafusion>=55,<56"


def tried(python: Path, directory: Path) -> dict[str, list[str]]:
    """What every door said; the process has ended well."""
    ran = run(python, DOORS, directory)
    assert ran.returncode == 0, (ran.stdout.splitlines()[-1:], ran.stderr)
    said = map(json.loads, ran.stdout.splitlines())
    return {line[0]: line[1] for line in said if isinstance(line, list)}


def doctor(python: Path) -> tuple[int, Any]:
    ran = run(python, "-m", "dfd", "doctor", "--json")
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def run(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", supported())
def test_what_it_was_built_for_works(
    environment: Callable[..., Path], python: str, tmp_path: Path
) -> None:
    interpreter = environment(python, "datafusion==55.0.0")
    said = tried(interpreter, tmp_path)
    assert {name: answer for name, answer in said.items() if answer[0] != "open"} == {}
    assert len(said) >= 17
    code, told = doctor(interpreter)
    assert (code, told["problem"]) == (0, None)


@pytest.mark.parametrize("datafusion", ["53.0.0", "54.1.0"])
@pytest.mark.parametrize("python", supported())
def test_another_is_refused_at_every_door(
    environment: Callable[..., Path], python: str, datafusion: str, tmp_path: Path
) -> None:
    interpreter = environment(python, f"datafusion=={datafusion}")
    said = tried(interpreter, tmp_path)
    assert said.pop("adapt_stream") == ["open", "1"]
    refused = [
        "IncompatibleInstallation",
        f"datafusion {datafusion}",
        REQUIRED,
        f"pip install '{REQUIRED}'",
    ]
    assert {name: answer for name, answer in said.items() if answer != refused} == {}
    code, told = doctor(interpreter)
    assert code == 3
    assert told["incompatible"]["installed"] == f"datafusion {datafusion}"
    assert told["incompatible"]["command"] == f"pip install '{REQUIRED}'"


def test_the_command_mends_it(environment: Callable[..., Path], tmp_path: Path) -> None:
    interpreter = environment("3.12", "datafusion==54.1.0")
    _, told = doctor(interpreter)
    program, *arguments = shlex.split(told["incompatible"]["command"])
    assert program == "pip"
    subprocess.run(["uv", "pip", *arguments, "--quiet", "--python", interpreter], check=True)
    assert doctor(interpreter)[0] == 0
    assert tried(interpreter, tmp_path)["Engine.run"] == ["open", "rows"]
