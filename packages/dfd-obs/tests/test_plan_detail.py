"""Details of operators: DataFusion's words and the columns of the tables, and nothing else."""

from __future__ import annotations

import re

import pytest
from datafusion import SessionContext
from dfd_obs import ObservabilityConfig, Observer, PlanOperator
from dfd_obs.plan_detail import without_literals
from dfd_obs.query_summary import column_names
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = {"id", "code"}


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("code@1 = hush AND id@0 > 4711", "code = ? AND id > ?"),
        # A text may look like a column, and like an expression.
        ("code@1 = x@1 AND secret", "code = ? AND ?"),
        (
            "mode=Partial, gby=[code@1 as c], aggr=[sum(t.id)]",
            "mode=Partial, gby=[code as ?], aggr=[sum(?.id)]",
        ),
        ("id_min@0 <= 4711 AND 4711 <= id_max@1", "id_min <= ? AND ? <= id_max"),
        ("code@1 LIKE hush-078-05-1120%", "code LIKE ?%"),
    ],
)
def test_literals_are_replaced(detail: str, shown: str) -> None:
    assert re.sub(r"\s+", " ", without_literals(detail, COLUMNS)) == shown


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_other_word_is_ever_shown(before: str, after: str) -> None:
    shown = without_literals(f"{before} hushed078 {after}", COLUMNS)
    assert "hushed078" not in shown
    assert not re.search(r"\d", re.sub(r"(?:Int|UInt|Float|Date|Decimal|Utf)\d+", "", shown))


def operators(record_sql: str, sql: str) -> list[PlanOperator]:
    session = SessionContext()
    session.from_pydict({"id": [1, 2, 4711], "code": ["a", "b", "hush"]}, name="t")
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql=record_sql))
    frame = session.sql(sql)
    prepared = observer.prepare(sql)
    prepared.column_names = lambda: column_names(frame.logical_plan())
    scope = observer.start_query(prepared)
    rows = frame.collect()
    scope.finish(rows=sum(batch.num_rows for batch in rows), plan=frame.execution_plan())
    (record,) = observer.records
    assert record.plan is not None
    assert record.plan.plan is not None
    return [one for _, one in record.plan.plan.walk()]


def test_a_plan_of_a_session_keeps_its_columns() -> None:
    sql = "select id from t where code <> 'hush' and id < 4711"
    (filtered,) = [one for one in operators("digest", sql) if one.node_type == "FilterExec"]
    assert filtered.details.startswith("code != ? AND id < ?")
    (filtered,) = [one for one in operators("text", sql) if one.node_type == "FilterExec"]
    assert filtered.details.startswith("code@1 != hush AND id@0 < 4711")
