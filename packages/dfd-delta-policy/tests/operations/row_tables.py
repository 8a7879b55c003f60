"""Tables of which rows are changed, and what is in their files and logs, read without dfd."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable

ROWS_PER_FILE = 3_000
VECTORS = {"delta.enableDeletionVectors": "true"}
CHANGES = {"delta.enableChangeDataFeed": "true"}
MAPPED = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "3"}


def numbered(start: int, rows: int) -> pa.Table:
    ids = range(start, start + rows)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "p": pa.array([n % 3 for n in ids], pa.int32()),
            "s": pa.array([None if n % 7 == 0 else f"text {n}" for n in ids], pa.string()),
        }
    )


def root(table: GuardedTable) -> Path:
    return Path(table.uri.removeprefix("file://"))


def give(table: GuardedTable, properties: dict[str, str]) -> None:
    """Properties, and the features that they need, by a commit made by hand."""
    log = root(table) / "_delta_log"
    found = actions(table, "metaData")[-1]
    found["configuration"] = {**found["configuration"], **properties}
    is_mapped = MAPPED.items() <= properties.items()
    if is_mapped:
        found["schemaString"] = json.dumps(mapped(json.loads(found["schemaString"])))
    both = ["deletionVectors"] * (VECTORS.items() <= properties.items())
    both += ["columnMapping"] * is_mapped
    protocol: dict[str, Any] = {
        "minReaderVersion": 3 if both else 1,
        "minWriterVersion": 7,
        "writerFeatures": [*both, "changeDataFeed"],
    }
    if both:
        protocol["readerFeatures"] = both
    lines = [json.dumps(action) for action in ({"protocol": protocol}, {"metaData": found})]
    version = table.version() + 1
    (log / f"{version:020}.json").write_text("\n".join(lines) + "\n")


def mapped(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of flat columns with ids, and with names in files that say nothing."""
    for number, field in enumerate(schema["fields"], 1):
        field["metadata"] = {
            "delta.columnMapping.id": number,
            "delta.columnMapping.physicalName": f"col-{number}",
        }
    return schema


def actions(table: GuardedTable, kind: str, version: int | None = None) -> list[dict[str, Any]]:
    """Actions of a kind, of one commit or of all."""
    log = root(table) / "_delta_log"
    commits = sorted(log.glob("*.json")) if version is None else [log / f"{version:020}.json"]
    lines = [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]
    return [line[kind] for line in lines if kind in line]


def rows_of(table: GuardedTable, version: int | None = None) -> Counter[Any]:
    """The rows of a version as deltalake reads them."""
    found = pa.table(DeltaTable(table.uri, version=version).scan()).select(["id", "p", "s"])
    return Counter(zip(*(column.to_pylist() for column in found.columns), strict=True))


def changed_rows(table: GuardedTable, version: int) -> dict[str, Counter[Any]]:
    """The rows of a commit's files of changes, by what became of them."""
    found: dict[str, Counter[Any]] = {}
    for action in actions(table, "cdc", version):
        assert action["path"].startswith("_change_data/")
        assert (action["dataChange"], action["size"]) == (
            False,
            (root(table) / action["path"]).stat().st_size,
        )
        with pq.ParquetFile(root(table) / action["path"]) as file:
            rows = file.read().to_pylist()
        given = action["partitionValues"].items()
        values = {name: None if value is None else int(value) for name, value in given}
        for row in rows:
            kept = {**row, **values}
            key = (kept["id"], kept["p"], kept["s"])
            found.setdefault(row["_change_type"], Counter())[key] += 1
    return found


def left_over(table: GuardedTable) -> set[str]:
    """Files that no commit names."""
    named = {action["path"] for kind in ("add", "remove", "cdc") for action in actions(table, kind)}
    named |= {
        vector_file(action["deletionVector"])
        for action in actions(table, "add")
        if action.get("deletionVector", {}).get("storageType") == "u"
    }
    there = root(table).rglob("*")
    files = {str(path.relative_to(root(table))) for path in there if path.is_file()}
    return {name for name in files if not name.startswith("_delta_log/")} - named


BASE_85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def vector_file(vector: dict[str, Any]) -> str:
    """The name of a vector's file, decoded as the protocol says."""
    encoded, decoded = vector["pathOrInlineDv"], b""
    for start in range(0, len(encoded), 5):
        number = 0
        for letter in encoded[start : start + 5]:
            number = number * 85 + BASE_85.index(letter)
        decoded += number.to_bytes(4, "big")
    return f"deletion_vector_{uuid.UUID(bytes=decoded)}.bin"
