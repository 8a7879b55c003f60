"""Errors have fields from where they happen, a code of their own, and survive the way between processes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType
from dfd_native import NativeError, RuleViolation, StageError, errors

FIELDS = ("uri", "version", "path", "column", "row", "rule", "expression", "values")
CLASSES = [
    value for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, NativeError)
]  # fmt: skip


def made(kind: type[NativeError]) -> NativeError:
    if kind is errors.IncompatibleInstallation:
        return errors.IncompatibleInstallation("datafusion 54", "datafusion>=55", "pip install")
    return kind("x")


def known(error: NativeError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in FIELDS if getattr(error, name) is not None}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_round_trip(kind: type[NativeError]) -> None:
    error = made(kind)
    assert known(error) == {}
    vars(error).update(path="a/b", row=3, values={"id": "1"})
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({kind.code for kind in CLASSES}) == len(CLASSES) > 10


@pytest.fixture
def table(tmp_path: Path) -> Path:
    schema = Schema(
        [
            Field("id", PrimitiveType("long"), nullable=False),
            Field("n", PrimitiveType("integer")),
            Field("p", PrimitiveType("string")),
        ]
    )
    DeltaTable.create(tmp_path / "t", schema, partition_by=["p"])
    DeltaTable(tmp_path / "t").alter.add_constraint({"small": "n < 10 AND id >= 0"})
    return tmp_path / "t"


def stream(**columns: Any) -> pa.Table:
    ids = pa.array([1, 2, 3], pa.int64())
    numbers = pa.array([1, 2, 3], pa.int32())
    return pa.table({"id": ids, "n": numbers, "p": ["a", "b", None], **columns})


VIOLATIONS: list[tuple[pa.Table, dict[str, Any]]] = [
    (stream(id=pa.array([1, None, 3])), {"column": "id", "row": 1}),
    (stream(n=pa.array([1, 2, 1 << 40])), {"column": "n", "row": 2}),
    (stream(n=[[1], [2], [3]]), {"column": "n"}),
    (stream(other=[1, 2, 3]), {"column": "other"}),
    (stream().drop_columns(["id"]), {"column": "id"}),
    (
        stream(n=pa.array([1, 2, 11], pa.int32())),
        {
            "rule": "small",
            "expression": "n < 10 AND id >= 0",
            "row": 2,
            "values": {"id": "3", "n": "11"},
        },
    ),
]


@pytest.mark.parametrize(("data", "expected"), VIOLATIONS)
def test_a_violation_has_its_column_its_row_and_the_rule(
    table: Path, data: pa.Table, expected: dict[str, Any]
) -> None:
    with pytest.raises(RuleViolation) as caught:
        dfd_native.stage(table.as_uri(), data)
    assert known(caught.value) == expected
    assert caught.value.code == "rule_violation"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (known(again), str(again)) == (expected, str(caught.value))


def test_a_path_that_is_no_file_of_the_version(table: Path) -> None:
    with pytest.raises(RuleViolation) as caught:
        dfd_native.rewrite(table.as_uri(), version=1, paths=["nothing"])
    assert known(caught.value) == {"path": "nothing", "version": 1}


def test_a_stream_that_fails_is_the_source(table: Path) -> None:
    def batches() -> Any:
        yield stream().to_batches()[0]
        raise RuntimeError("no more")

    reader = pa.RecordBatchReader.from_batches(stream().schema, batches())
    with pytest.raises(dfd_native.SourceError, match=r"failed after 3 rows.*no more") as caught:
        dfd_native.stage(table.as_uri(), reader)
    assert isinstance(caught.value, StageError)
    assert "no more" in str(caught.value.__cause__)


def test_a_query_that_is_staged_names_the_file_that_it_reads(table: Path, tmp_path: Path) -> None:
    from datafusion import SessionContext

    write_deltalake(tmp_path / "source", stream())
    (file,) = (tmp_path / "source").glob("*.parquet")
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table((tmp_path / "source").as_uri()))
    plan = session.sql("select * from t").optimized_logical_plan()
    run = dfd_native.Engine().run(plan, session)
    file.write_bytes(b"nothing")
    with pytest.raises(dfd_native.SourceError) as caught:
        dfd_native.stage(table.as_uri(), run)
    assert caught.value.path == file.name
    assert str(caught.value.uri).rstrip("/") == (tmp_path / "source").as_uri()


def test_a_location_that_is_none() -> None:
    with pytest.raises(dfd_native.TableError) as caught:
        dfd_native.delta_table("nowhere://bucket/t")
    assert known(caught.value) == {"uri": "nowhere://bucket/t"}


def test_a_commit_that_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/_delta_log").write_text("no folder")
    with pytest.raises(dfd_native.CommitError) as caught:
        dfd_native.commit((tmp_path / "t").as_uri(), version=7, actions=b"{}")
    assert (caught.value.version, caught.value.path) == (7, None)
    assert str(caught.value.uri).rstrip("/") == (tmp_path / "t").as_uri()
    assert caught.value.__cause__ is not None
