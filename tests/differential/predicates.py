"""Conditions that mean the same in DataFusion and duckdb, and the small parts that queries are made of."""

from __future__ import annotations

from typing import Any

from columns import COLUMNS, FLAT, LITERAL
from hypothesis import strategies as st

_FORMS = ("compare", "null", "in", "between", "distinct", "key", "field", "columns", "other")
_OPERATORS = ("=", "<>", "<", "<=", ">", ">=")


def literal(draw: st.DrawFn, name: str) -> str:
    column = COLUMNS[name]
    assert column.literal is not None
    return column.literal(draw(st.sampled_from(column.values)))


@st.composite
def comparisons(draw: st.DrawFn, table: str = "t") -> str:
    """A condition on one column, of a kind that files and row groups are skipped by."""
    form = draw(st.sampled_from(_FORMS))
    name = draw(st.sampled_from(LITERAL if form not in ("null", "columns") else FLAT))
    column = f"{table}.{name}"
    operator = draw(st.sampled_from(_OPERATORS))
    if form == "null":
        return f"{column} is {draw(st.sampled_from(['', 'not ']))}null"
    if form == "compare":
        return f"{column} {operator} {literal(draw, name)}"
    if form == "in":
        listed = [literal(draw, name) for _ in range(draw(st.integers(1, 3)))]
        listed += draw(st.sampled_from([[], [], ["null"]]))
        return f"{column} {draw(st.sampled_from(['', 'not ']))}in ({', '.join(listed)})"
    if form == "between":
        kind = draw(st.sampled_from(["between", "not between"]))
        return f"{column} {kind} {literal(draw, name)} and {literal(draw, name)}"
    if form == "distinct":
        kind = draw(st.sampled_from(["is not distinct from", "is distinct from"]))
        return f"({column} {kind} {literal(draw, name)})"
    if form == "key":
        return f"{table}.id {draw(st.sampled_from(['<', '>', '>=']))} {draw(st.integers(0, 300))}"
    if form == "columns":
        return f"{column} {operator} {draw(st.sampled_from([column, f'coalesce({column}, {column})']))}"
    if form == "field":
        return draw(st.sampled_from(_of_fields(table, operator)))
    return draw(st.sampled_from(_others(table)))


def _of_fields(table: str, operator: str) -> list[str]:
    """Conditions on parts of nested columns."""
    return [
        f"{table}.r['x'] {operator} 1",
        f"{table}.r['x'] {operator} {table}.n",
        f"{table}.r['w'] {operator} 'a'",
        f"{table}.r['x'] is null",
        f"{table}.r['w'] is not null",
        f"{table}.r['w'] in ('a', 'c')",
        f"{table}.r is null",
        f"{table}.r is not null",
        f"{table}.l[1] {operator} 1",
        f"{table}.l is null",
        f"{table}.p is not null",
    ]


def _others(table: str) -> list[str]:
    return [
        f"{table}.s like 'a%'",
        f"{table}.s like '%1'",
        f"{table}.s not like 'a text%'",
        f"{table}.s ilike 'A%'",
        f"starts_with({table}.s, 'a text that is longer than what bounds keep')",
        f"{table}.n % 2 = 1",
        f"{table}.n < {table}.h",
        f"{table}.i = {table}.n",
        f"{table}.i > cast({table}.n as bigint) + 1",
        f"{table}.f > {table}.e",
        f"upper({table}.s) = 'A'",
        f"length({table}.s) > 32",
        f"coalesce({table}.n, 7) = 7",
        f"nullif({table}.n, 0) is null",
        f"cast({table}.h as bigint) * {table}.n > 0",
        f"cast({table}.n as bigint) + {table}.h > 0",
        f"cast({table}.n as varchar) = '1'",
        f"case when {table}.o then {table}.n > 0 else {table}.h > 0 end",
        f"extract(year from {table}.d) = 2020",
        f"{table}.o",
        f"{table}.o is true",
        f"{table}.o is not false",
        f"{table}.o = ({table}.n > 0)",
    ]


def predicates(table: str = "t") -> st.SearchStrategy[str]:
    """Any condition, but for two lists of which one has a null: DataFusion joins them as if there were none."""
    return _predicates(table).map(
        lambda text: text.replace(", null)", ")") if text.count(" in (") > 1 else text
    )


def _predicates(table: str) -> st.SearchStrategy[str]:
    return st.recursive(
        comparisons(table),
        lambda inner: (
            st.builds("({} and {})".format, inner, inner)
            | st.builds("({} or {})".format, inner, inner)
            | st.builds("(not {})".format, inner)
        ),
        max_leaves=4,
    )


def wheres(table: str = "t") -> st.SearchStrategy[str]:
    return st.just("") | st.builds("where {}".format, predicates(table))


def some(names: Any, most: int = 4) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True)


@st.composite
def orders(draw: st.DrawFn, names: list[str]) -> str:
    return ", ".join(
        f"{name} {draw(st.sampled_from(['asc', 'desc']))} "
        f"nulls {draw(st.sampled_from(['first', 'last']))}"
        for name in names
    )


@st.composite
def limits(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return ""
    return f"limit {draw(st.sampled_from([0, 1, 3, 20]))} offset {draw(st.sampled_from([0, 0, 2, 30]))}"
