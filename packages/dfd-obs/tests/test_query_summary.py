"""A summary says what a query does and to which tables, whatever its literals are."""

from __future__ import annotations

import pytest
from datafusion import SessionContext
from dfd_obs import QuerySummary

SENTINEL = "hush\n  TableScan: hush"


@pytest.fixture(scope="module")
def session() -> SessionContext:
    made = SessionContext()
    made.from_pydict({"a": [1], "b": ["x"]}, name="t")
    made.from_pydict({"a": [1]}, name="u")
    return made


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("select a from t where b = 'hush'", "SELECT t"),
        ("with x as (select * from t) select * from x join u on x.a = u.a", "SELECT t u"),
        ("select * from t union all select * from t", "SELECT t"),
        ("select * from datafusion.public.t", "SELECT datafusion.public.t"),
        ("select 'hush'", "SELECT"),
        ("values ('hush')", "SELECT"),
        ("explain select b from t where b = 'hush'", "EXPLAIN SELECT t"),
        ("insert into t select a, 'hush' from u", "INSERT t u"),
        ("delete from t where b = 'hush'", "DELETE t"),
        ("update t set b = 'hush'", "UPDATE t"),
        ("describe t", "DESCRIBE"),
        ("copy (select 'hush' from t) to '/tmp/hush.parquet'", "COPY t"),
    ],
)
def test_of_a_plan(session: SessionContext, sql: str, summary: str) -> None:
    assert str(QuerySummary.of_plan(session.sql(sql).logical_plan())) == summary


def test_a_literal_that_looks_like_a_plan_is_none(session: SessionContext) -> None:
    plan = session.sql("select $x as x, a from t where b = $x", param_values={"x": SENTINEL})
    assert SENTINEL in plan.logical_plan().display_indent()
    assert str(QuerySummary.of_plan(plan.logical_plan())) == "SELECT t"


def test_tables_without_a_name_of_their_own_are_left_out(session: SessionContext) -> None:
    nameless = session.from_pydict({"a": [1]})
    assert str(QuerySummary.of_plan(nameless.logical_plan())) == "SELECT"


def test_it_is_cut_at_a_whole_name() -> None:
    text = str(QuerySummary("SELECT", tuple(f"table_{n:03}" for n in range(100))))
    assert 240 < len(text) <= 255
    assert all(len(name) == 9 for name in text.split()[1:])


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("  -- a 'note'\n /* b */ create view v as select 'hush'", "CREATE"),
        ("(select 1)", "SELECT"),
        ("with x as (select 1) select * from x", "SELECT"),
        ("set a = 'hush'", "SET"),
        ("hush", None),
        ("'hush'", None),
        ("", None),
    ],
)
def test_of_a_text(text: str, verb: str | None) -> None:
    assert QuerySummary.of_text(text) == QuerySummary(verb)
