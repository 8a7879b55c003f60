"""Rows in every format, to stdout and into files: nothing is lost on the way out and in again."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dfd.cli import DONE, FAILED, USAGE

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]

ODD = """
    select id, s, f, odd, big, d::decimal(4, 2) as d, b from (values
        (1, 'a,"b"', 0.001, cast('NaN' as double), 9007199254740993, 1.50, true),
        (2, '', 1e300, 1.0, -9223372036854775808, null, false),
        (3, null, null, cast('-Infinity' as double), 0, 0.10, null)
    ) as t(id, s, f, odd, big, d, b) order by id
"""


def test_csv_tells_null_from_the_empty_text(run: Run) -> None:
    code, out, err = run("sql", ODD, "--format", "csv")
    assert (code, err) == (DONE, "")
    assert out.splitlines() == [
        "id,s,f,odd,big,d,b",
        '1,"a,""b""",0.001,NaN,9007199254740993,1.50,true',
        '2,"",1e+300,1.0,-9223372036854775808,,false',
        "3,,,-Infinity,0,0.10,",
    ]
    assert next(csv.DictReader(io.StringIO(out)))["s"] == 'a,"b"'


def test_json_loses_nothing(run: Run, run_json: RunJson) -> None:
    rows = run_json("sql", ODD)
    assert rows[0] == {
        "id": 1, "s": 'a,"b"', "f": 0.001, "odd": "NaN", "big": 9007199254740993, "d": "1.50", "b": True,
    }  # fmt: skip
    assert (rows[2]["odd"], rows[2]["s"]) == ("-Infinity", None)
    code, out, _ = run("sql", ODD, "--format", "ndjson")
    assert code == DONE
    assert [json.loads(line) for line in out.splitlines()] == rows


def test_markdown(run: Run) -> None:
    sql = "select 1 as n, 'a|b' as s, null as x, chr(27) || chr(10) || 'z' as e"
    code, out, _ = run("sql", sql, "--format", "markdown")
    assert code == DONE
    assert out.splitlines() == [
        "| n | s | x | e |",
        "| --: | --- | --- | --- |",
        r"| 1 | a\|b | NULL | \x1b<br>z |",
    ]


@pytest.mark.parametrize("format", ["arrow", "parquet"])
def test_binary_formats_on_stdout(run: Run, format: str) -> None:
    import os
    import subprocess
    import sys

    command = [sys.executable, "-m", "dfd", "sql", ODD, "--format", format]
    ended = subprocess.run(command, capture_output=True, check=True, env=os.environ)
    if format == "arrow":
        found = pa.ipc.open_stream(ended.stdout).read_all()
    else:
        found = pq.read_table(io.BytesIO(ended.stdout))
    assert found["id"].to_pylist() == [1, 2, 3]
    assert found["big"].to_pylist()[0] == 9007199254740993


ENDINGS = ["x.csv", "x.json", "x.ndjson", "x.jsonl.gz", "x.arrow", "x.parquet", "x.csv.gz"]


@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_written_is_read_again(
    tmp_path: Path, run: Run, run_json: RunJson, name: str
) -> None:
    """A round trip through each format, by the ending of the file alone."""
    sql = (
        "select value as id, 'text ' || value as s, value / 8.0 as f from generate_series(1, 5000)"
    )
    file = tmp_path / name
    assert run("sql", sql, "-o", file) == (DONE, "", "")
    assert run_json("write", tmp_path / "t", file)["metrics"]["rows"] == 5000
    found = run_json(
        "sql", "select count(*) as n, sum(id) as i, max(s) as s, sum(f) as f from t",
        "-t", f"t={tmp_path / 't'}",
    )  # fmt: skip
    assert found == [{"n": 5000, "i": 12502500, "s": "text 999", "f": 1562812.5}]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


def test_a_compressed_file_is_gzip(tmp_path: Path, run: Run) -> None:
    run("sql", "select 1 as n", "-o", tmp_path / "n.csv.gz")
    assert gzip.decompress((tmp_path / "n.csv.gz").read_bytes()) == b"n\n1\n"


def test_a_table_in_a_file_is_whole(tmp_path: Path, run: Run) -> None:
    run("sql", "select value as n from generate_series(1, 3000)", "-o", tmp_path / "n.txt")
    assert (tmp_path / "n.txt").read_text().count("│") == 2 * 3002


def test_a_query_that_fails_leaves_the_file_as_it_was(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "n.csv"
    file.write_text("before")
    sql = "select 10 / (value - 90000) as n from generate_series(1, 100000)"
    assert run("sql", sql, "-o", file)[0] == FAILED
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "xml"), "parquet"),
        (("--json", "--format", "csv"), "--json"),
        (("-o", "x.xlsx"), ".xlsx"),
    ],
)
def test_formats_that_are_none(run: Run, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = run("sql", "select 1", *arguments)
    assert (code, err.count("\n")) == (USAGE, 1)
    assert says in err


def test_text_for_programs_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    for arguments, wanted in (
        (("--json",), '[\n{"x":"€"}\n]\n'),
        (("--format", "csv"), "x\n€\n"),
        ((), "+--------+\n| x      |\n| string |\n+--------+\n| \\u20ac |\n+--------+\n"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "dfd", "sql", "select '€' as x", *arguments],
            capture_output=True, check=True, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )  # fmt: skip
        assert ended.stdout.decode() == wanted
