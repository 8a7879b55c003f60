"""A table that isn't pinned: every way of asking reads the newest version, and a query reads one."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import DataFrame, col, lit, udf
from datafusion import functions as f
from deltalake import DeltaTable, write_deltalake
from dfd_cache import CacheConfig

ROW = pa.table({"id": [5], "s": ["e"], "p": ["x"]})


def append(uri: Path) -> None:
    """A commit of which the runtime isn't told."""
    write_deltalake(uri, ROW, mode="append")


def rows(query: dfd.Query) -> int:
    return int(query.to_arrow_table().column(0)[0].as_py())


def counted(frame: DataFrame) -> DataFrame:
    return frame.aggregate([], [f.count_star()])


def on_the_session_route(frame: DataFrame) -> DataFrame:
    # A DataFrame's `abs` may be Spark's: such a plan stays in the session.
    return counted(frame.filter(f.abs(col("id")) > lit(0)))


Ask = Callable[[], int]


def ways(runtime: dfd.Runtime) -> dict[str, Ask]:
    """Each asks how many rows `t` has; what can be made beforehand is."""
    session = runtime.session
    runtime.sql("create view seen as select * from t")
    runtime.sql("create view counted as select count(*) as n from seen")
    runtime.sql("prepare ask as select count(*) from t where id > $1")
    kept, alone = session.table("t"), counted(session.table("t"))
    text = session.sql("select count(*) from t")
    return {
        "runtime.sql": lambda: rows(runtime.sql("select count(*) from t")),
        "quoted": lambda: rows(runtime.sql('select count(*) from PUBLIC."t"')),
        "view": lambda: rows(runtime.sql("select count(*) from seen")),
        "view of a view": lambda: rows(runtime.sql("select n from counted")),
        "prepared": lambda: rows(runtime.sql("execute ask(0)")),
        "session.sql": lambda: rows(runtime.query(session.sql("select count(*) from t"))),
        "session.table": lambda: rows(runtime.query(counted(session.table("t")))),
        "kept DataFrame": lambda: rows(runtime.query(alone)),
        "kept table": lambda: rows(runtime.query(counted(kept))),
        "kept text": lambda: rows(runtime.query(text)),
        "session route": lambda: rows(runtime.query(on_the_session_route(kept))),
        "plain session": lambda: int(
            session.sql("select count(*) as n from t").to_pydict()["n"][0]
        ),
        "plain kept": lambda: int(kept.count()),
        "plain kept text": lambda: int(text.collect()[0].column(0)[0].as_py()),
        "plain view": lambda: int(session.table("seen").count()),
    }


def test_every_way_of_asking_reads_the_newest_version(runtime: dfd.Runtime, uri: Path) -> None:
    asked = ways(runtime)
    for expected in (4, 5, 6):
        assert {name: ask() for name, ask in asked.items()} == dict.fromkeys(asked, expected)
        assert {name: ask() for name, ask in asked.items()} == dict.fromkeys(asked, expected)
        append(uri)
    files = DeltaTable(uri).file_uris()
    assert duckdb.sql(f"select count(*) from read_parquet({files})").fetchall() == [(7,)]
    # In another order than before: no way relies on another one's look.
    assert {name: asked[name]() for name in reversed(asked)} == dict.fromkeys(asked, 7)


@pytest.mark.parametrize("config", [CacheConfig.always_latest(), CacheConfig.off()])
def test_one_way_alone_reads_the_newest_version(
    uri: Path, config: CacheConfig, tmp_path: Path
) -> None:
    for name in ("kept DataFrame", "view", "prepared", "plain kept", "session route"):
        with dfd.connect(cache=config) as runtime:
            runtime.register("t", uri)
            ask = ways(runtime)[name]
            before = ask()
            append(uri)
            assert ask() == before + 1, name


def test_a_pinned_table_stays_as_it_was_registered(runtime: dfd.Runtime, uri: Path) -> None:
    for options in ({"pinned": True}, {"version": 0}):
        runtime.register("t", uri, **options)
        asked = ways(runtime)
        append(uri)
        assert {ask() for ask in asked.values()} == {4}
        for view in ("counted", "seen"):
            runtime.sql(f"drop view {view}")
        runtime.sql("deallocate ask")
        runtime.restore(uri, 0)


