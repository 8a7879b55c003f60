"""Delta tables over a session's catalogs, and what a session calls without holding it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import write_deltalake
from dfd_native import DeltaExtension, Engine, QueryVersions, SessionCatalog, delta_table
from dfd_native.weak_methods import weakly

T = ("datafusion", "public", "t")
COUNT = "select count(*) as n from t"


@pytest.fixture
def uri(tmp_path: Path) -> str:
    write_deltalake(tmp_path / "t", pa.table({"n": [1, 2]}))
    return (tmp_path / "t").as_uri()


def session() -> SessionContext:
    return SessionContext().with_extensions(DeltaExtension())


def append(uri: str) -> None:
    write_deltalake(uri, pa.table({"n": [3]}), mode="append")


def count(context: SessionContext) -> int:
    return int(context.sql(COUNT).to_pydict()["n"][0])


def test_a_table_is_read_pinned_or_at_its_newest_version(uri: str) -> None:
    context = session()
    catalog = SessionCatalog(context)
    for pinned, expected in ((True, 2), (False, 3)):
        catalog.register(T, delta_table(uri, version=0), pinned, label="mine", uri="here")
        if pinned:
            append(uri)
        assert count(context) == expected
        (table,) = catalog.tables()
        assert table[:3] == (T, "mine", "here")
        assert (table.table.version, table.pinned) == (0 if pinned else 1, pinned)
    assert [catalog.unregister(T), catalog.unregister(T)] == [True, False]
    with pytest.raises(dfd_native.TableError, match=r"no schema datafusion\.other"):
        catalog.register(("datafusion", "other", "t"), delta_table(uri), pinned=False)


def test_an_engine_alone_reads_the_newest_version_once(uri: str) -> None:
    context = session()
    SessionCatalog(context).register(T, delta_table(uri), pinned=False)
    joined = "select (select count(*) from t) a, (select count(*) from t b) b"
    plan = context.sql(joined).optimized_logical_plan()
    for expected in (2, 3, 4):
        run = Engine().run(plan, context)
        append(uri)
        assert pa.table(run).to_pylist() == [{"a": expected, "b": expected}]


def test_the_versions_of_a_query_hold_in_its_thread(uri: str) -> None:
    context = session()
    SessionCatalog(context).register(T, delta_table(uri), pinned=False)
    dfd_native.register_table_functions(context)
    opened = f"select count(*) as n from read_delta('{uri}')"
    outer, inner = QueryVersions(), QueryVersions()
    with outer:
        assert count(context) == 2
        append(uri)
        with inner:
            assert count(context) == 3
        assert count(context) == 2
        assert context.sql(opened).to_pydict() == {"n": [2]}
    assert count(context) == 3
    with outer:
        assert count(context) == 2


def interrupted(context: SessionContext) -> str:
    try:
        with QueryVersions():
            context.sql(COUNT)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return "Ctrl-C"


def test_a_table_that_is_gone_is_told_at_the_end_of_the_block(uri: str, tmp_path: Path) -> None:
    context = session()
    SessionCatalog(context).register(T, delta_table(uri), pinned=False)
    (tmp_path / "t").rename(tmp_path / "elsewhere")
    with pytest.raises(dfd_native.TableError, match=uri), QueryVersions():
        context.sql(COUNT)
    assert interrupted(context) == "Ctrl-C"
    # Whose name is all that is asked for costs nothing, and fails not.
    context.sql("drop table t")


def test_the_same_version_is_read_over_another_store(uri: str) -> None:
    context = session()
    catalog = SessionCatalog(context)
    catalog.register(T, delta_table(uri), pinned=False)
    kept = context.table("t")
    before, again = catalog.tables()[0].table, delta_table(uri, profile_name="other")
    assert catalog.exchange(T, before, again)
    append(uri)
    assert kept.count() == 3
    assert not catalog.exchange(T, before, again)


class Owner:
    """Has a session, which calls its method."""

    session: Any

    def options(self, uri: str, profile_name: str) -> dict[str, str]:
        return {}

    def locate(self, uri: str) -> tuple[str, dict[str, str], None]:
        return uri, {}, None


def test_who_has_a_session_is_freed_though_it_calls_him(uri: str) -> None:
    owner = Owner()
    owner.session = SessionContext().with_extensions(DeltaExtension(owner.options))
    dfd_native.register_table_functions(owner.session, owner.locate)
    found = owner.session.sql(f"select count(*) as n from read_delta('{uri}')")
    assert found.to_pydict() == {"n": [2]}
    kept, gone = owner.session, weakref.ref(owner)
    del owner, found
    gc.collect()
    assert gone() is None
    with pytest.raises(Exception, match=r"Owner\.locate\(\) is gone"):
        kept.sql(f"select * from read_delta('{uri}')")


def test_only_bound_methods_are_held_weakly() -> None:
    assert weakly(len) is len
    owner = Owner()
    assert weakly(owner.locate)("u") == ("u", {}, None)
    assert weakly(Owner().locate) is not None
