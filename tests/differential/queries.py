"""Queries that mean the same in DataFusion and duckdb, as strategies that shrink.

Where rows come in an order, it is one that the query asks for in full: nulls first or last are said, and
the columns that a LIMIT cuts by are either those that are shown or end with the key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from columns import COLUMNS, FLAT, LITERAL, NESTED, NUMBERS
from hypothesis import strategies as st


class Query(NamedTuple):
    """A query over `t`, and whether its rows come in an order."""

    sql: str
    is_ordered: bool = False


def literal(draw: st.DrawFn, name: str) -> str:
    column = COLUMNS[name]
    assert column.literal is not None
    return column.literal(draw(st.sampled_from(column.values)))


@st.composite
def comparisons(draw: st.DrawFn, table: str = "t") -> str:
    """A condition on one column, of a kind that files and row groups are skipped by."""
    form = draw(st.sampled_from(["compare", "null", "in", "between", "distinct", "key", "other"]))
    name = draw(st.sampled_from(LITERAL if form != "null" else FLAT))
    column = f"{table}.{name}"
    if form == "null":
        return f"{column} is {draw(st.sampled_from(['', 'not ']))}null"
    if form == "compare":
        operator = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
        return f"{column} {operator} {literal(draw, name)}"
    if form == "in":
        listed = ", ".join(literal(draw, name) for _ in range(draw(st.integers(1, 3))))
        return f"{column} {draw(st.sampled_from(['', 'not ']))}in ({listed})"
    if form == "between":
        return f"{column} between {literal(draw, name)} and {literal(draw, name)}"
    if form == "distinct":
        return f"({column} is not distinct from {literal(draw, name)})"
    if form == "key":
        return f"{table}.id {draw(st.sampled_from(['<', '>', '>=']))} {draw(st.integers(0, 300))}"
    return draw(
        st.sampled_from(
            [
                f"{table}.s like 'a%'",
                f"{table}.s like '%1'",
                f"{table}.n % 2 = 1",
                f"{table}.n < {table}.h",
                f"{table}.i = {table}.n",
                f"{table}.s = {table}.s",
                f"{table}.f > {table}.e",
                f"upper({table}.s) = 'A'",
                f"coalesce({table}.n, 7) = 7",
                f"case when {table}.o then {table}.n > 0 else {table}.h > 0 end",
                f"{table}.o",
            ]
        )
    )


def predicates(table: str = "t") -> st.SearchStrategy[str]:
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


@st.composite
def rows(draw: st.DrawFn) -> Query:
    """Rows by a filter, nested columns among them."""
    names = draw(some([*FLAT, *NESTED, "id", "r.x as rx", "r.w as rw"], 6))
    # `*` has every column; a projection alone reads few.
    shown = draw(st.sampled_from(["*", ", ".join(names)]))
    return Query(f"select {shown} from t {draw(wheres())}")


@st.composite
def sorted_rows(draw: st.DrawFn) -> Query:
    """Rows in an order: with ties where all that is shown is sorted by, else down to the key."""
    keys = draw(some(FLAT, 3))
    order = draw(orders(keys))
    shown = list(keys)
    if draw(st.booleans()):
        order += f", id {draw(st.sampled_from(['asc', 'desc']))}"
        shown += ["id", draw(st.sampled_from(list(NESTED)))]
    return Query(
        f"select {', '.join(shown)} from t {draw(wheres())} order by {order} {draw(limits())}", True
    )


@st.composite
def aggregates(draw: st.DrawFn) -> Query:
    """Aggregates beside one another, of the whole or by groups."""
    bounded = [name for name in FLAT if name not in ("o", "y")]
    found = ["count(*) as c"]
    for n in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(bounded))
        kind = draw(st.sampled_from(["min", "max", "count", "count distinct", "sum"]))
        if kind == "sum":
            # Numbers whose sum fits, and comes out the same in any order.
            column = draw(st.sampled_from(["n", "h", "b", "m"]))
            found.append(f"sum({column}) as a{n}")
        elif kind == "count distinct":
            found.append(f"count(distinct {name}) as a{n}")
        else:
            found.append(f"{kind}({name}) as a{n}")
    if draw(st.booleans()):
        where = draw(predicates())
        found.append(f"count(*) filter (where {where}) as few")
    groups = draw(st.just([]) | some(FLAT, 2))
    head = ", ".join([*groups, *found])
    having = draw(st.sampled_from(["", "having count(*) > 1"])) if groups else ""
    tail = f"group by {', '.join(groups)} {having}" if groups else ""
    return Query(f"select {head} from t {draw(wheres())} {tail}")


@st.composite
def joins(draw: st.DrawFn) -> Query:
    """Joins of every kind by one or two columns, with conditions beside them."""
    kind = draw(st.sampled_from(["inner", "left", "right", "full", "left semi", "left anti"]))
    keys = draw(some([*FLAT, "id"], 2))
    on = " and ".join(f"a.{key} = b.{key}" for key in keys)
    if kind in ("inner", "left") and draw(st.booleans()):
        on += f" and a.id {draw(st.sampled_from(['<', '<>', '>=']))} b.id"
    few = draw(st.sampled_from(["t", "(select * from t where id % 3 = 0)"]))
    if kind.startswith("left "):
        exists = "exists" if kind == "left semi" else "not exists"
        where = draw(predicates("a"))
        return Query(
            f"select a.id, a.s from t a where {exists} (select 1 from {few} b where {on}) and {where}"
        )
    where = draw(st.just("") | st.builds("where {}".format, predicates("a") | predicates("b")))
    return Query(
        f"select a.id as x, b.id as y, a.{draw(st.sampled_from(FLAT))} as u, "
        f"b.{draw(st.sampled_from(FLAT))} as v from t a {kind} join {few} b on {on} {where}"
    )


@st.composite
def windows(draw: st.DrawFn) -> Query:
    """Window functions over an order down to the key."""
    by = draw(st.sampled_from(["", *(f"partition by {name}" for name in FLAT)]))
    # DataFusion has no frames of rows over an order by bytes.
    keys = draw(some([name for name in FLAT if name != "y"], 1))
    order = f"order by {draw(orders(keys))}, id"
    call = draw(
        st.sampled_from(
            [
                "row_number() over ({0})",
                "rank() over ({0})",
                "lag(s) over ({0})",
                "lead(i, 2) over ({0})",
                "first_value(z) over ({0})",
                "sum(n) over ({0} rows between 2 preceding and current row)",
                "count(*) over ({0} rows between unbounded preceding and 1 following)",
                "max(m) over ({0} rows between unbounded preceding and current row)",
            ]
        )
    ).format(f"{by} {order}")
    return Query(f"select id, {call} as w from t {draw(wheres())}")


@st.composite
def sets(draw: st.DrawFn) -> Query:
    """Two selections of the same columns, put together."""
    shown = ", ".join(draw(some([*FLAT, "id"], 3)))
    kind = draw(st.sampled_from(["union", "union all", "intersect", "except"]))
    return Query(
        f"select {shown} from t {draw(wheres())} {kind} select {shown} from t {draw(wheres())}"
    )


@st.composite
def subqueries(draw: st.DrawFn) -> Query:
    """Subqueries as values, as lists, correlated, in FROM and in WITH."""
    name = draw(st.sampled_from([n for n in FLAT if n not in ("o", "y")]))
    number = draw(st.sampled_from(NUMBERS))
    where = draw(wheres("b"))
    form = draw(
        st.sampled_from(
            [
                "select id from t where {name} in (select b.{name} from t b {where})",
                "select id from t where {name} not in "
                "(select b.{name} from t b where b.{name} is not null and b.id % 2 = 0)",
                "select id from t where {name} = (select max(b.{name}) from t b {where})",
                "select id, (select count(*) from t b where b.{name} = t.{name}) as c from t",
                "select id from t where {number} >= "
                "(select min(b.{number}) from t b where b.{name} = t.{name})",
                "with few as (select * from t b {where}) "
                "select a.id, few.id as y from few join t a on a.{name} = few.{name}",
                "select {name}, c from (select b.{name}, count(*) as c, max(b.id) as k from t b {where} "
                "group by b.{name}) where k > 3",
                "select count(*) as n from (select distinct b.{name}, b.{number} from t b {where})",
            ]
        )
    )
    return Query(form.format(name=name, number=number, where=where))


def queries() -> st.SearchStrategy[Query]:
    return st.one_of(rows(), sorted_rows(), aggregates(), joins(), windows(), sets(), subqueries())
