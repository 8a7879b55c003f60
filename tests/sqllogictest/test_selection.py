"""A fast selection of DataFusion's own files: both routes give the same.

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


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = suite.run(SELECTION)
    return found


def test_both_routes_give_the_same(outcomes: list[dict[str, Any]]) -> None:
    assert {told["suite"] for told in outcomes} == set(SELECTION)
    assert suite.wrong(outcomes) == []


def test_nearly_all_run_in_the_engine(outcomes: list[dict[str, Any]]) -> None:
    engine, of = suite.engine_share(outcomes)
    assert engine >= suite.AT_LEAST * of > 0


def test_the_others_are_those_of_the_golden_list(outcomes: list[dict[str, Any]]) -> None:
    assert golden.SESSION.changes(outcomes) == []
