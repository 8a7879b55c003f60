"""Tables for the tests of stages: made by hand, or copies of those that Spark wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction
from dfd_native import OperationInfo, StagedFiles

SUITE = Path(__file__).parents[1] / "conformance/spark"


def spark(name: str, target: Path) -> Path:
    """A copy of a table of the suite."""
    shutil.copytree(SUITE / name / "delta", target)
    return target


def rows_of(name: str) -> pa.Table:
    """What Spark reads of a table of the suite."""
    newest = max((SUITE / name / "expected").iterdir(), key=lambda path: int(path.stem))
    return pq.ParquetFile(newest).read()


def column(name: str, kind: Any, nullable: bool = True, **metadata: str) -> dict[str, Any]:
    """A column as the log has it; `a__b` in metadata is `a.b`."""
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    return {"name": name, "type": kind, "nullable": nullable, "metadata": named}


def table(
    target: Path,
    columns: Sequence[dict[str, Any]],
    *,
    partition_by: Sequence[str] = (),
    configuration: Mapping[str, str] | None = None,
    features: Iterable[str] = ("checkConstraints", "invariants", "generatedColumns"),
    reader_features: Iterable[str] = (),
) -> Path:
    """A table without rows."""
    features = [*features, *reader_features]
    protocol = {
        "minReaderVersion": 3 if reader_features else 1,
        "minWriterVersion": 7,
        "writerFeatures": features,
    }
    if reader_features:
        protocol["readerFeatures"] = list(reader_features)
    metadata = {
        "id": "00000000-0000-0000-0000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": list(columns)}),
        "partitionColumns": list(partition_by),
        "configuration": dict(configuration or {}),
        "createdTime": 0,
    }
    actions = ({"protocol": protocol}, {"metaData": metadata})
    (target / "_delta_log").mkdir(parents=True)
    commit = target / "_delta_log/00000000000000000000.json"
    commit.write_text("".join(f"{json.dumps(action)}\n" for action in actions), encoding="utf-8")
    return target


OPTIMIZE = OperationInfo(operation="OPTIMIZE", engine="tests", isolation_level="SnapshotIsolation")


def put(uri: Path, version: int, *actions: Mapping[str, Any]) -> None:
    """Put a version of these actions into the log."""
    lines = "".join(f"{json.dumps(action)}\n" for action in actions)
    (uri / f"_delta_log/{version:020}.json").write_text(lines, encoding="utf-8")


def commit(uri: Path, staged: StagedFiles) -> None:
    """Append what was staged."""
    actions: list[AddAction | RemoveAction] = [
        AddAction(**action, data_change=True) for action in staged.actions
    ]
    schema = Schema.from_json(staged.schema_json)
    if not DeltaTable.is_deltatable(str(uri)):
        DeltaTable.create(str(uri), schema, partition_by=staged.partition_by)
    found = DeltaTable(str(uri))
    found.create_write_transaction(actions, "append", schema, staged.partition_by)
    staged.release()


def data_files(uri: Path, staged: StagedFiles) -> pa.Table:
    """What is in the files."""
    files = [pq.ParquetFile(uri / action["path"]).read() for action in staged.actions]
    return pa.concat_tables(files)


def listing(uri: Path) -> set[Path]:
    """All files of a table, those of its log and of stages too."""
    return {path for path in uri.rglob("*") if path.is_file()}


def comparable(table: pa.Table) -> list[str]:
    """Rows whatever their order; NaN is NaN, and zeros keep their sign."""
    return sorted(repr(row) for row in table.to_pylist())
