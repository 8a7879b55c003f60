"""Results are written as DataFusion's runner writes them."""

from __future__ import annotations

import pytest
from comparison import Result, plain_result
from datafusion import SessionContext
from expected import is_expected
from slt import Record


def result(sql: str) -> Result:
    session = SessionContext()
    return plain_result(session, session.sql(sql))


def record(*lines: str, sort_mode: str = "nosort", file: str = "f") -> Record:
    return Record(file, 1, "query", "", sort_mode, lines)


EXPECTED: list[tuple[str, tuple[str, ...]]] = [
    ("SELECT 1, NULL, '', ' a ', true", ("1 NULL (empty)  a  true",)),
    (
        "SELECT 1.0, 1e300, 'nan'::double, '-inf'::float, -0.0::double",
        (f"1 1{'0' * 300} NaN -Infinity 0",),
    ),
    ("SELECT 0.1::float, 1.23456789012345678::double", ("0.1 1.234567890123",)),
    ("SELECT 110.50::decimal(9, 3), 100::decimal(5, 0)", ("110.5 100",)),
    ("SELECT [1, NULL], [1.0], [['a']], []", ("[1, NULL] [1.0] [[a]] []",)),
    ("SELECT {'x': 1, 'y': NULL}, map(['k'], [2])", ("{x: 1, y: NULL} {k: 2}",)),
    (
        "SELECT date '2020-02-29', timestamp '2020-02-29 12:00:00'",
        ("2020-02-29 2020-02-29T12:00:00",),
    ),
    ("SELECT interval '1 month', arrow_cast('ab', 'Binary')", ("1 mons 6162",)),
    ("SELECT 'a', E'b\\n  c'", ("a", "01)b", "02)--c")),
    ("SELECT arrow_cast('a', 'Dictionary(Int32, Utf8)')", ("a",)),
]


@pytest.mark.parametrize(("sql", "lines"), EXPECTED)
def test_values_as_the_files_have_them(sql: str, lines: tuple[str, ...]) -> None:
    assert is_expected(record(*lines), result(sql)) is True
    assert is_expected(record("no", *lines), result(sql)) is False


def test_rows_in_the_order_of_the_file_unless_it_sorts_them() -> None:
    down = result("SELECT * FROM (VALUES (3), (1), (2)) ORDER BY 1 DESC")
    assert is_expected(record("3", "2", "1"), down) is True
    assert is_expected(record("1", "2", "3"), down) is False
    assert is_expected(record("1", "2", "3", sort_mode="rowsort"), down) is True


def test_nothing_to_compare_with() -> None:
    one = result("SELECT 1")
    assert is_expected(Record("f", 1, "query", ""), one) is None
    assert is_expected(record("<slt:ignore>"), one) is None
