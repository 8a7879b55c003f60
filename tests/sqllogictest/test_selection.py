"""A fast selection of DataFusion's own files: both routes give the same, and so they do over Delta tables.

Every file runs by `nox -s sqllogictest` (`suite.py`).
"""

from __future__ import annotations

from typing import Any

import golden
import pytest
import suite

SELECTION = (
    "aggregates_topk.slt",
    "array_agg.slt",
    "array_query.slt",
    "case.slt",
    "cte.slt",
    "datetime/timestamps.slt",
    "dictionary_struct.slt",
    "float16.slt",
    "functions.slt",
    "grouping.slt",
    "information_schema.slt",
    "joins.slt",
    "lateral_join.slt",
    "map.slt",
    "metadata.slt",
    "order.slt",
    "prepare.slt",
    "set_variable.slt",
    "spark/math/abs.slt",
    "spark/string/concat.slt",
    "string/dictionary_utf8.slt",
    "struct.slt",
    "subquery.slt",
    "table_functions.slt",
    "union.slt",
    "union_function.slt",
    "unnest.slt",
)
OVER_DELTA = (
    "aggregates_topk.slt",
    "array_agg.slt",
    "distinct_on.slt",
    "limit.slt",
    "order.slt",
    "sort_merge_join.slt",
    "topk.slt",
    "union.slt",
    "window_topn.slt",
)
# The files run once.
of_the_routes = pytest.mark.xdist_group("routes")
of_delta_tables = pytest.mark.xdist_group("delta tables")


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = suite.run(SELECTION)
    return found


@of_the_routes
def test_both_routes_give_the_same(outcomes: list[dict[str, Any]]) -> None:
    assert {told["suite"] for told in outcomes} == set(SELECTION)
    assert suite.wrong(outcomes) == []


@of_the_routes
def test_nearly_all_run_in_the_engine(outcomes: list[dict[str, Any]]) -> None:
    engine, of = suite.engine_share(outcomes)
    assert engine >= suite.AT_LEAST * of > 0


@of_the_routes
def test_the_others_are_those_of_the_golden_list(outcomes: list[dict[str, Any]]) -> None:
    assert golden.SESSION.changes(outcomes) == []


@pytest.fixture(scope="module")
def over_delta() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = suite.run(OVER_DELTA, "delta")
    return found


@of_delta_tables
def test_both_routes_give_the_same_over_delta_tables(over_delta: list[dict[str, Any]]) -> None:
    assert suite.wrong(over_delta, "delta") == []


@of_delta_tables
def test_the_tables_that_no_delta_table_holds_are_those_of_the_golden_list(
    over_delta: list[dict[str, Any]],
) -> None:
    assert golden.DELTA.changes(over_delta) == []


@of_delta_tables
def test_every_file_has_queries_over_delta_tables_that_the_engine_runs(
    over_delta: list[dict[str, Any]],
) -> None:
    engine, of = suite.engine_share(over_delta)
    assert engine >= suite.AT_LEAST * of > 0
    same = {told["suite"] for told in over_delta if told["outcome"] == "same"}
    assert same == set(OVER_DELTA)
