"""Any query over any table: the same rows in the engine, in sessions, and in duckdb.

A case is a few numbers, from which the table follows, and a query; a failing one shrinks, and is shown as
a call that runs it again. `DFD_DIFFERENTIAL=3600` goes on for so many seconds, with other cases each time.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from candidates import KINDS, Rows, Settings, by_duckdb, by_memory, difference
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st
from layout import Layout, Table, make
from queries import Query, predicates, queries

SECONDS = float(os.environ.get("DFD_DIFFERENTIAL", "0"))
FIRST_SEED = int(os.environ.get("DFD_DIFFERENTIAL_SEED", "0"))
PARTITIONED_BY = ("n", "h", "b", "m", "g", "s", "o", "d", "z")
SETTINGS = st.builds(
    Settings, st.sampled_from([1, 2, 4, 16]), st.sampled_from([1, 7, 100, 8192]), st.booleans()
)
LAYOUTS = st.builds(
    Layout,
    seed=st.integers(0, 2**32),
    rows=st.sampled_from([0, 1, 9, 60, 300]),
    files=st.sampled_from([1, 2, 7]),
    row_group_size=st.sampled_from([1, 5, 1000]),
    partition_by=st.lists(st.sampled_from(PARTITIONED_BY), max_size=2, unique=True).map(tuple),
    mapping=st.sampled_from([None, "name", "id"]),
    has_statistics=st.booleans(),
    deleted_percent=st.sampled_from([0, 0, 10, 90]),
    variety=st.sampled_from([1, 2, 8, 30]),
    is_clustered=st.booleans(),
)


def answer(table: Table, sql: str, kind: str, how: Settings) -> Rows | None:
    """The rows; None where DataFusion has none over memory either, which is no fault of a reader."""
    try:
        return KINDS[kind](how)(table, sql)
    except Exception:
        try:
            by_memory(how)(table, sql)
        except Exception:  # noqa: BLE001
            return None
        raise


def check(layout: Layout, query: Query, kind: str, how: Settings) -> None:
    """Compare one candidate with the judge."""
    with tempfile.TemporaryDirectory() as root:
        table = make(layout, Path(root))
        expected = by_duckdb(table, query.sql)
        found = answer(table, query.sql, kind, how)
        told = None if found is None else difference(expected, found, query)
        if told is not None:
            of_memory = difference(expected, by_memory(how)(table, query.sql), query)
            also = "as" if of_memory else "unlike"
            raise AssertionError(f"{told} ({also} DataFusion over memory)")


def rows_are_the_judges(layout: Layout, query: Query, kind: str, how: Settings) -> None:
    note(f"check({layout!r}, {query!r}, {kind!r}, {how!r})")
    check(layout, query, kind, how)


def a_condition_cuts_rows_into_three(
    layout: Layout, predicate: str, kind: str, how: Settings
) -> None:
    """Those where it holds, where it doesn't, and where it is unknown: together all, each once."""
    cases = (predicate, f"not ({predicate})", f"({predicate}) is null")
    with tempfile.TemporaryDirectory() as root:
        table = make(layout, Path(root))
        parts = [answer(table, f"select id from t where {case}", kind, how) for case in cases]
        if None not in parts:
            keys = sorted(key for part in parts for (key,) in part or ())
            assert keys == sorted(table.rows["id"].to_pylist())


LAWS: dict[Callable[..., None], tuple[st.SearchStrategy[Any], ...]] = {
    rows_are_the_judges: (LAYOUTS, queries(), st.sampled_from(list(KINDS)), SETTINGS),
    a_condition_cuts_rows_into_three: (
        LAYOUTS,
        predicates(),
        st.sampled_from(list(KINDS)),
        SETTINGS,
    ),
}
BOUNDS = settings(
    max_examples=200 if SECONDS else 60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Callable[..., None]) -> None:
    """Cases of one seed; where time is given, of one seed after another."""
    until = time.monotonic() + SECONDS / len(LAWS)
    for number in itertools.count(FIRST_SEED):
        seed(number)(BOUNDS(given(*LAWS[law])(law)))()
        if time.monotonic() >= until:
            return
