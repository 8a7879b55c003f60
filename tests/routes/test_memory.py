"""Queries leave no memory behind: those that end, those that are dropped, and those that don't cross.

Of those that end there are 2,500; 10,000 with DFD_LONG in the environment.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import dfd
import numpy as np
import pyarrow as pa
import pytest

# A table of eight megabytes takes the place of the one before it, so that whoever keeps one shows.
ROWS = 1_000_000
QUERIES = 10_000 if os.environ.get("DFD_LONG") else 2_500


@pytest.fixture
def runtime() -> dfd.Runtime:
    # One partition: less work for each of so many queries.
    return dfd.connect(session={"datafusion.execution.target_partitions": "1"})


def replace_table(runtime: dfd.Runtime, number: int) -> None:
    if runtime.session.table_exist("memory"):
        runtime.session.deregister_table("memory")
    values = pa.array(np.arange(number, number + ROWS))
    runtime.session.from_arrow(pa.table({"x": values}), name="memory")


def resident_kib() -> int:
    gc.collect()
    pa.default_memory_pool().release_unused()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def growth_kib(step: Callable[[int], None], warm_up: int, times: int) -> int:
    """By how much the process has grown over `times` steps, after it has warmed up."""
    for number in range(warm_up):
        step(number)
    before = resident_kib()
    for number in range(warm_up, warm_up + times):
        step(number)
    return resident_kib() - before


def test_thousands_of_queries(runtime: dfd.Runtime) -> None:
    sql = "select x from memory limit 1"

    def step(number: int) -> None:
        if number % (QUERIES // 50) == 0:
            replace_table(runtime, number)
        table = runtime.sql(sql).to_arrow_table()
        assert table.num_rows == 1

    assert growth_kib(step, QUERIES // 16, QUERIES) < 50_000
    assert runtime.sql(sql).route == "engine"
    assert runtime.engine.reserved_bytes == 0


def test_queries_that_stay_in_the_session(runtime: dfd.Runtime) -> None:
    def step(number: int) -> None:
        replace_table(runtime, number)
        query = runtime.sql("select x from memory where false")
        assert query.route == "session"
        assert query.to_arrow_table().num_rows == 0

    assert growth_kib(step, 30, 100) < 50_000


def test_queries_that_are_planned_and_never_read(runtime: dfd.Runtime) -> None:
    def step(number: int) -> None:
        replace_table(runtime, number)
        assert runtime.sql("select sum(x) as s from memory").route == "engine"

    assert growth_kib(step, 30, 100) < 50_000


def test_streams_that_are_dropped(runtime: dfd.Runtime) -> None:
    sql = (
        "select a.x, b.value from memory a "
        "join generate_series(1, 4000000000) b on a.x = b.value % 1000000"
    )
    replace_table(runtime, 0)

    def step(_: int) -> None:
        reader = runtime.sql(sql).reader()
        assert reader.read_next_batch().num_rows > 0
        del reader

    assert growth_kib(step, 10, 40) < 100_000
    gc.collect()
    assert {record.status for record in runtime.observer.records} == {"abandoned"}
