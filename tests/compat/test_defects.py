"""Defects of the installed libraries that dfd names and avoids: each fails here when it is gone."""

from __future__ import annotations

from pathlib import Path

import dfd_native
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
