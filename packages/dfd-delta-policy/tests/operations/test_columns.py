"""Names of columns: without regard to case, in whatever quotes, and never passed over."""

from __future__ import annotations

import pytest
from dfd_delta_policy import InvalidOperation
from dfd_delta_policy.operations.columns import Columns, quoted

NAMES = ["id", "Value", "a b", "d.d", "9x", 'q"q', "k`k", "ä", "select", "t.id"]
COLUMNS = Columns("the table", NAMES)


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ("id", "id"),
        ("ID", "id"),
        ("value", "Value"),
        ("`VALUE`", "Value"),
        ('"value"', "Value"),
        ("a b", "a b"),
        ("`A b`", "a b"),
        ("t.`a b`", "a b"),
        ('t."a b"', "a b"),
        ("`t`.id", "id"),
        ("t.id", "id"),
        ("`t.id`", "t.id"),
        ("d.d", "d.d"),
        ("`d.d`", "d.d"),
        ("9x", "9x"),
        ("t.9X", "9x"),
        ('q"q', 'q"q'),
        ('`q"q`', 'q"q'),
        ('"q""q"', 'q"q'),
        ("`k``k`", "k`k"),
        ("Ä", "ä"),
        ("select", "select"),
    ],
)
def test_names_are_found_as_they_are_meant(given: str, column: str) -> None:
    assert COLUMNS.named(given, "t") == column


@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_name_is_found_again(name: str) -> None:
    assert COLUMNS.named(quoted(name)) == name
    assert COLUMNS.named(quoted(name, "my t"), "my t") == name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("valeu", "Did you mean 'Value'"),
        ("s.id", "'s.id' is no column"),
        ("T.value", "Did you mean 'Value'"),
        ("id.a", "no column"),
        ("`id", "no column"),
        ("", "no column"),
        ("x.y.id", "no column"),
        (7, "is text, not int"),
    ],
)
def test_names_of_no_column_are_refused(given: str, said: str) -> None:
    with pytest.raises(InvalidOperation, match=said):
        COLUMNS.named(given, "t")


def test_names_that_differ_in_case_alone_are_told_apart_or_refused() -> None:
    columns = Columns("the table", ["id", "ID"])
    assert (columns.named("id"), columns.named("ID")) == ("id", "ID")
    with pytest.raises(InvalidOperation, match="'id' or 'ID'"):
        columns.named("Id")
