"""Aggregates beside one another over many files: each has its own rows, whatever lets another skip some.

DataFusion 55 lets a MIN or MAX drop rows that it doesn't need, and that another one beside it may need
(apache/datafusion#24816).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import duckdb
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import write_deltalake

FILES, ROWS, RUNS = 16, 400, 8


def table(seed: int) -> pa.Table:
    """Sparse columns, whose extremes lie in different files."""
    chance = random.Random(seed)
    numbers = range(FILES * ROWS)
    sparse = [chance.randrange(10**6) if chance.random() < 0.02 else None for _ in numbers]
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "price": pa.array([10**6 if n == 2345 else n for n in numbers], pa.int64()),
            "x": pa.array(sparse, pa.int64()),
            "d": pa.array([None if one is None else one / 7 for one in sparse], pa.float64()),
            "s": pa.array([None if one is None else f"{one:07}" for one in sparse]),
            "gone": pa.array([n if n == 1234 else None for n in numbers], pa.timestamp("us")),
        }
    )


T = table(5)
QUERIES = (
    "select min(x) as a, max(x) as b from t",
    "select min(d) as a, max(d) as b from t",
    "select min(s) as a, max(s) as b, count(s) as n from t",
    "select max(id) as a, min(gone) as b from t",
    "select max(id) as a, max(price + 1) as b from t",
    "select max(id) as a, max(cast(price as double)) as b from t",
    "select max(id) as a, max(coalesce(price, 0)) as b from t",
    "select max(id) as a, max(price) filter (where id < 3000) as b from t",
    "select min(id) as a, max(id) as b, min(x) as c, max(x) as d from t where id > 100",
    "select max(t.id) as a, max(u.price) as b from t join t u on t.id = u.id + 1",
    "select max(a) as a, min(b) as b from (select max(id) as a, min(x) as b from t group by id % 3)",
)
SETTINGS = [
    {},
    {"datafusion.execution.target_partitions": "1"},
    {"datafusion.execution.target_partitions": "16", "datafusion.execution.batch_size": "50"},
    # It turns on all that it stands for.
    {"datafusion.optimizer.enable_dynamic_filter_pushdown": "true"},
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aggregates") / "t"
    for n in range(FILES):
        write_deltalake(path, T.slice(n * ROWS, ROWS), mode="append")
    return path


def wanted(sql: str) -> tuple[Any, ...]:
    t = T  # noqa: F841  duckdb finds it by its name
    (row,) = duckdb.sql(sql).fetchall()
    return row


def only(table: pa.Table) -> tuple[Any, ...]:
    (row,) = table.to_pylist()
    return tuple(row.values())


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: ",".join(settings.values()))
@pytest.mark.parametrize("sql", QUERIES)
def test_in_the_engine(uri: Path, sql: str, settings: dict[str, str]) -> None:
    with dfd.connect(session=settings) as runtime:
        runtime.register("t", uri)
        query = runtime.sql(sql)
        assert query.route == "engine"
        assert {only(query.to_arrow_table()) for _ in range(RUNS)} == {wanted(sql)}


@pytest.mark.parametrize("sql", QUERIES)
def test_in_a_plain_session(uri: Path, sql: str) -> None:
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    assert {only(session.sql(sql).to_arrow_table()) for _ in range(RUNS)} == {wanted(sql)}
