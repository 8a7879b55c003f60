"""What runs within the limit: each operator that holds rows, alone and together, over `keys`.

`keys` has `id` in order, `code`, a bijection of it in no order, `value`, and `label`, a text of 26 letters.
"""

from __future__ import annotations

from typing import NamedTuple


class Query(NamedTuple):
    """SQL that both engines take, and whether its rows come in an order."""

    sql: str
    is_ordered: bool = False


_WIDE = "repeat(label, 8)"
_OTHERS = "(select code, value, id, label from keys where id % 3 <> 1)"
_WIDE_OTHERS = f"(select code, {_WIDE} as text from keys where id % 3 <> 1)"
_SKEWED = "(select id, label, case when id % 2 = 0 then 0 else code end as code from keys)"

QUERIES: dict[str, Query] = {
    "sort": Query("select id, code, value from keys order by code", True),
    "sort texts": Query("select label, id from keys order by label", True),
    "sort wide": Query(f"select code, {_WIDE} as text from keys order by code", True),
    "sort by several": Query(
        "select day, label, value, id from keys order by day desc, code % 1000, label, id", True
    ),
    "join": Query(
        f"select a.id, b.value, b.id as other from keys a join {_OTHERS} b on a.code = b.code"
    ),
    "join texts": Query(f"select a.id, b.value from keys a join {_OTHERS} b on a.label = b.label"),
    "left join": Query(
        f"select a.id, b.value from keys a left join {_OTHERS} b on a.code = b.code"
    ),
    "full join": Query(
        "select a.id, b.value from (select id, code from keys where id % 3 <> 2) a"
        f" full join {_OTHERS} b on a.code = b.code"
    ),
    "semi join": Query(f"select id, value from keys where code in (select code from {_OTHERS} o)"),
    "join wide": Query(
        f"select a.code, a.text as one, b.text as two from {_WIDE_OTHERS} a"
        f" join {_WIDE_OTHERS} b on a.code = b.code"
    ),
    "join skewed": Query(
        f"select a.id, a.label, b.label as other from {_SKEWED} a join keys b on a.code = b.code"
    ),
    "group": Query(
        "select code, count(*) as n, sum(value) as s, max(id) as m from keys group by code"
    ),
    "group texts": Query(
        "select code % 3000000 as k, min(label) as least, max(label) as most from keys group by 1"
    ),
    "group arrays": Query(
        "select k, array_length(labels) as n from (select code % 500000 as k, array_agg(label) as labels"
        " from keys group by 1) g"
    ),
    "count distinct": Query(
        "select code % 1000 as k, count(distinct label) as n from keys group by 1"
    ),
    "distinct": Query("select distinct label, code from keys"),
    "window": Query(
        "select id, row_number() over (partition by code % 100000 order by id) as n from keys"
    ),
    "window sums": Query("select id, sum(id) over (partition by code % 100000) as s from keys"),
    "union of sorted": Query(
        "select code, id from keys union all select code + 1, id from keys order by code, id", True
    ),
    "join and sort": Query(
        f"select a.id, b.value, a.label from keys a join {_OTHERS} b on a.code = b.code order by a.code",
        True,
    ),
    "all of it": Query(
        "select k, n, s, rank() over (partition by k % 100 order by s, k) as place from ("
        "  select a.code % 2000000 as k, count(*) as n, sum(b.id) as s"
        f"  from keys a join {_OTHERS} b on a.code = b.code group by 1) g order by s, k",
        True,
    ),
}