ONE_VERSION = {
    "a self-join": "select count(*) a, (select count(*) from t) b from t x join t y on x.n = y.n",
    "a view beside its table": "select (select count(*) from seen) a, (select count(*) from t) b",
    "a union": "select min(c) a, max(c) b from (select count(*) c from t union all "
    "select count(*) c from public.t union all select count(*) c from seen)",
    "two names": "select (select count(*) from t) a, (select count(*) from also) b",
    "a table function": "select (select count(*) from read_delta('{uri}')) a, "
    "(select count(*) from seen) b",
    "its files": "select (select sum(num_records) from delta_files('{uri}')) a, "
    "(select count(*) from t) b",
    "a common table": "with x as (select count(*) c from seen) select x.c a, y.c b from x, "
    "(select count(*) c from t) y",
}


def test_a_query_reads_one_version_of_a_table_while_others_commit(
    runtime: dfd.Runtime, tmp_path: Path
) -> None:
    uri, called = tmp_path / "growing", []

    def held(values: pa.Array) -> pa.Array:
        called.append(len(values))  # What captures state stays in the session.
        return values

    runtime.session.register_udf(udf(held, [pa.int64()], pa.int64(), "volatile", "held"))
    runtime.write(uri, pa.table({"n": [0]}))
    for name in ("t", "also"):
        runtime.register(name, uri)
    runtime.sql("create view seen as select * from t")
    runtime.sql("prepare ask as " + ONE_VERSION["a view beside its table"])
    asked = [sql.replace("{uri}", str(uri)) for sql in ONE_VERSION.values()]
    kept = [runtime.session.sql(sql) for sql in asked if str(uri) not in sql]
    asked += [f"select held(a), held(b) from ({sql})" for sql in asked] + ["execute ask"]
    routes, done = set(), threading.Event()

    def write() -> None:
        for n in range(40):
            write_deltalake(uri, pa.table({"n": [n + 1]}), mode="append")
        done.set()

    with ThreadPoolExecutor() as threads:
        writer = threads.submit(write)
        while not done.is_set():
            for ask in [*map(runtime.sql, asked), *map(runtime.query, kept)]:
                routes.add(ask.route)
                (row,) = ask.to_arrow_table().to_pylist()
                assert len(set(row.values())) == 1, (ask.explain(), row)
        writer.result()
    assert routes == {"engine", "session"}


def test_a_query_that_is_kept_reads_the_versions_it_was_planned_with(
    runtime: dfd.Runtime, uri: Path
) -> None:
    query = runtime.sql("select count(*) from t")
    later = runtime.query(counted(runtime.session.table("t")))
    append(uri)
    assert [rows(query), rows(query), rows(later)] == [4, 4, 5]
    append(uri)
    assert [rows(query), rows(later)] == [4, 5]


def test_columns_that_others_add_are_there(runtime: dfd.Runtime, uri: Path) -> None:
    kept = runtime.session.table("t")
    runtime.sql("create view seen as select id, p from t")
    wider = pa.table({"id": [6], "s": ["f"], "p": ["y"], "new": [1.5]})
    write_deltalake(uri, wider, mode="append", schema_mode="merge")
    assert rows(runtime.query(runtime.session.sql("select sum(new) from t"))) == 1
    assert runtime.sql("select new from t where id = 6").to_arrow_table().num_rows == 1
    assert "new" in runtime.session.table("t").schema().names
    assert runtime.query(kept).to_arrow_table().schema.names == ["id", "s", "p"]
    assert sorted(runtime.query(kept).to_arrow_table()["id"].to_pylist()) == [1, 2, 3, 4, 6]
    assert (
        runtime.sql("select count(id) from seen where p = 'y'").to_arrow_table()[0][0].as_py() == 3
    )


