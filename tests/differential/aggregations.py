"""Queries for groups and windows."""

from __future__ import annotations

from columns import FLAT
from hypothesis import strategies as st
from predicates import orders, predicates, some, wheres
from query import Query

_BOUNDED = [name for name in FLAT if name not in ("o", "y")]
_OF_FLOATS = ("min(f)", "max(f)", "min(e)", "max(e)")
# Numbers whose sum fits, and comes out the same in any order; averages are exact in a double.
_SUMMED, _AVERAGED = ("n", "h", "b", "m"), ("n", "h", "b")
_GROUPINGS = ("{0}", "{0}", "rollup ({0})", "cube ({0})", "grouping sets (({0}), ({1}), ())")
_HAVING = ("", "", "having count(*) > 1", "having max(id) > 5", "having count(n) < count(*)")


@st.composite
def calls(draw: st.DrawFn) -> str:
    """The call of one aggregate."""
    name = draw(st.sampled_from(_BOUNDED))
    return draw(
        st.sampled_from(
            [
                f"min({name})",
                f"max({name})",
                f"count({name})",
                f"count(distinct {name})",
                f"sum({draw(st.sampled_from(_SUMMED))})",
                f"sum(distinct {draw(st.sampled_from(_AVERAGED))})",
                f"avg({draw(st.sampled_from(_AVERAGED))})",
                "bool_and(o)",
                "bool_or(n > 0)",
                "max(r['x'])",
                "min(r['w'])",
                "count(l)",
                "array_agg(id order by id)",
                "string_agg(s, '|' order by id)",
            ]
        )
    )


@st.composite
def aggregates(draw: st.DrawFn) -> Query:
    """Aggregates beside one another, of the whole or by groups, some of them by a filter."""
    found = ["count(*) as c"]
    for n in range(draw(st.integers(1, 4))):
        call = draw(calls())
        if draw(st.integers(0, 3)) == 0:
            call += f" filter (where {draw(predicates())})"
        found.append(f"{call} as a{n}")
    groups = draw(st.just([]) | some(FLAT, 2))
    where = draw(wheres())
    if not groups:
        return Query(f"select {', '.join(found)} from t {where}")
    # In groups DataFusion's own MIN and MAX keep a NaN that comes first, and the engine has others.
    only = "engine" if any(call.startswith(_OF_FLOATS) for call in found) else None
    by = draw(st.sampled_from(_GROUPINGS)).format(", ".join(groups), groups[-1])
    if by.startswith(("rollup", "cube", "grouping")):
        found.append(f"grouping({groups[0]}) as level")
    head = ", ".join([*groups, *found])
    having = draw(st.sampled_from(_HAVING))
    return Query(f"select {head} from t {where} group by {by} {having}", only=only)


_FUNCTIONS = (
    "row_number() over ({0})",
    "rank() over ({0})",
    "dense_rank() over ({0})",
    "ntile(3) over ({0})",
    "lag(s) over ({0})",
    "lag(n, 2, 7) over ({0})",
    "lead(i, 2) over ({0})",
    "first_value(z) over ({0})",
    "last_value(s) over ({0})",
    "nth_value(d, 2) over ({0})",
)
_FRAMED = (
    "sum(n)", "count(*)", "max(m)", "min(s)", "count(l)", "avg(b)", "first_value(i)", "last_value(i)",
    "nth_value(n, 2)", "count(*) filter (where n > 0)",
)  # fmt: skip
_BOUNDS = (
    "unbounded preceding", "3 preceding", "1 preceding", "current row", "1 following", "3 following",
    "unbounded following",
)  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> str:
    """A frame of rows, or of groups, whose end isn't before its start."""
    start = draw(st.integers(0, len(_BOUNDS) - 2))
    end = draw(st.integers(max(start, 1), len(_BOUNDS) - 1))
    unit = draw(st.sampled_from(["rows", "rows", "groups"]))
    return f"{unit} between {_BOUNDS[start]} and {_BOUNDS[end]}"


@st.composite
def windows(draw: st.DrawFn) -> Query:
    """Window functions over an order down to the key, two of them beside one another."""
    found = [draw(over()) for _ in range(draw(st.integers(1, 2)))]
    shown = ", ".join(f"{call} as w{n}" for n, call in enumerate(found))
    inner = f"select id, {shown} from t {draw(wheres())}"
    if draw(st.booleans()):
        return Query(inner)
    return Query(f"select * from ({inner}) a where {draw(st.sampled_from(_OF_WINDOWS))}")


_OF_WINDOWS = ("w0 is not null", "w0 is null", "id % 2 = 0")


@st.composite
def over(draw: st.DrawFn) -> str:
    """One window function with its window."""
    by = draw(st.sampled_from(["", *(f"partition by {name}" for name in FLAT)]))
    # DataFusion has no frames of rows over an order by bytes.
    keys = draw(some([name for name in FLAT if name != "y"], 1))
    window = f"{by} order by {draw(orders(keys))}, id"
    form = draw(st.sampled_from(["function", "frame", "frame", "range", "whole"]))
    if form == "function":
        return draw(st.sampled_from(_FUNCTIONS)).format(window)
    call = draw(st.sampled_from(_FRAMED))
    if form == "frame":
        return f"{call} over ({window} {draw(frames())})"
    # Ties are in one frame, so that only what doesn't ask for their order is the same.
    call = draw(st.sampled_from(["sum(n)", "count(*)", "max(m)", "min(s)"]))
    if form == "whole":
        return f"{call} over ({by})"
    key = draw(st.sampled_from(["id", "cast(h as bigint)"]))
    frame = draw(st.sampled_from(["", "range between 2 preceding and 1 following"]))
    return f"{call} over ({by} order by {draw(orders([key]))} {frame})"
