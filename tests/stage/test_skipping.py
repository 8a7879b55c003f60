"""What was staged sorted is skipped by files, row groups and pages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import dfd_native
import made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import write_deltalake
from dfd_native import stage

ROWS = 2_500_000
SHUFFLED = pa.table({"id": pa.array(np.random.default_rng(1).permutation(ROWS))})
SQL = "select count(*) as n, sum(id) as s from t where id between 1000 and 1999"
EXPECTED = [{"n": 1000, "s": sum(range(1000, 2000))}]


def metrics_of(uri: Path, sql: str = SQL, expected: list[Any] = EXPECTED) -> Counter[str]:
    """What the scan skipped while it found the thousand rows, or others."""
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    frame = session.sql(sql)
    run = dfd_native.Engine().run(frame.optimized_logical_plan(), session, frame.schema())
    assert pa.table(run).to_pylist() == expected
    found: Counter[str] = Counter()

    def gather(node: Any) -> None:
        if metrics := node.metrics():
            found.update({metric.name: metric.value for metric in metrics.metrics()})
        for child in node.children():
            gather(child)

    gather(run.plan)
    print({name: count for name, count in found.items() if "pruned" in name or "matched" in name})
    return found


@pytest.fixture(scope="module")
def unsorted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    uri = tmp_path_factory.mktemp("unsorted") / "t"
    made.commit(uri, stage(uri.as_uri(), SHUFFLED, writers=1))
    return uri


def test_row_groups_and_pages_of_one_file(tmp_path: Path, unsorted: Path) -> None:
    uri = tmp_path / "t"
    staged = stage(uri.as_uri(), SHUFFLED, sort_by=["id"])
    (action,) = staged.actions
    groups = pq.read_metadata(uri / action["path"]).num_row_groups
    made.commit(uri, staged)
    found, before = metrics_of(uri), metrics_of(unsorted)
    assert found["row_groups_pruned_statistics_matched"] == 1
    assert found["row_groups_pruned_statistics_pruned"] == groups - 1 >= 2
    # All but a page or two of 20,000 rows.
    assert found["page_index_rows_pruned_matched"] <= 40_000
    assert before["row_groups_pruned_statistics_pruned"] == 0
    assert before["page_index_rows_pruned_pruned"] == 0
    assert before["bytes_scanned"] > 10 * found["bytes_scanned"]


def test_files(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    staged = stage(uri.as_uri(), SHUFFLED, sort_by=["id"], target_file_bytes=1 << 10)
    files = len(staged.actions)
    assert files > 3
    made.commit(uri, staged)
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    frame = session.sql(SQL)
    assert frame.to_arrow_table().to_pylist() == EXPECTED
    assert f"files=1 of {files}" in frame.execution_plan().display_indent()


def test_floats_of_our_own_files_alone(tmp_path: Path) -> None:
    """Their bounds leave no NaN out; those of other writers do, and are not believed."""
    values = np.arange(ROWS, dtype=np.float64)
    data = pa.table({"v": values})
    sql = f"select count(*) as n from t where v >= {ROWS - 10}"
    ours, others = tmp_path / "ours", tmp_path / "others"
    made.commit(ours, stage(ours.as_uri(), data, sort_by=["v"], writers=1))
    write_deltalake(others, data)
    pruned = "row_groups_pruned_statistics_pruned"
    assert metrics_of(ours, sql, [{"n": 10}])[pruned] > 0
    assert metrics_of(others, sql, [{"n": 10}])[pruned] == 0
    # NaN is above every number, or below, by its sign.
    for nan, sign in ((np.nan, ">"), (-np.nan, "<")):
        uri = tmp_path / f"nan {sign}"
        values[7] = nan
        made.commit(uri, stage(uri.as_uri(), pa.table({"v": values}), writers=1))
        beyond = f"select count(*) as n from t where v {sign} {ROWS if sign == '>' else -1}"
        metrics_of(uri, beyond, [{"n": 1}])
