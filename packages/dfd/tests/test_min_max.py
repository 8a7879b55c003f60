"""MIN and MAX beside other aggregates, in the session: an aggregate's filter lost rows that another needs."""

from __future__ import annotations

import random
from contextlib import nullcontext
from pathlib import Path

import dfd
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import udf
from dfd.profile import AGGREGATE_FILTERS

ALL_FILTERS = "datafusion.optimizer.enable_dynamic_filter_pushdown"
PARTITIONS = "datafusion.execution.target_partitions"
ROUNDS = 5


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """The highest ids come first, and the highest price last: who skips by the ids loses it."""
    directory = tmp_path / "prices"
    directory.mkdir()
    for n in range(20):
        ids = range((19 - n) * 100, (20 - n) * 100)
        price = [10**6 if n == 19 else 1] * 100
        pq.write_table(pa.table({"id": ids, "price": price}), directory / f"{n:02}.parquet")
    return directory


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    directory = tmp_path / "sparse"
    directory.mkdir()
    chance = random.Random(5)
    for n in range(12):
        values = [
            None if n in (2, 5) or chance.random() < 0.9 else chance.randrange(10**6)
            for _ in range(500)
        ]
        pq.write_table(pa.table({"x": pa.array(values, pa.int64())}), directory / f"{n:02}.parquet")
    return directory


def check(runtime: dfd.Runtime, files: Path, columns: str, rounds: int = ROUNDS) -> None:
    """Compare with duckdb; the function on top has a state that can't cross, so that it's the session's query."""
    calls: list[int] = []

    def seen(values: pa.Array) -> pa.Array:
        calls.append(len(values))
        return values

    runtime.session.register_udf(udf(seen, [pa.int64()], pa.int64(), "volatile", "seen"))
    runtime.session.register_parquet("t", files)
    wanted = duckdb.sql(f"select {columns}, 1 as one from '{files}/*.parquet'").fetchall()
    for _ in range(rounds):
        query = runtime.sql(f"select a, b, seen(1) as one from (select {columns} from t)")
        assert query.route == "session"
        found = query.to_arrow_table().to_pylist()
        assert [tuple(row.values()) for row in found] == wanted


@pytest.mark.parametrize("partitions", ["2", "16"])
@pytest.mark.parametrize(
    "columns",
    [
        "max(id) as a, max(price + 1) as b",
        "max(id) as a, max(cast(price as double)) as b",
        "max(id) as a, max(price) filter (where id < 1000) as b",
    ],
)
def test_max_beside_another_max(prices: Path, partitions: str, columns: str) -> None:
    with dfd.connect(session={PARTITIONS: partitions}) as runtime:
        check(runtime, prices, columns)


def test_min_and_max_of_a_sparse_column(sparse: Path) -> None:
    with dfd.connect(session={PARTITIONS: "16"}) as runtime:
        check(runtime, sparse, "min(x) as a, max(x) as b", rounds=40)


@pytest.mark.parametrize(
    "session", [{ALL_FILTERS: "true"}, {AGGREGATE_FILTERS: "false", ALL_FILTERS: "true"}]
)
def test_a_setting_of_all_filters_leaves_this_one_off(
    prices: Path, session: dict[str, str]
) -> None:
    with dfd.connect(session={PARTITIONS: "2", **session}) as runtime:
        check(runtime, prices, "max(id) as a, max(price + 1) as b")


@pytest.mark.parametrize("value", ["true", " TRUE", "1"])
def test_it_cannot_be_switched_on(value: str) -> None:
    with pytest.raises(dfd.ConfigurationError, match="24816"):
        dfd.connect(session={AGGREGATE_FILTERS: value})
    with pytest.raises(dfd.ConfigurationError, match="24816"):
        dfd.DataFusionRuntimeProfile.from_toml({"session": {AGGREGATE_FILTERS: value}})


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (f"set {ALL_FILTERS} = true", None),
        (f"reset {ALL_FILTERS}", None),
        (f"set {AGGREGATE_FILTERS} = true", "24816"),
        (f"RESET {AGGREGATE_FILTERS}", "24816"),
    ],
)
def test_nor_by_a_statement(prices: Path, statement: str, refusal: str | None) -> None:
    with dfd.connect(session={PARTITIONS: "2"}) as runtime:
        refused = pytest.raises(dfd.ConfigurationError, match=refusal) if refusal else nullcontext()
        with refused:
            runtime.sql(statement)
        check(runtime, prices, "max(id) as a, max(price + 1) as b")