def test_a_plan_of_columns_that_are_gone_fails_and_says_so(
    runtime: dfd.Runtime, tmp_path: Path
) -> None:
    uri = tmp_path / "narrow"
    runtime.write(uri, pa.table({"id": [1], "gone": [2]}))
    runtime.register("t", uri)
    kept = runtime.session.table("t")
    other = pa.table({"s": ["x"], "id": [1]})
    write_deltalake(uri, other, mode="overwrite", schema_mode="overwrite")
    for ask in (lambda: runtime.query(kept).to_arrow_table(), lambda: kept.collect()):
        with pytest.raises(Exception, match="plan the query again") as failed:
            ask()
        assert str(uri) in str(failed.value)
    assert runtime.sql("select * from t").to_arrow_table().to_pylist() == [{"s": "x", "id": 1}]


def test_tables_that_a_query_does_not_read_cost_nothing(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    runtime.write(tmp_path / "other", ROW)
    runtime.register("other", tmp_path / "other")
    runtime.register("pinned", uri, pinned=True)

    def requests(ask: Callable[[], Any]) -> int:
        before = dfd_native.request_counts()
        ask()
        after = dfd_native.request_counts()
        log = ("head", "list", "get")
        return sum(after[verb] - before[verb] for verb in log)

    def sql(text: str) -> Callable[[], Any]:
        return lambda: runtime.sql(text).route

    for text in (
        "select 't' as t",
        "select 1 as other -- from t",
        "select id from pinned where s <> 't other'",
        "select table_name from information_schema.tables where table_name = 't'",
        "show tables",
    ):
        assert requests(lambda text=text: runtime.sql(text).to_arrow_table()) <= (
            # What the data files of the pinned table take.
            4 if "pinned" in text else 0
        ), text
    for text in (
        "select id from t",
        "select a.id from t a, t b, public.t c",
        "select t.id from t, pinned",
    ):
        sql(text)()
        assert requests(sql(text)) == 2, text
    kept = runtime.session.table("t")
    assert requests(lambda: runtime.query(kept).route) == 2
    runtime.sql("create view seen as select a.id from t a, t b")
    assert requests(sql("select t.id from seen, t")) == 2
    assert requests(sql("select 't' from other")) == 2


def test_a_runtime_is_freed(tmp_path: Path) -> None:
    def used(close: bool) -> list[weakref.ref[Any]]:
        runtime = dfd.connect()
        runtime.write(tmp_path / "t", ROW)
        runtime.register("t", tmp_path / "t")
        runtime.sql("create view seen as select * from t")
        query = runtime.sql("select * from seen, delta_files('" + str(tmp_path / "t") + "')")
        query.to_arrow_table()
        with pytest.raises(dfd.QueryError):
            runtime.sql("select nothing from t")
        if close:
            runtime.close()
        return [weakref.ref(held) for held in (runtime, runtime.engine, runtime.session)]

    def footers() -> int:
        gc.collect()
        return dfd_native.cache_stats()["parquet_meta"]["entries"]

    before = footers()
    for close in (True, False):
        held = used(close)
        assert footers() <= before
        assert [reference() for reference in held] == [None, None, None]


@pytest.mark.parametrize(
    ("config", "is_kept"),
    [
        (CacheConfig(), False),
        (CacheConfig.always_latest(), False),
        (CacheConfig.off(), False),
        (CacheConfig.snapshot_pinned(), True),
        (CacheConfig(list_files_ttl_s=3600), True),
    ],
)
def test_both_routes_see_the_same_files_of_a_directory(
    tmp_path: Path, config: CacheConfig, is_kept: bool
) -> None:
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "a.parquet")
    with dfd.connect(cache=config) as runtime:
        runtime.session.register_parquet("files", str(tmp_path))

        def sums() -> dict[str, int]:
            frame = runtime.session.table("files").select(f.abs(col("n")).alias("n"))
            queries = [
                runtime.sql("select sum(n) from files"),
                runtime.query(frame.aggregate([], [f.sum(col("n"))])),
            ]
            return {query.route: rows(query) for query in queries}

        assert sums() == {"engine": 6, "session": 6}
        pq.write_table(pa.table({"n": [10]}), tmp_path / "b.parquet")
        seen = 6 if is_kept else 16
        assert sums() == {"engine": seen, "session": seen}
        # What the session writes itself, it knows of.
        runtime.sql("insert into files values (100)").to_arrow_table()
        assert sums() == {"engine": 116, "session": 116}
