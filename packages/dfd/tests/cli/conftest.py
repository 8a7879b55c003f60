"""The command, run in this process, and a table that it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dfd.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with arguments; gives its exit code, stdout and stderr."""

    def ended(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return ended


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """Runs the command with `--json`, which must succeed; gives what it printed."""

    def printed(*arguments: object) -> Any:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return printed


@pytest.fixture
def table(tmp_path: Path, run: Run) -> Path:
    pq.write_table(pa.table({"id": [1, 2, 3], "s": ["a", "b", None]}), tmp_path / "d.parquet")
    uri = tmp_path / "t"
    assert run("write", uri, tmp_path / "d.parquet")[0] == 0
    return uri
