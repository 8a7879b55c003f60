"""Queries over more than one table: joins and subqueries."""

from __future__ import annotations

from columns import FLAT, NUMBERS
from hypothesis import strategies as st
from predicates import orders, predicates, some, wheres
from query import Query

_KINDS = (
    "inner",
    "left",
    "right",
    "full",
    "semi",
    "anti",
    "cross",
    "range",
    "three",
    "using",
    "sorted",
)
_FEW = ("t", "(select * from t where id % 3 = 0)", "(select * from t where n > 0)")
_CONDITIONS = ("", "", " and a.id < b.id", " and a.id <> b.id", " and a.n >= b.n")
# Rows enough to see a fault, few enough to multiply.
_FEWER = "(select * from t where id < 25)"


@st.composite
def equalities(draw: st.DrawFn) -> str:
    """Keys that equal one another; as `is not distinct from` has it, nulls do too."""
    found = []
    for key in draw(some([*FLAT, "id"], 2)):
        equals = draw(st.sampled_from(["=", "=", "=", "is not distinct from"]))
        found.append(f"(a.{key} {equals} b.{key})")
    if draw(st.integers(0, 4)) == 0:
        found.append("a.r['x'] = b.r['x']")
    return " and ".join(found)


@st.composite
def joins(draw: st.DrawFn) -> Query:
    """Joins of every kind by one or two columns, with conditions beside them, or by a range alone."""
    kind = draw(st.sampled_from(_KINDS))
    on = draw(equalities()) + draw(st.sampled_from(_CONDITIONS))
    few = draw(st.sampled_from(_FEW))
    shown = (
        f"select a.id as x, b.id as y, a.{draw(st.sampled_from(FLAT))} as u, "
        f"b.{draw(st.sampled_from(FLAT))} as v from"
    )
    where = draw(st.just("") | st.builds("where {}".format, predicates("a") | predicates("b")))
    if kind in ("semi", "anti"):
        exists = "exists" if kind == "semi" else "not exists"
        inner = f"select 1 from {few} b where {on}"
        return Query(
            f"select a.id, a.s from t a where {exists} ({inner}) and {draw(predicates('a'))}"
        )
    if kind == "cross":
        return Query(f"{shown} {_FEWER} a cross join {_FEWER} b {where}")
    if kind == "range":
        outer = draw(st.sampled_from(["inner", "left", "right"]))
        between = draw(st.sampled_from(_RANGES))
        return Query(f"{shown} {_FEWER} a {outer} join {_FEWER} b on {between} {where}")
    if kind == "three":
        second, third = (draw(st.sampled_from(["join", "left join"])) for _ in range(2))
        return Query(
            f"{shown} t a {second} {_FEWER} b on {on} {third} {_FEWER} c on b.id = c.id {where}"
        )
    if kind == "sorted":
        return draw(sorted_joins())
    if kind == "using":
        key = draw(st.sampled_from([*FLAT, "id"]))
        outer = draw(st.sampled_from(["inner", "left"]))
        return Query(f"{shown} t a {outer} join {_FEWER} b using ({key}) {where}")
    return Query(f"{shown} t a {kind} join {few} b on {on} {where}")


@st.composite
def sorted_joins(draw: st.DrawFn) -> Query:
    """Joins of the first rows of orders, whose rows or windows are ordered by columns of both sides.

    Sessions have them unsorted (apache/datafusion#25052).
    """
    keys = draw(some(FLAT, 1))
    columns = {side: list(dict.fromkeys([*keys, *draw(some(FLAT, 1))])) for side in "ab"}
    # All that is shown is sorted by: rows that are alike may come in any order.
    inner = {side: draw(orders(names)) for side, names in columns.items()}
    rows = {
        side: f"(select {', '.join(names)} from t order by {inner[side]} limit 30)"
        for side, names in columns.items()
    }
    joined = f"from {rows['a']} a join {rows['b']} b on a.{keys[0]} = b.{keys[0]}"
    named = [f"{side}.{name}" for side, names in columns.items() for name in names]
    shown = ", ".join(f"{name} as c{n}" for n, name in enumerate(named))
    # As the sides are sorted, one after the other.
    order = ", ".join(
        f"{side}.{term}"
        for side in draw(st.sampled_from(["ab", "ba"]))
        for term in inner[side].split(", ")
    )
    if draw(st.booleans()):
        return Query(f"select {shown} {joined} order by {order}", True, only="engine")
    number = f"row_number() over (partition by {named[0]} order by {order})"
    return Query(f"select {shown}, {number} as r {joined}", only="engine")


