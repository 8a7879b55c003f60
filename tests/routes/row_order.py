"""Rows made comparable: in their order where a query asks for one."""

from __future__ import annotations

import re

import pyarrow as pa
from datafusion import DataFrame

# Operators that leave rows in the order in which they get them.
_KEEP_ORDER = ("Projection", "Limit", "SubqueryAlias")


def rows(table: pa.Table, query: str | DataFrame) -> list[str]:
    """The rows as texts; sorted unless the query has an order of its own."""
    columns = [column.to_pylist() for column in table.columns]
    found = [repr(row) for row in zip(*columns, strict=True)]
    has_order = _has_order(query) if isinstance(query, str) else _is_sorted(query)
    return found if has_order else sorted(found)


def _has_order(sql: str) -> bool:
    """Whether the outermost ORDER BY is the query's own: no subquery's, no aggregate's, no window's."""
    outside, found = re.sub(r"'[^']*'", "''", sql), 1
    while found:
        outside, found = re.subn(r"\([^()]*\)", "", outside)
    return re.search(r"\border\s+by\b", outside, re.IGNORECASE) is not None


def _is_sorted(frame: DataFrame) -> bool:
    plan = frame.logical_plan()
    while (operator := plan.display()).startswith(_KEEP_ORDER):
        (plan,) = plan.inputs()
    is_distinct_on = operator.startswith("DistinctOn") and "sort_expr=[[]]" not in operator
    return operator.startswith("Sort") or is_distinct_on
