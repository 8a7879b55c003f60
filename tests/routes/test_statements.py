"""What a statement gives through the runtime is what the session gives, and it runs where it is expected to.

The statements stand in `statements/*.sql`, one paragraph each. Its first line says the route, a part of the
reason for which the engine refuses it, and a part of the error that it ends in; `plan` stands for one that the session
can't plan. Where a paragraph has several statements, the last one is looked at.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import dfd
import pyarrow as pa
import pytest
from dfd_native.errors import REFUSAL_REASONS
from row_order import rows

Connect = Callable[[str], dfd.Runtime]
STATEMENTS = Path(__file__).parent / "statements"
HEAD = re.compile(r"-- (engine|session|plan)(?:: ([^,]+))?(?:, error: (.+))?")
KINDS = ("delta", "memory", "parquet", "dataset")
OVER_EVERY_KIND = ("rows", "joins", "subqueries", "aggregates", "windows", "sets")


class Case(NamedTuple):
    route: str
    reason: str | None
    error: str | None
    statements: list[str]


def cases(*files: str) -> Iterator[object]:
    for file in files:
        text = (STATEMENTS / f"{file}.sql").read_text(encoding="utf-8")
        for number, paragraph in enumerate(text.strip().split("\n\n"), 1):
            head, _, body = paragraph.partition("\n")
            found = HEAD.fullmatch(head)
            assert found is not None, f"{file}.sql: {head}"
            case = Case(*found.groups(), [line.rstrip(";") for line in body.splitlines()])
            yield pytest.param(case, id=f"{file}-{number}")


def columns(table: pa.Table) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in table.schema]


def operators(explained: str) -> list[str]:
    """The names of a plan's operators, without what another library's plans are wrapped in."""
    lines = [line.strip().removeprefix("FFI_ExecutionPlan: ") for line in explained.splitlines()]
    return [line.partition(":")[0].partition(",")[0] for line in lines if line]


def settled(explained: str) -> str:
    """The plan without the numbers of aliases, which a session counts up from plan to plan."""
    return re.sub(r"\b(__[a-z_]+?)_\d+\b", r"\1", explained).strip()


def same(plain: dfd.Runtime, ours: dfd.Runtime, case: Case) -> None:
    """The last statement of `case` gives the same through the session of `plain` and through `ours`."""
    *before, sql = case.statements
    for statement in before:
        plain.session.sql(statement).collect()
        ours.session.sql(statement).collect()
    if case.route == "plan":
        for run in (plain.session.sql, ours.sql):
            with pytest.raises((ValueError, dfd.QueryError), match=re.escape(str(case.error))):
                run(sql)
        return
    if case.error is not None:
        with pytest.raises(Exception, match=re.escape(case.error)):
            plain.session.sql(sql).to_arrow_table()
    query = ours.sql(sql)
    assert query.route == case.route, query.route_reason
    assert (case.reason or "") in (query.route_reason or "")
    if case.error is not None:
        with pytest.raises(dfd.QueryError, match=re.escape(case.error)):
            query.to_arrow_table()
    else:
        explained = query.explain()
        wanted = plain.session.sql(sql).to_arrow_table()
        found = query.to_arrow_table()
        assert columns(found) == columns(wanted)
        assert rows(found, sql) == rows(wanted, sql)
        # DataFusion's tables in memory change while a physical plan is made, so none is shown.
        if case.reason != "DML":
            assert [one.operator for one in query.metrics()] == operators(explained)
    record = ours.observer.records[-1]
    assert (record.query_id, record.route) == (query.id, case.route)
    # A code, of what the query says in words.
    assert record.route_reason in ({None} if query.route_reason is None else REFUSAL_REASONS)
    assert record.status == ("ok" if case.error is None else "error")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", list(cases(*OVER_EVERY_KIND)))
def test_over_tables_of_every_kind(over: Connect, kind: str, case: Case) -> None:
    same(over(kind), over(kind), case)


@pytest.mark.parametrize("case", list(cases(*OVER_EVERY_KIND)))
def test_explain_shows_the_plan_that_would_run(over: Connect, case: Case) -> None:
    runtime = over("delta")
    *_, sql = case.statements
    query, explained = runtime.sql(sql), runtime.sql(f"explain {sql}")
    assert explained.route == query.route
    plans = explained.to_arrow_table().to_pylist()
    assert [row["plan_type"] for row in plans] == ["logical_plan", "physical_plan"]
    assert settled(plans[1]["plan"]) == settled(query.explain())


@pytest.mark.parametrize("case", list(cases("types", "failures")))
def test_types_and_failures(over: Connect, case: Case) -> None:
    same(over("delta"), over("delta"), case)


@pytest.mark.parametrize("case", list(cases("settings", "definitions")))
def test_settings_and_definitions(connect_over: Connect, case: Case) -> None:
    same(connect_over("delta"), connect_over("delta"), case)


@pytest.mark.parametrize("case", list(cases(*OVER_EVERY_KIND)))
def test_tables_of_every_kind_hold_the_same(over: Connect, case: Case) -> None:
    # Not the datasets: pyarrow compares NaN otherwise than DataFusion does.
    *_, sql = case.statements
    delta, *others = (over(kind).sql(sql).to_arrow_table() for kind in KINDS[:3])
    for other in others:
        assert rows(delta, sql) == rows(other, sql)


@pytest.mark.parametrize(
    ("sql", "route", "status"),
    [
        ("select id from t where g = 1", "engine", "ok"),
        ("show tables", "session", "ok"),
        ("select 1 / (id - 2) as x from t", "engine", "error"),
    ],
)
def test_the_report_tells_the_route(
    runtime: dfd.Runtime, sql: str, route: str, status: str
) -> None:
    query = runtime.sql(sql)
    with contextlib.suppress(dfd.QueryError):
        query.to_arrow_table()
    (reported,) = runtime.report().to_dict()["queries"]
    assert (reported["query_id"], reported["route"], reported["status"]) == (
        query.id,
        route,
        status,
    )
    assert reported["route_reason"] == {"session": "unreadable"}.get(route)
    assert (query.route_reason is None) == (route == "engine")
    assert route in runtime.report().to_markdown()
