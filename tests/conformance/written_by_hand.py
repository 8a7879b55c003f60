"""Delta tables as other writers leave them: files by pyarrow, and a log of JSON that says what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

ID = "delta.columnMapping.id"
PHYSICAL_NAME = "delta.columnMapping.physicalName"
FEED = {"delta.enableChangeDataFeed": "true"}
PLAIN = {"minReaderVersion": 1, "minWriterVersion": 2}
MAPPED = {"minReaderVersion": 2, "minWriterVersion": 5}
NTZ = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": ["timestampNtz"],
    "writerFeatures": ["timestampNtz"],
}
KEPT = {"minReaderVersion": 1, "minWriterVersion": 4}
KEPT_NTZ = NTZ | {"writerFeatures": ["timestampNtz", "changeDataFeed"]}


def field(name: str, kind: Any, nullable: bool = True, **metadata: Any) -> dict[str, Any]:
    """A field of Delta's schema."""
    return {"name": name, "type": kind, "nullable": nullable, "metadata": metadata}


def mapped(name: str, kind: Any, number: int, nullable: bool = True) -> dict[str, Any]:
    """A field with the id `number` and the physical name `col-<number>`."""
    return field(name, kind, nullable, **{ID: number, PHYSICAL_NAME: f"col-{number}"})


def struct(*fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "struct", "fields": list(fields)}


def array(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


def map_of(key: Any, value: Any) -> dict[str, Any]:
    return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}


def with_id(name: str, kind: pa.DataType, number: int, nullable: bool = True) -> pa.Field:
    """A column of a file with a Parquet field id."""
    return pa.field(name, kind, nullable, {b"PARQUET:field_id": str(number).encode()})


def write(
    root: Path,
    fields: Sequence[Mapping[str, Any]],
    files: Sequence[pa.Table],
    *,
    mode: str | None = None,
    partition_by: Sequence[str] = (),
    partitions: Sequence[Mapping[str, str | None]] = (),
    stats: Sequence[str | Mapping[str, Any] | None] = (),
    **writer: Any,
) -> Path:
    """A table of one commit; `mode` is that of column mapping, `writer` goes to pyarrow.

    `stats` of each file are a count of its rows where none are given, and left out where they are None.
    """
    (root / "_delta_log").mkdir(parents=True)
    configuration = {} if mode is None else {"delta.columnMapping.mode": mode}
    if mode is not None:
        configuration["delta.columnMapping.maxColumnId"] = "100"
    actions: list[dict[str, Any]] = [
        {"protocol": MAPPED if mode else NTZ if "timestamp_ntz" in str(fields) else PLAIN},
        {
            "metaData": {
                "id": "1",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps(struct(*fields)),
                "partitionColumns": list(partition_by),
                "configuration": configuration,
                "createdTime": 0,
            }
        },
    ]
    for number, data in enumerate(files):
        partition = partitions[number] if partitions else {}
        found = stats[number] if stats else {"numRecords": data.num_rows}
        actions.append(add(root, f"part-{number}.parquet", data, partition, found, **writer))
    commit(root, 0, actions)
    return root


class Log:
    """A table that keeps its changes, whose log is written by hand."""

    def __init__(
        self, root: Path, fields: Sequence[Mapping[str, Any]], partition_by: Sequence[str] = ()
    ) -> None:
        self.root = root
        self.version = 0
        (root / "_delta_log").mkdir(parents=True)
        metadata = {
            "id": "1",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(struct(*fields)),
            "partitionColumns": list(partition_by),
            "configuration": FEED,
        }
        protocol = KEPT_NTZ if "timestamp_ntz" in str(fields) else KEPT
        self.commit({"protocol": protocol}, {"metaData": metadata})

    def commit(self, *actions: Mapping[str, Any]) -> None:
        place = self.root / "_delta_log" / f"{self.version:020}.json"
        place.write_text("".join(json.dumps(action) + "\n" for action in actions))
        self.version += 1

    def file(
        self,
        path: str,
        data: pa.Table,
        kind: str = "add",
        partition: Mapping[str, str | None] | None = None,
        **writer: Any,
    ) -> dict[str, Any]:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(data, self.root / path, **{"store_schema": False, **writer})
        action = {
            "path": quote(path),
            "partitionValues": partition or {},
            "size": (self.root / path).stat().st_size,
            "dataChange": kind == "add",
        }
        return {kind: action | ({"modificationTime": 0} if kind == "add" else {})}


def add(
    root: Path,
    path: str,
    data: pa.Table,
    partition: Mapping[str, str | None],
    stats: str | Mapping[str, Any] | None,
    **writer: Any,
) -> dict[str, Any]:
    """Writes a file, and gives the action that adds it."""
    pq.write_table(data, root / path, **{"row_group_size": 2, "store_schema": False, **writer})
    added = {
        "path": quote(path),
        "partitionValues": dict(partition),
        "size": (root / path).stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
    }
    if stats is not None:
        added["stats"] = stats if isinstance(stats, str) else json.dumps(stats)
    return {"add": added}


def commit(root: Path, version: int, actions: Sequence[Mapping[str, Any]]) -> None:
    """Writes a version."""
    log = root / "_delta_log" / f"{version:020}.json"
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
