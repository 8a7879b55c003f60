"""Tables of the session: one for each resolved name, given to another table unseen by other threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dfd
import pyarrow as pa
import pytest
from datafusion import udf, udtf

ROW = pa.table({"id": [5], "s": ["e"], "p": ["x"]})
PATIENCE_S = 60


def count(runtime: dfd.Runtime, table: str = "t") -> int:
    counted = runtime.sql(f"select count(*) as n from {table}").to_arrow_table()
    return int(counted["n"][0].as_py())


def of_one_row(runtime: dfd.Runtime, location: Path) -> Path:
    runtime.write(location, ROW)
    return location


@pytest.mark.parametrize("other", ["T", '"t"', "public.T", "datafusion.public.t", "`t`"])
def test_two_names_of_one_table_are_one_table(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path, other: str
) -> None:
    runtime.register(other, of_one_row(runtime, tmp_path / "b"))
    runtime.write(uri, ROW)
    assert count(runtime) == 1
    assert [table["uri"] for table in runtime.report().to_dict()["tables"]] == [
        f"file://{tmp_path / 'b'}"
    ]


def test_quoted_capitals_are_another_table(runtime: dfd.Runtime, uri: Path, tmp_path: Path) -> None:
    runtime.register('"T"', of_one_row(runtime, tmp_path / "b"))
    runtime.write(uri, ROW)
    runtime.write(tmp_path / "b", ROW)
    assert (count(runtime), count(runtime, '"T"')) == (5, 2)


def test_a_table_of_another_schema_stays_fresh(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    runtime.sql("create schema other")
    runtime.register("other.t", of_one_row(runtime, tmp_path / "b"))
    runtime.write(tmp_path / "b", ROW)
    assert (count(runtime), count(runtime, "other.t")) == (4, 2)
    runtime.sql("set datafusion.catalog.default_schema = 'other'")
    runtime.write(tmp_path / "b", ROW)
    assert (count(runtime), count(runtime, "public.t")) == (3, 4)
    runtime.register("t", uri)
    runtime.write(uri, ROW)
    assert (count(runtime), count(runtime, "other.t")) == (5, 5)
    runtime.sql("drop schema other cascade")
    runtime.write(uri, ROW)
    assert count(runtime, "public.t") == 5 + 1


@pytest.mark.parametrize(
    "name", ["raw.t", "none.public.t", "a.b.c.t", "", "information_schema.t", '"t']
)
def test_a_refused_name_changes_nothing(runtime: dfd.Runtime, uri: Path, name: str) -> None:
    with pytest.raises(dfd.ConfigurationError, match=r"`catalog\.schema\.table`"):
        runtime.register(name, uri)
    runtime.write(uri, ROW)
    assert count(runtime) == 5
    assert [table["name"] for table in runtime.report().to_dict()["tables"]] == ["t"]


def test_a_table_that_was_dropped_stays_away(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.sql("drop table t")
    runtime.write(uri, ROW)
    with pytest.raises(dfd.QueryError, match="not found"):
        count(runtime)
    runtime.register("t", uri)
    assert count(runtime) == 5


def test_a_table_that_was_replaced_in_sql_is_not_brought_back(
    runtime: dfd.Runtime, uri: Path
) -> None:
    runtime.sql("create or replace table t as select 7 as id")
    runtime.write(uri, ROW)
    assert runtime.sql("select id from t").to_arrow_table()["id"].to_pylist() == [7]
    assert runtime.tables() == []
    runtime.register("t", uri)
    assert count(runtime) == 5


def test_names_keep_their_case_where_the_session_keeps_it(runtime: dfd.Runtime, uri: Path) -> None:
    assert runtime.unregister("t")
    runtime.session.sql("set datafusion.sql_parser.enable_ident_normalization = false")
    runtime.register("T", uri)
    wanted = runtime.sql('select * from "T" order by id').to_arrow_table()
    assert wanted.num_rows > 0
    assert runtime.sql("select * from T order by id").to_arrow_table() == wanted
    with pytest.raises(dfd.QueryError, match="not found"):
        runtime.sql("select * from t")
    runtime.session.sql("reset datafusion.sql_parser.enable_ident_normalization")
    runtime.register("T", uri)
    assert runtime.sql("select * from t order by id").to_arrow_table() == wanted
    assert runtime.unregister('"T"')
    assert runtime.unregister("T")


def test_a_registered_table_takes_the_place_of_any_other(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    runtime.session.from_pydict({"n": [1, 2]}, name="plain")
    runtime.sql("create view seen as select * from t")
    for name in ("plain", "seen"):
        runtime.register(name, of_one_row(runtime, tmp_path / name))
        assert count(runtime, name) == 1
        assert runtime.unregister(name)
        with pytest.raises(dfd.QueryError, match="not found"):
            count(runtime, name)


def test_tables_are_listed_and_taken_out(runtime: dfd.Runtime, uri: Path, tmp_path: Path) -> None:
    other = of_one_row(runtime, tmp_path / "b")
    runtime.register('"T"', other, version=0)
    runtime.write(uri, ROW)
    assert runtime.tables() == [
        dfd.RegisteredTable('"T"', f"file://{other}", version=0, pinned=True),
        dfd.RegisteredTable("t", f"file://{uri}", version=0, pinned=False),
    ]
    assert count(runtime) == 5
    assert [table.version for table in runtime.tables()] == [0, 1]
    assert [runtime.unregister("public.t"), runtime.unregister("t")] == [True, False]
    assert [table.name for table in runtime.tables()] == ['"T"']
    with pytest.raises(dfd.QueryError, match="not found"):
        count(runtime)
    with pytest.raises(dfd.ConfigurationError, match="no schema"):
        runtime.unregister("nowhere.t")


def test_the_catalogs_of_the_session_are_as_they_were(runtime: dfd.Runtime, uri: Path) -> None:
    session = runtime.session
    runtime.sql("create database lake")
    runtime.sql("create schema lake.raw")
    runtime.register("lake.raw.t", uri)
    session.from_pydict({"n": [1, 2]}, name="plain")
    assert session.catalog_names() == {"datafusion", "lake"}
    assert session.catalog("lake").schema("raw").table_names() == {"t"}
    shown = runtime.sql(
        "select table_catalog, table_name, table_type from information_schema.tables "
        "where table_schema <> 'information_schema'"
    )
    assert sorted(tuple(row.values()) for row in shown.to_arrow_table().to_pylist()) == [
        ("datafusion", "plain", "BASE TABLE"),
        ("datafusion", "t", "BASE TABLE"),
        ("lake", "t", "BASE TABLE"),
    ]
    runtime.sql("insert into plain values (3)").to_arrow_table()
    runtime.write(uri, ROW)
    assert [count(runtime, name) for name in ("plain", "lake.raw.t")] == [3, 5]
    with pytest.raises(dfd.QueryError, match="depend on it"):
        runtime.sql("drop schema lake.raw")
    runtime.sql("drop schema lake.raw cascade")
    assert [table.name for table in runtime.tables()] == ["t"]


def test_one_runtime_is_read_and_written_by_many_threads(runtime: dfd.Runtime, uri: Path) -> None:
    def read() -> list[int]:
        return [count(runtime) for _ in range(40)]

    def write() -> None:
        for _ in range(25):
            runtime.write(uri, ROW)

    with ThreadPoolExecutor() as threads:
        writer = threads.submit(write)
        readers = [threads.submit(read) for _ in range(4)]
        writer.result()
        for reader in readers:
            counts = reader.result()
            assert counts == sorted(counts)
    assert count(runtime) == 4 + 25


def test_a_name_is_given_to_other_tables_while_it_is_read(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    locations = [tmp_path / name for name in ("a", "b")]
    for n, location in enumerate(locations):
        runtime.write(location, pa.table({"n": [n] * (n + 1)}))
    runtime.register("u", locations[0])
    sql = "select min(n) as low, max(n) as high, count(*) % 2 as odd from u join (select 1) on true"

    def read() -> set[tuple[int, ...]]:
        rows = (runtime.sql(sql).to_arrow_table().to_pylist()[0] for _ in range(30))
        return {tuple(row.values()) for row in rows}

    def write() -> None:
        for n in range(20):
            runtime.register("U" if n % 2 else "public.u", locations[n % 2])
            runtime.write(locations[n % 2], pa.table({"n": [n % 2] * 2}))

    with ThreadPoolExecutor() as threads:
        writer = threads.submit(write)
        readers = [threads.submit(read) for _ in range(4)]
        writer.result()
        for reader in readers:
            assert reader.result() <= {(0, 0, 1), (1, 1, 0)}


def test_names_come_and_go_while_they_are_read(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    other = of_one_row(runtime, tmp_path / "b")

    def come_and_go(name: str) -> list[int]:
        counted = []
        for n in range(15):
            runtime.register(name, uri if n % 2 else other, pinned=n % 3 == 0)
            counted.append(count(runtime, name))
            assert runtime.unregister(name)
        return counted

    def read() -> set[int]:
        return {count(runtime) for _ in range(30)}

    with ThreadPoolExecutor() as threads:
        names = [threads.submit(come_and_go, f"u{n}") for n in range(3)]
        reader = threads.submit(read)
        for name in names:
            assert name.result() == [4 if n % 2 else 1 for n in range(15)]
        assert reader.result() == {4}


def test_a_table_function_uses_the_runtime_in_a_thread_of_its_own(
    runtime: dfd.Runtime, uri: Path
) -> None:
    """In the thread that plans a session can't be used: it would start a runtime within a runtime."""
    with ThreadPoolExecutor() as threads:

        def counted() -> Any:
            runtime.write(uri, ROW)
            found = count(runtime)
            return runtime.session.from_pydict({"n": [found]}).into_view()

        runtime.session.register_udtf(
            udtf(lambda: threads.submit(counted).result(PATIENCE_S), "counted")
        )
        query = threads.submit(runtime.sql, "select n, id from counted(), t").result(PATIENCE_S)
        assert set(query.to_arrow_table()["n"].to_pylist()) == {5}
    assert count(runtime) == 5


def test_a_statement_that_runs_long_stands_in_nobodys_way(runtime: dfd.Runtime, uri: Path) -> None:
    running, read = threading.Event(), threading.Event()

    def waits(values: pa.Array) -> pa.Array:
        running.set()
        assert read.wait(PATIENCE_S)
        return values

    runtime.session.register_udf(udf(waits, [pa.int64()], pa.int64(), "volatile", "waits"))
    with ThreadPoolExecutor() as threads:
        made = threads.submit(runtime.sql, "create table copy as select waits(id) as id from t")
        try:
            assert running.wait(PATIENCE_S)
            runtime.write(uri, ROW)
            assert count(runtime) == 5
        finally:
            read.set()
        made.result(PATIENCE_S)
    assert count(runtime, "copy") == 4
