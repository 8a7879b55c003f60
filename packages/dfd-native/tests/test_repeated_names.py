"""Dynamic filters where columns below them share a name: DataFusion 55 puts them on the first."""

from __future__ import annotations

from typing import Any, cast

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext
from deltalake import write_deltalake
from dfd_native.repeated_names import WithoutDynamicFilters, confuses_filters


class Shown:
    """A plan by its text alone."""

    def __init__(self, text: str) -> None:
        self.text = text

    def display_indent(self) -> str:
        return self.text

    def display_indent_schema(self) -> str:
        return self.text


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SessionContext:
    """Names and their types, whose ids are of other ranges, in files that bounds tell apart."""
    path = tmp_path_factory.mktemp("tables")
    made = SessionContext(SessionConfig().with_target_partitions(4))
    made = made.with_extensions(dfd_native.DeltaExtension())
    ids = [f"x{n:02}" for n in range(60)]
    tables = {
        "names": pa.table({"id": [f"a{n:02}" for n in range(60)], "ty": ids}),
        "types": pa.table({"id": ids}),
        "odd": pa.table({"a:b, [c": [1], "a:b, [d": [2]}),
    }
    for name, table in tables.items():
        for start in range(0, len(table), 20):
            write_deltalake(path / name, table.slice(start, 20), mode="append")
        made.register_table(name, dfd_native.delta_table((path / name).as_uri()))
    return made


REPEATED = [
    "select a.id, b.id as j from names a join types b on a.ty = b.id "
    "where b.id in (select id from types where id like 'x1%')",
    "select s.id, i, j from types s join (select a.id as i, b.id as j from names a "
    "left join types b on a.ty = b.id group by a.id, b.id) on s.id = j where s.id like 'x1%'",
    "select a.id, b.id as j from names a join types b on a.ty = b.id "
    "where b.id like 'x1%' order by j limit 100",
    "select (select count(distinct a.id) from names a join types b on a.ty = b.id "
    "where b.id in (select id from types where id like 'x1%')) as n from types where id like 'x1%'",
]
ALONE = [
    "select a.id, b.id as j from names a join types b on a.ty = b.id where b.id like 'x1%'",
    "select a.id from names a join types b on a.ty = b.id where b.id like 'x1%' order by a.id",
    "select id from names where ty like 'x1%' order by ty limit 100",
]


@pytest.mark.parametrize("sql", REPEATED)
def test_no_row_is_lost(session: SessionContext, sql: str) -> None:
    plan = session.sql(sql).optimized_logical_plan()
    assert confuses_filters(plan)
    # Which filter is there in time is the scheduler's.
    for _ in range(5):
        run = dfd_native.Engine().run(plan, session, is_sql=True)
        assert pa.table(run).num_rows == 10


@pytest.mark.parametrize("sql", REPEATED[:3])
def test_the_plan_has_no_dynamic_filter(session: SessionContext, sql: str) -> None:
    plan = session.sql(sql).optimized_logical_plan()
    run = dfd_native.Engine().run(plan, session, is_sql=True)
    assert "DynamicFilter" not in run.explain()


@pytest.mark.parametrize("sql", ALONE)
def test_others_keep_their_filters(session: SessionContext, sql: str) -> None:
    assert not confuses_filters(session.sql(sql).optimized_logical_plan())


def test_a_plan_with_one_join_has_its_filter(session: SessionContext) -> None:
    plan = session.sql(ALONE[0]).optimized_logical_plan()
    assert "DynamicFilter" in dfd_native.Engine().run(plan, session, is_sql=True).explain()


@pytest.mark.parametrize(
    ("text", "is_confusing"),
    [
        ("Inner Join: x = y [a:Int64]\n  Projection: [id:Int64, id:Utf8;N]", True),
        ("Filter: x [a:Int64]\n  Projection: [id:Int64, id:Utf8;N]", False),
        ("Sort: a, fetch=3 [a:Int64]\n  Projection: [id:Int64, id:Utf8;N]", True),
        ("Sort: a [a:Int64]\n  Projection: [id:Int64, id:Utf8;N]", False),
        # A struct's fields are none of the node's columns.
        ('Inner Join: x [a:Int64]\n  P: [s:Struct("x": Int64, "x": Utf8), t:Int64]', False),
        ("Inner Join: x [a:Int64]\n  P: [f(a, b):Int64, f(a, c):Int64]", False),
        ("Inner Join: x [a:Int64]\n  P: [f(a, b):Int64, f(a, b):Utf8]", True),
        # What lies beside the join isn't below it.
        ("Union [a:Int64]\n  Cross Join: [a:Int64]\n  P: [id:Int64, id:Int64]", False),
        # A literal with lines of its own.
        (
            'Inner Join: x [a:Int64]\n  Filter: s = Utf8("a\nb") [b:Int64]\n    P: [i:Utf8, i:Utf8]',
            True,
        ),
        # What can't be read is taken for the worst.
        ("Inner Join: x [a:Int64]\n  P: [a(:Int64, b:Int64]", True),
        ("Inner Join: x [a:Int64]\n  P", True),
        ("Inner Join: x [a:Int64]\n  P [[i:Int64, i:Int64]", True),
        ("Inner Join: x [a:Int64]\n  P: [[a]] []", False),
        ("Inner Join: x [a:Int64]\n  P: [[a]] [l[0]:Int64, l[0]:Utf8]", True),
        ("Inner Join: x [a:Int64]\n  P: [[a]] [l[0]:Int64, l[1]:Utf8]", False),
        ('Inner Join: x [a:Int64]\n  Filter: s = Utf8("a]\nB [c:Int64]', True),
    ],
)
def test_what_is_read_of_a_plan(text: str, is_confusing: bool) -> None:
    assert confuses_filters(cast(Any, Shown(text))) is is_confusing


def test_names_that_end_a_schema_are_taken_for_the_worst(session: SessionContext) -> None:
    plan = session.sql('select "a:b, [c" from odd order by 1 limit 3').optimized_logical_plan()
    assert confuses_filters(plan)
    run = dfd_native.Engine().run(plan, session, is_sql=True)
    assert pa.table(run).to_pylist() == [{"a:b, [c": 1}]


def test_bytes_are_not_looked_into() -> None:
    assert confuses_filters(b"")


def test_the_settings_of_the_session_stay(session: SessionContext) -> None:
    shown = repr(WithoutDynamicFilters(session))
    assert "enable_join_dynamic_filter_pushdown = false" in shown
    assert "enable_topk_dynamic_filter_pushdown = false" in shown
    assert "enable_join_dynamic_filter_pushdown = true" in repr(session)
    assert len(shown.splitlines()) == len(repr(session).splitlines())
