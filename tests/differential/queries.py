"""Queries that mean the same in DataFusion and duckdb, as strategies that shrink.

Where rows come in an order, it is one that the query asks for in full: nulls first or last are said, and
the columns that a LIMIT cuts by are either those that are shown or end with the key.
"""

from __future__ import annotations

from aggregations import aggregates, windows
from hypothesis import strategies as st
from joins import joins, subqueries
from query import Query
from selections import cut_rows, distinct_rows, rows, sets, sorted_rows, unnested


def queries() -> st.SearchStrategy[Query]:
    return st.one_of(
        rows(),
        sorted_rows(),
        cut_rows(),
        distinct_rows(),
        unnested(),
        sets(),
        aggregates(),
        windows(),
        joins(),
        subqueries(),
    )
