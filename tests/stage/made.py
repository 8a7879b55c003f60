"""Tables for the tests of stages: made by hand, or copies of those that Spark wrote."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction
from dfd_native import StagedFiles

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


def actions(removed: Iterable[Mapping[str, Any]] = (), added: StagedFiles | None = None) -> bytes:
    """A commit that removes files and adds what was staged, as JSON."""
    now = time.time_ns() // 1_000_000
    lines: list[dict[str, Any]] = [{"commitInfo": {"timestamp": now, "operation": "OPTIMIZE"}}]
    kept = ("path", "partitionValues", "size", "deletionVector", "tags")
    for file in removed:
        action = {name: file[name] for name in kept if name in file}
        told = {"deletionTimestamp": now, "dataChange": False, "extendedFileMetadata": True}
        lines.append({"remove": action | told})
    for action in added.actions if added else ():
        file = {
            "path": quote(action["path"], safe="/="),
            "partitionValues": action["partition_values"],
            "size": action["size"],
            "modificationTime": action["modification_time"],
            "stats": action["stats"],
            "dataChange": False,
        }
        lines.append({"add": file})
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def line(action: Mapping[str, Any]) -> bytes:
    """One action as JSON."""
    return f"{json.dumps(action)}\n".encode()


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