_RANGES = (
    "a.id between b.id and b.id + 2",
    "a.n < b.n",
    "a.s >= b.s",
    "a.d > b.d and a.id <> b.id",
    "a.z < b.z",
)


@st.composite
def subqueries(draw: st.DrawFn) -> Query:
    """Subqueries as values, as lists, correlated, in FROM and in WITH."""
    name = draw(st.sampled_from([n for n in FLAT if n not in ("o", "y")]))
    other = draw(st.sampled_from([n for n in FLAT if n != name]))
    form = draw(st.sampled_from(_SUBQUERIES))
    return Query(
        form.format(
            name=name,
            other=other,
            number=draw(st.sampled_from(NUMBERS)),
            where=draw(wheres("b")),
            also=draw(predicates("t")),
            inner=draw(predicates("b")),
        )
    )


_SUBQUERIES = (
    "select id from t where {name} in (select b.{name} from t b {where})",
    "select id from t where {name} in (select b.{name} from t b {where}) or {also}",
    "select id from t where {name} not in "
    "(select b.{name} from t b where b.{name} is not null and b.id % 2 = 0)",
    "select id from t where {name} not in (select b.{name} from t b {where})",
    "select id from t where not ({name} in (select b.{name} from t b {where})) and {also}",
    "select id from t where {name} = (select max(b.{name}) from t b {where})",
    "select id from t where {name} > (select b.{name} from t b where b.id = 1)",
    "select id, (select count(*) from t b where b.{name} = t.{name}) as c from t",
    "select id, (select max(b.id) from t b where b.{name} = t.{name} and {inner}) as c from t",
    "select id from t where {number} >= "
    "(select min(b.{number}) from t b where b.{name} = t.{name})",
    "select id from t where (select count(*) from t b where b.{name} = t.{name} and {inner}) > 1",
    "select id from t where exists (select 1 from t b where b.{name} = t.{name} and b.id < t.id)",
    "select id from t where not exists "
    "(select 1 from t b where b.{name} = t.{name} and b.{other} = t.{other} and b.id <> t.id)",
    "select id from t where exists (select 1 from t b where {inner}) and {also}",
    "select id from t where not exists (select 1 from t b where b.{name} = t.{name} and {inner}) "
    "or {also}",
    "with few as (select * from t b {where}) "
    "select a.id, few.id as y from few join t a on a.{name} = few.{name}",
    "with few as (select {name}, count(*) as c from t b {where} group by {name}), "
    "more as (select * from few where c > 1) "
    "select few.{name}, few.c, more.c as d from few left join more on few.{name} = more.{name}",
    "with recursive walk as (select id, {name} from t where id = 0 union all "
    "select t.id, t.{name} from walk join t on t.id = walk.id + 1 where t.id < 9) "
    "select * from walk",
    "select {name}, c from (select b.{name}, count(*) as c, max(b.id) as k from t b {where} "
    "group by b.{name}) a where k > 3",
    "select count(*) as n from (select distinct b.{name}, b.{number} from t b {where}) a",
    "select t.id, a.c from t left join (select b.{name}, count(*) as c from t b {where} "
    "group by b.{name}) a on a.{name} = t.{name} where {also}",
)
