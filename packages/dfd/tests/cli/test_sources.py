"""Rows that a command is given in files and on stdin."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dfd.cli import FAILED, USAGE

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


def rows_of(run_json: RunJson, table: Path, columns: str = "*") -> Any:
    return run_json("sql", f"select {columns} from t order by 1", "-t", f"t={table}")


def test_a_folder_and_a_pattern(tmp_path: Path, run_json: RunJson) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("id,s\n1,x\n")
    (folder / "deep" / "b.csv.gz").write_bytes(gzip.compress(b"id,more\n2,0.5\n"))
    (folder / "_ignored.csv").write_text("id\n9\n")
    (folder / ".hidden.csv").write_text("id\n9\n")
    wanted = [{"id": 1, "s": "x", "more": None}, {"id": 2, "s": None, "more": 0.5}]
    run_json("write", tmp_path / "t", folder)
    assert rows_of(run_json, tmp_path / "t") == wanted
    run_json("write", tmp_path / "u", folder / "*.csv", folder / "**/*.csv.gz")
    found = rows_of(run_json, tmp_path / "u")
    assert found[-2:] == [
        {**row} for row in [{"id": 2, "s": None, "more": 0.5}, {"id": 9, "s": None, "more": None}]
    ]


def test_types_of_files_are_one(tmp_path: Path, run_json: RunJson) -> None:
    for number, value in enumerate((1, 2.5)):
        pq.write_table(pa.table({"v": [value]}), tmp_path / f"{number}.parquet")
    run_json("write", tmp_path / "t", tmp_path / "*.parquet")
    assert rows_of(run_json, tmp_path / "t") == [{"v": 1.0}, {"v": 2.5}]


def test_json_of_both_forms(tmp_path: Path, run_json: RunJson) -> None:
    rows = [{"id": 1}, {"id": 2, "n": {"a": [1, None]}}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "b.ndjson").write_text("\n".join(map(json.dumps, rows)))
    for name in ("a.json", "b.ndjson"):
        run_json("write", tmp_path / name[0], tmp_path / name)
        found = rows_of(run_json, tmp_path / name[0])
        assert found == [{"id": 1, "n": None}, {"id": 2, "n": {"a": [1, None]}}]


def arrow_file() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, pa.schema([("id", pa.int64())])) as writer:
        writer.write_table(pa.table({"id": [1, 2]}))
    return sink.getvalue()


def arrow_stream() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, pa.schema([("id", pa.int64())])) as writer:
        writer.write_table(pa.table({"id": [1, 2]}))
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2]}), sink)
    return sink.getvalue()


STDIN = {
    "csv": b"id\n1\n2\n",
    "csv.gz": gzip.compress(b"id\n1\n2\n"),
    "json": b' [{"id": 1}, {"id": 2}]',
    "ndjson": b'{"id": 1}\n{"id": 2}\n',
    "arrow file": arrow_file(),
    "arrow stream": arrow_stream(),
    "parquet": parquet(),
}


@pytest.mark.parametrize("kind", STDIN)
def test_stdin_is_known_by_what_it_begins_with(
    tmp_path: Path, run_json: RunJson, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(STDIN[kind])))
    outcome = run_json("write", tmp_path / "t", "-", "--app-id", "x", "--app-version", "1")
    assert outcome["metrics"]["rows"] == 2
    assert rows_of(run_json, tmp_path / "t") == [{"id": 1}, {"id": 2}]


def test_a_format_that_is_said_wins(tmp_path: Path, run_json: RunJson) -> None:
    (tmp_path / "export.dat").write_text("a\tb\n1\tx,y\n")
    run_json("write", tmp_path / "t", tmp_path / "export.dat", "--input-format", "tsv")
    assert rows_of(run_json, tmp_path / "t") == [{"a": 1, "b": "x,y"}]


def test_merge_takes_the_same_sources(table: Path, tmp_path: Path, run_json: RunJson) -> None:
    (tmp_path / "changes.json").write_text('[{"id": 3, "s": "z"}, {"id": 4, "s": "new"}]')
    run_json(
        "merge", table, tmp_path / "changes.json", "--on", "t.id = s.id", "--update", "--insert"
    )
    assert rows_of(run_json, table, "id, s")[2:] == [{"id": 3, "s": "z"}, {"id": 4, "s": "new"}]


@pytest.mark.parametrize(
    ("names", "code", "says"),
    [
        (("*.nothing",), USAGE, "*.nothing"),
        (("empty",), USAGE, "empty"),
        (("a.csv", "b.json"), USAGE, "csv, json"),
        (("a.csv", "-"), USAGE, "stdin"),
        (("a.csvv",), USAGE, "Did you mean `.csv`"),
        (("missing.csv",), FAILED, "missing.csv can't be read: No such file"),
        (("bad.json",), FAILED, "bad.json"),
        (("table",), USAGE, "delta.`"),
    ],
)
def test_sources_that_are_none(
    tmp_path: Path, run: Run, names: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "table" / "_delta_log").mkdir(parents=True)
    (tmp_path / "bad.json").write_text("[{]")
    (tmp_path / "a.csv").write_text("a\n1\n")
    paths = [name if name == "-" else tmp_path / name for name in names]
    found, _, err = run("write", tmp_path / "t", *paths)
    assert (found, err.count("\n")) == (code, 1)
    assert says in err
    assert not (tmp_path / "t").exists()
