"""`dfd sql`: what it shows, with `--json` and without."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dfd.cli import FAILED, USAGE

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


def test_limit(run: Run, run_json: RunJson) -> None:
    query = "select value as n from generate_series(1, 1000)"
    assert len(run_json("sql", query, "--limit", "7")) == 7
    assert len(run_json("sql", query)) == 1000
    for arguments, shown in (((), 1000), (("--limit", "7"), 7)):
        code, out, _ = run("sql", query, *arguments)
        assert (code, out.count("│")) == (0, 2 * shown + 4)
        assert ("7 of 1,000 rows, " in out) == (shown == 7)


def test_values_are_shown_as_they_are(run: Run, run_json: RunJson) -> None:
    query = "select 0.001 as b, 1e-9 as c, 1e300 as d, null as n, '' as e, 1.50::decimal(5, 2) as f"
    code, out, _ = run("sql", query)
    assert code == 0
    shown = [text.strip() for text in out.splitlines()[4].strip("│").split("│")]
    assert shown == ["0.001", "1e-09", "1e+300", "NULL", "", "1.50"]
    assert run_json("sql", query) == [
        {"b": 0.001, "c": 1e-9, "d": 1e300, "n": None, "e": "", "f": "1.50"}
    ]


def test_two_columns_of_one_name(table: Path, run: Run) -> None:
    query = ("sql", "select a.id, b.id from t a join t b on a.id = b.id", "-t", f"t={table}")
    code, out, err = run(*query, "--json")
    assert (code, out) == (FAILED, "")
    assert "'id'" in err
    assert run(*query)[1].count("id") == 2


def test_a_statement_shows_nothing(run: Run) -> None:
    assert run("sql", "create view v as select 1 as n") == (0, "", "")


def test_several_statements(table: Path, run: Run, run_json: RunJson) -> None:
    text = "select 1 as a; delete from t where id = 1; select count(*) as n from t"
    code, out, err = run("sql", "-t", f"t={table}", text)
    assert (code, err) == (0, "")
    assert [out.index(shown) for shown in ("│     a │", "│ delete ", "│     n │")] == sorted(
        out.index(shown) for shown in ("│     a │", "│ delete ", "│     n │")
    )
    code, out, err = run("sql", "-t", f"t={table}", text, "--json")
    assert (code, out) == (0, '[\n{"n":2}\n]\n')
    assert err == "dfd: json has the result of the last statement; 1 before it had rows too.\n"


def test_one_of_several_that_fails(table: Path, run: Run) -> None:
    code, out, err = run(
        "sql", "-t", f"t={table}", "delete from t where id = 1; select nope from t"
    )
    assert (code, err.count("\n")) == (FAILED, 1)
    assert "Statement 2 of 2" in err
    assert "│ delete " in out


def test_sql_in_a_file_and_on_stdin(
    tmp_path: Path, run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.sql").write_text("select 'ä' as s -- of a file")
    assert run_json("sql", "-f", tmp_path / "q.sql") == [{"s": "ä"}]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"select 2 as n")))
    assert run_json("sql", "-") == [{"n": 2}]
    for arguments in ((), ("select 1", "-f", tmp_path / "q.sql")):
        assert run("sql", *arguments)[0] == USAGE
    (tmp_path / "l.sql").write_bytes("select 'ä'".encode("latin-1"))
    code, _, err = run("sql", "-f", tmp_path / "l.sql")
    assert (code, "l.sql isn't UTF-8" in err) == (USAGE, True)


def test_the_plan_goes_to_stderr(run: Run) -> None:
    code, out, err = run("sql", "select value from generate_series(1, 3)", "--plan", "--json")
    assert (code, len(json.loads(out))) == (0, 3)
    assert "%" in err.splitlines()[0]


def test_verbose_shows_what_is_logged_and_tracebacks(run: Run) -> None:
    code, _, err = run("-v", "sql", "select nope")
    assert code == FAILED
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("dfd: ")
