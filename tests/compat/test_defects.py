"""Defects of the installed libraries that dfd names and avoids: each fails here when it is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext
from datafusion.object_store import AmazonS3
from datafusion.plan import LogicalPlan
from deltalake import DeltaTable
from dfd_native.defects import DEFECTS

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "tests/conformance/spark"


@pytest.mark.xfail(strict=True, reason="deltalake 1.6.6 looks for the logical names in the files")
def test_mapped_columns_through_pyarrow() -> None:
    column = DeltaTable(TABLES / "mapping_name/delta").to_pyarrow_table()["id"]
    assert column.null_count < len(column)


@pytest.mark.xfail(strict=True, reason="its scan rejects what the session's optimizer inserts")
def test_deletion_vectors_through_deltalakes_provider() -> None:
    session = SessionContext()
    session.register_table("t", DeltaTable(TABLES / "dv_delete/delta"))
    session.sql("select * from t").collect()


@pytest.mark.xfail(strict=True, reason="the bytes of a plan say no schema of an EmptyRelation")
def test_a_relation_without_rows_keeps_its_columns() -> None:
    session = SessionContext()
    plan = session.sql("select 1 as a where false").optimized_logical_plan()
    again = LogicalPlan.from_bytes(session, plan.to_bytes(session))
    assert session.create_dataframe_from_logical_plan(again).schema().names == ["a"]


@pytest.mark.xfail(strict=True, reason="a footer's bounds leave NaN out, and are believed")
def test_nan_in_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "v": [0.0, float("nan")]}), tmp_path / "t.parquet")
    session = SessionContext()
    session.register_parquet("t", tmp_path / "t.parquet")
    assert session.sql("select id from t where v > 1").to_pydict() == {"id": [2]}


@pytest.mark.xfail(strict=True, reason="the bounds of a file are equal, and stand for its values")
def test_nan_beside_one_value_in_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "v": [4.0, float("nan")]}), tmp_path / "t.parquet")
    session = SessionContext()
    session.register_parquet("t", tmp_path / "t.parquet")
    first, second = session.sql("select v from t").to_pydict()["v"]
    assert (first, second != second) == (4.0, True)


@pytest.mark.xfail(strict=True, reason="a function without a payload goes by its name")
def test_functions_of_spark_in_the_bytes_of_a_plan() -> None:
    session, other = SessionContext(), SessionContext()
    session.enable_spark_functions()
    frame = session.sql("select concat(a, null) as c from (values ('x')) t(a)")
    plan = LogicalPlan.from_bytes(other, frame.logical_plan().to_bytes(session))
    assert other.create_dataframe_from_logical_plan(plan).to_pydict() == {"c": [None]}


@pytest.mark.xfail(strict=True, reason="the filter by the highest id so far is the other's too")
def test_max_beside_another_max(tmp_path: Path) -> None:
    """The highest ids are read first, and the highest price is where they are lowest."""
    for n in range(20):
        ids = range((19 - n) * 100, (20 - n) * 100)
        price = [10**6 if n == 19 else 1] * 100
        pq.write_table(pa.table({"id": ids, "price": price}), tmp_path / f"{n:02}.parquet")
    session = SessionContext(SessionConfig().with_target_partitions(2))
    session.register_parquet("t", tmp_path)
    # Each run is a chance of its own: which file is read when is the scheduler's.
    for _ in range(100):
        found = session.sql("select max(id) as a, max(price + 1) as b from t").to_pydict()
        assert found == {"a": [1999], "b": [10**6 + 1]}


JOIN = """
import sys
import pyarrow as pa
from datafusion import SessionConfig, SessionContext

session = SessionContext(SessionConfig().with_target_partitions(4))
for name in ("a", "b"):
    session.register_parquet(name, f"{sys.argv[1]}/{name}")
frame = session.sql("select b.k from a join b on a.k = b.k")
print(frame.count(), flush=True)
print(pa.table(frame).num_rows)
"""


@pytest.mark.xfail(
    strict=True,
    raises=subprocess.TimeoutExpired,
    reason="one partition is read after the other, and each waits for the filters of all",
)
def test_the_stream_of_a_join(tmp_path: Path) -> None:
    for name, rows in (("a", 1_000), ("b", 50_000)):
        (tmp_path / name).mkdir()
        for n in range(4):
            keys = pa.table({"k": range(n * rows, (n + 1) * rows)})
            pq.write_table(keys, tmp_path / name / f"{n}.parquet")
    # Without its waiting it takes one second; a process that hangs is killed.
    done = subprocess.run(
        [sys.executable, "-c", JOIN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.split() == ["4000", "4000"]


@pytest.mark.xfail(strict=True, reason="it has the types of the plan before coercion")
def test_the_types_of_a_dataframes_stream() -> None:
    frame = SessionContext().sql("select 1 as n union all select 1.5")
    assert sorted(pa.table(frame)["n"].to_pylist()) == [1.0, 1.5]


@pytest.mark.xfail(strict=True, raises=BaseException, reason="a PanicException is no Exception")
def test_a_store_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(Exception):  # noqa: B017, PT011 (any that code can catch)
        AmazonS3(bucket_name="b", region="us-east-1", access_key_id="key")


def test_the_evidence_is_there() -> None:
    """A test that is named exists, in the file that is named."""
    for defect in DEFECTS:
        for evidence in defect.evidence.split("; "):
            if ".py: " in evidence:
                file, _, test = evidence.partition(": ")
                assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), evidence


def test_the_installed_libraries_are_those_measured() -> None:
    """A release that nobody has measured shows here, before a user finds it."""
    named = {defect["library"] for defect in dfd_native.capabilities_snapshot()["known_defects"]}
    assert named == {"deltalake 1.6.6", "datafusion 55.0.0"}
