"""Statements that race in threads and in processes: as if they had come one after the other."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import DeltaRetryPolicy

RETRY = DeltaRetryPolicy(attempts=100, timeout_s=300, base_s=0.01, cap_s=0.3)
WORKERS, TURNS = 3, 4
STATEMENTS = """
create or replace view seen as select * from counters;
update counters set n = n + 1 where id = 1;
insert into counters select max(id) + 1, 0 from seen;
merge into counters t using (select 2 as id) s on t.id = s.id when matched then update set n = t.n + 10;
update counters set n = (select max(n) from counters where id < 4) + 1 where id = 3;
"""
PROCESS = """
import sys, dfd
from dfd_delta_policy import DeltaRetryPolicy
with dfd.connect(retry=DeltaRetryPolicy(attempts=100, timeout_s=300, base_s=0.01, cap_s=0.3)) as runtime:
    runtime.register("counters", sys.argv[1])
    for _ in range(int(sys.argv[2])):
        runtime.sql(sys.argv[3])
"""


def check(root: Path, scripts: int) -> None:
    found = {row["id"]: row["n"] for row in pa.table(DeltaTable(root).scan()).to_pylist()}
    # No number is given twice, and none is left out.
    assert sorted(found) == list(range(1, 4 + scripts))
    assert pa.table(DeltaTable(root).scan()).num_rows == 3 + scripts
    assert found[1] == scripts
    assert found[2] == 10 * scripts
    assert found[3] > found[2] - 10


@pytest.fixture(params=[True, False], ids=["vectors", "copies"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    root = tmp_path / "counters"
    with dfd.connect() as runtime:
        runtime.sql(
            f"create table counters (id bigint, n bigint) using delta location '{root}' "
            f"tblproperties ('delta.enableDeletionVectors' = '{str(request.param).lower()}')"
        )
        runtime.sql("insert into counters values (1, 0), (2, 0), (3, 0)")
    return root


def test_threads(root: Path) -> None:
    def work(_: int) -> None:
        with dfd.connect(retry=RETRY) as runtime:
            runtime.register("counters", root)
            for _ in range(TURNS):
                runtime.sql(STATEMENTS)

    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(work, range(WORKERS)))
    check(root, WORKERS * TURNS)


def test_processes(root: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(root), str(TURNS), STATEMENTS]
    running = [subprocess.Popen(command) for _ in range(WORKERS)]
    assert [process.wait(timeout=300) for process in running] == [0] * WORKERS
    check(root, WORKERS * TURNS)
