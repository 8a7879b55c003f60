"""Footers are read once by all who want them at once, and a scan of more than there is room for finds some."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dfd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from dfd_cache import CacheConfig

KIB = 1024
COLUMNS = [f"c{n}" for n in range(20)]
FILES = 60


def row(n: int) -> pa.Table:
    return pa.table({name: [n] for name in COLUMNS})


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A table of 60 files."""
    for n in range(FILES):
        write_deltalake(tmp_path / "many", row(n), mode="append")
    return tmp_path / "many"


def footers(query: dfd.Query) -> tuple[int, int]:
    """Of the newest run: footers that were read, and that weren't."""
    found = [operator.metrics for operator in query.metrics()]
    read, spared = (
        sum(metrics.get(f"footer_cache_{kind}", 0) for metrics in found)
        for kind in ("misses", "hits")
    )
    return read, spared


def test_partitions_of_one_file_read_one_footer(tmp_path: Path) -> None:
    rows = 160_000
    data = pa.table({"n": list(range(rows))})
    write_deltalake(tmp_path / "t", row(0).select(["c0"]).rename_columns(["n"]))
    stored = next((tmp_path / "t").glob("*.parquet"))
    # Sixteen row groups, so that each partition has its own.
    pq.write_table(data, stored, row_group_size=rows // 16)
    log = tmp_path / f"t/_delta_log/{0:020}.json"
    log.write_text(
        log.read_text()
        .replace('\\"numRecords\\":1', f'\\"numRecords\\":{rows}')
        .replace('\\"maxValues\\":{\\"n\\":0}', f'\\"maxValues\\":{{\\"n\\":{rows}}}')
        .replace('"size":', f'"size":{stored.stat().st_size},"formerly":')
    )
    session = {
        "datafusion.execution.target_partitions": "16",
        "datafusion.optimizer.repartition_file_min_size": "0",
    }
    with dfd.connect(session=session) as runtime:
        runtime.register("t", tmp_path / "t")
        query = runtime.sql("select sum(n) from t where n >= 0")
        assert query.to_arrow_table().column(0)[0].as_py() == rows * (rows - 1) // 2
        assert query.explain().count(":0..") == 1
        read, spared = footers(query)
    assert read == 1
    assert spared >= 15


def test_cold_queries_at_once_read_each_footer_once(many: Path) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", many)
        queries = [runtime.sql("select sum(c1) from t where c0 >= 0") for _ in range(10)]
        together = threading.Barrier(len(queries))

        def run(query: dfd.Query) -> int:
            together.wait()
            return int(query.to_arrow_table().column(0)[0].as_py())

        with ThreadPoolExecutor(len(queries)) as pool:
            assert set(pool.map(run, queries)) == {FILES * (FILES - 1) // 2}
        assert sum(footers(query)[0] for query in queries) == FILES


def test_a_scan_of_more_than_there_is_room_for_finds_some(many: Path) -> None:
    ask = "select sum(c1) from t where c0 >= 0"
    with dfd.connect() as runtime:
        runtime.register("t", many)
        runtime.sql(ask).to_arrow_table()
        whole = runtime.engine.cache_stats()["parquet_meta"]["bytes"]
    half = whole // 2 // KIB * KIB
    with dfd.connect(cache=CacheConfig(parquet_meta_limit_bytes=half)) as runtime:
        runtime.register("t", many)
        spared = []
        for _ in range(6):
            query = runtime.sql(ask)
            query.to_arrow_table()
            spared.append(footers(query)[1])
        stats = runtime.engine.cache_stats()["parquet_meta"]
    assert stats["bytes"] <= half
    assert stats["evictions"] > 0
    # By the least recently used alone there would be none.
    assert sum(spared[1:]) > FILES // 2
