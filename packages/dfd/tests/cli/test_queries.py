"""`dfd sql`: what it shows, with `--json` and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfd.cli import FAILED

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
