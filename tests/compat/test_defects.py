"""Defects of the installed libraries that dfd names and avoids: each fails here when it is gone."""

from __future__ import annotations

from pathlib import Path

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
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


@pytest.mark.xfail(strict=True, reason="a function without a payload goes by its name")
def test_functions_of_spark_in_the_bytes_of_a_plan() -> None:
    session, other = SessionContext(), SessionContext()
    session.enable_spark_functions()
    frame = session.sql("select concat(a, null) as c from (values ('x')) t(a)")
    plan = LogicalPlan.from_bytes(other, frame.logical_plan().to_bytes(session))
    assert other.create_dataframe_from_logical_plan(plan).to_pydict() == {"c": [None]}


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
