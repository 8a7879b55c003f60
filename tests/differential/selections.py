"""Queries for rows as they are: filtered, sorted, cut, without doubles, put together."""

from __future__ import annotations

from columns import FLAT, NESTED
from hypothesis import strategies as st
from predicates import limits, orders, predicates, some, wheres
from query import Query

_SETS = ("union", "union all", "intersect", "except", "intersect all", "except all")


@st.composite
def rows(draw: st.DrawFn) -> Query:
    """Rows by a filter, nested columns among them."""
    names = draw(some([*FLAT, *NESTED, "id", "r.x as rx", "r.w as rw", "l[1] as l1"], 6))
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
def cut_rows(draw: st.DrawFn) -> Query:
    """The first rows of an order, and what is asked of these alone."""
    order = f"{draw(orders(draw(some(FLAT, 1))))}, id"
    cut = f"order by {order} limit {draw(st.sampled_from([1, 5, 40]))}"
    few = f"(select * from t {draw(wheres())} {cut})"
    form = draw(
        st.sampled_from(
            [
                "select id, {name} from {few} a where {where}",
                "select count(*) as c, min({name}) as least, max(id) as m from {few} a",
                "select a.id as x, b.id as y from {few} a join t b on a.id = b.id where {where}",
                "select id from {few} a union all select id from {few} b",
            ]
        )
    )
    name = draw(st.sampled_from([n for n in FLAT if n not in ("o", "y")]))
    return Query(form.format(name=name, few=few, where=draw(predicates("a"))))


@st.composite
def distinct_rows(draw: st.DrawFn) -> Query:
    """Rows without doubles: all of them, in an order, or the first of each key."""
    names = draw(some(FLAT, 2))
    shown, where = ", ".join(names), draw(wheres())
    order = draw(orders(names))
    form = draw(st.sampled_from(["all", "sorted", "on"]))
    if form == "all":
        return Query(f"select distinct {shown} from t {where}")
    if form == "sorted":
        return Query(
            f"select distinct {shown} from t {where} order by {order} {draw(limits())}", True
        )
    return Query(f"select distinct on ({shown}) {shown}, id from t {where} order by {order}, id")


@st.composite
def sets(draw: st.DrawFn) -> Query:
    """Two or three selections of the same columns, put together."""
    shown = ", ".join(draw(some([*FLAT, "id"], 3)))
    found = f"select {shown} from t {draw(wheres())}"
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(_SETS))
        if kind in ("intersect all", "except all"):
            # Of doubles DataFusion keeps all or none (test_known_differences.py).
            found = f"select distinct * from ({found}) a"
        found = f"({found}) {kind} select {shown} from t {draw(wheres())}"
    return Query(found)


@st.composite
def unnested(draw: st.DrawFn) -> Query:
    """The elements of a list, a row each."""
    where = draw(st.sampled_from(["", "where v is null", "where v > 1", "where id > 3"]))
    return Query(f"select id, v from (select id, unnest(l) as v from t {draw(wheres())}) a {where}")
