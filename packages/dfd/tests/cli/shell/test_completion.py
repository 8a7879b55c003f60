"""What the shell offers to complete, and what it takes for a whole statement."""

from __future__ import annotations

from pathlib import Path

import dfd
import pytest
from dfd.cli.shell.completion import Vocabulary, completions
from dfd.cli.shell.statements import is_whole

WORDS = Vocabulary(
    {"flights": ["carrier", "delay", "Origin"], "lake.orders": ["id", "price"]},
    ["count", "cardinality"],
)
DOT = {".mode": ("csv", "json"), ".schema": ("table",), ".tables": ()}


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("select * from fl", ["flights"]),
        ("select * from flights, la", ["lake.orders"]),
        ("select * from ", ["flights", "lake.orders"]),
        ("select * from lake.o", ["orders"]),
        ("insert into l", ["lake.orders"]),
        ("select f.c from flights f where f.d", ["delay"]),
        ("select * from flights f where f.o", ['"Origin"']),
        ("select * from flights where del", ["delay", "delete", "delta"]),
        ("select ca", ["carrier", "cardinality", "case", "cast"]),
        ("SELECT * FROM flights WH", ["WHEN", "WHERE"]),
        ("select 'from fl", ["flights"]),
        (".mo", [".mode"]),
        (".mode c", ["csv"]),
        (".schema f", ["flights"]),
        ("select 1 ", []),
    ],
)
def test_what_is_offered(before: str, offered: list[str]) -> None:
    found = completions(before, WORDS, DOT)
    assert sorted(one.text for one in found) == sorted(offered)
    for one in found:
        assert one.replaces <= len(before)


def test_the_words_are_those_of_the_session(runtime: dfd.Runtime, uri: Path) -> None:
    words = Vocabulary.of(runtime)
    assert words.columns["t"] == ["id", "s", "p"]
    assert "count" in words.functions


@pytest.mark.parametrize(
    "text",
    [
        "select 1;",
        "select ';';",
        "select 1; -- done",
        "  ",
        ".tables",
        "select 1; /* ; */",
        'select "a;" ;',
    ],
)
def test_whole_statements(text: str) -> None:
    assert is_whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "select ';",
        "select 1 -- ;",
        "select /* ; ",
        'select "a;',
        "select `a;",
        "select '''';'",
    ],
)
def test_statements_that_go_on(text: str) -> None:
    assert not is_whole(text)
