"""`dfd report`: of what another process recorded, and of two times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd
import jsonschema
import pyarrow as pa
import pytest
from dfd.cli import FAILED
from dfd_obs import ObservabilityConfig, report_schema

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]
KEY = "a key of these tests"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """What a program recorded: a write, a query by two literals, and one that failed."""
    return recorded(tmp_path, "records.jsonl", ("a", "b"))


def recorded(directory: Path, name: str, codes: tuple[str, ...]) -> Path:
    config = ObservabilityConfig(
        sink=str(directory / name), fingerprint_key=KEY, slow_query_ms=0, record_sql="text"
    )
    uri = directory / f"{name}.table"
    with dfd.connect(observability=config) as runtime:
        runtime.write(uri, pa.table({"id": [1, 2, 3], "code": ["a", "b", "a"]}))
        runtime.register("t", uri)
        for code in codes:
            runtime.sql(f"select id from t where code = '{code}'").to_arrow_table()
        with pytest.raises(dfd.QueryError):
            runtime.sql("select cast(code as int) from t").to_arrow_table()
    return directory / name


def test_a_report_has_the_queries_of_another_process(
    records: Path, tmp_path: Path, run: Run, run_json: RunJson
) -> None:
    paths = run_json("report", tmp_path / "r", "--from", records)
    document = json.loads(Path(paths[0]).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(report_schema.published()).validate(document)
    asked = document["queries"]
    assert [query["rows"] for query in asked] == [2, 1, 0]
    assert document["headline"]["queries_failed"] == 1
    assert document["headline"]["newest_versions"] == {"records.jsonl.table": 0}
    assert sorted(one["runs"] for one in document["statements"]) == [1, 2]
    assert "DataSourceExec" in Path(paths[2]).read_text(encoding="utf-8")
    # The same bytes again, and of the report itself.
    for source, directory in ((records, "s"), (tmp_path / "r", "t")):
        code, _, _ = run("report", tmp_path / directory, "--from", source)
        assert code == 0
        for name in ("report.json", "report.md", "report.html", "report.trace.json"):
            made = (tmp_path / directory / name).read_bytes()
            assert made == (tmp_path / "r" / name).read_bytes()


def test_two_times_are_compared(records: Path, tmp_path: Path, run: Run, run_json: RunJson) -> None:
    later = recorded(tmp_path, "later.jsonl", ("a",))
    found = run_json("report", "--diff", records, later)
    assert found["by"] == "fingerprint"
    (selected,) = [one for one in found["statements"] if not one["after"]["failed"]]
    assert (selected["before"]["runs"], selected["after"]["runs"]) == (2, 1)
    code, out, err = run("report", "--diff", records, later)
    assert (code, err) == (0, "")
    assert "3 queries, 1 failed" in out
    assert "SELECT t" in out
    assert "2 → 1" in out


def test_what_is_no_file_of_records_fails(tmp_path: Path, run: Run) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    for arguments in (("--from", tmp_path / "none"), ("--from", tmp_path / "notes.txt")):
        code, out, err = run("report", tmp_path / "r", *arguments)
        assert (code, out) == (FAILED, "")
        assert "notes.txt" in err or "none" in err
    assert not (tmp_path / "r").exists()
