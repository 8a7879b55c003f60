"""Rows in the order that a query asks for, over many files, row groups and batches; duckdb is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext
from deltalake import write_deltalake

ROWS, FILES, BATCH = 24_000, 6, 500
Rows = list[tuple[Any, ...]]
# `k` tells every row; `s` is a text of its own for each; `g` is a text of many rows.
NUMBERS = [(n * 7919) % ROWS for n in range(ROWS)]
TABLE = pa.table(
    {
        "k": NUMBERS,
        "s": [None if n % 97 == 0 else f"name {n * 31 % ROWS:05}" for n in NUMBERS],
        "g": [f"group {n % 7}" for n in NUMBERS],
        "b": [f"{n:05}".encode() for n in NUMBERS],
        "v": [float(n % 1000) for n in NUMBERS],
    }
)
QUERIES = (
    "select k, s from t order by k",
    "select s, k from t order by s desc nulls last, k",
    "select k, s from t where v > 10 order by k",
    "select k, s from t where v > (select 0.5 * avg(v) from t) order by k desc",
    "select k, s from t order by k limit 9000 offset 3000",
    "select k, s || 'x' as longer from t order by k",
    "select upper(s) as upper, k from t order by upper nulls first, k",
    "select g, k, b from t order by g, k desc",
    "select k, s, row_number() over (order by k) as place from t order by k",
    "select a.k, a.s, b.g from t a join t b on a.k = b.k order by a.k",
    "select a.s, b.s as t from t a left join t b on a.k = b.k + 1 order by a.k",
    "select distinct s from t order by s nulls first",
    "select s, count(*) as n from t group by s order by s nulls first",
    "select k, s from t where k < 9000 union all select k, s from t where k >= 9000 order by k",
    "select k, s from (select k, s from t where g <> 'group 3') order by s nulls last, k limit 5000",
    "with few as (select * from t where k % 2 = 0) select k, g, s from few order by g, s nulls first, k",
)
SETTINGS = {
    "datafusion.execution.batch_size": str(BATCH),
    "datafusion.execution.target_partitions": "4",
}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("order") / "t"
    for n in range(FILES):
        write_deltalake(path, TABLE.slice(n * ROWS // FILES, ROWS // FILES), mode="append")
    return path


def rows(table: pa.Table) -> Rows:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def by_engine(uri: Path, sql: str) -> Rows:
    with dfd.connect(session=SETTINGS) as runtime:
        runtime.register("t", uri)
        query = runtime.sql(sql)
        assert query.route == "engine"
        return rows(query.to_arrow_table())


def by_leaf(uri: Path, sql: str) -> Rows:
    config = SessionConfig()
    for key, value in SETTINGS.items():
        config = config.set(key, value)
    session = SessionContext(config)
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    return rows(session.sql(sql).to_arrow_table())


def by_session(uri: Path, sql: str) -> Rows:
    """The same rows as plain Parquet, in the session of a runtime."""
    with dfd.connect(session=SETTINGS) as runtime:
        runtime.session.register_parquet("t", str(uri))
        return rows(runtime.sql(sql).to_arrow_table())


@pytest.mark.parametrize("sql", QUERIES)
@pytest.mark.parametrize("route", [by_engine, by_leaf, by_session])
def test_rows_come_in_order(uri: Path, route: Callable[[Path, str], Rows], sql: str) -> None:
    t = TABLE  # noqa: F841  duckdb finds it by its name
    wanted = duckdb.sql(sql).fetchall()
    assert len(wanted) > 2 * BATCH
    assert route(uri, sql) == wanted


def test_rows_are_staged_in_order(uri: Path, tmp_path: Path) -> None:
    """A query that is written runs in the engine, and no batch crosses Python."""
    with dfd.connect(session=SETTINGS) as runtime:
        runtime.register("t", uri)
        runtime.write(tmp_path / "sorted", runtime.sql("select s, k from t"), sort_by=["s", "k"])
    (file,) = (tmp_path / "sorted").glob("*.parquet")
    t = TABLE  # noqa: F841
    wanted = duckdb.sql("select s, k from t order by s nulls first, k").fetchall()
    assert rows(pq.ParquetFile(file).read()) == wanted
