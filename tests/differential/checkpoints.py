"""Checkpoints as the protocol has them: classic, in parts, and V2 with a sidecar; statistics as texts, structs or both."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from columns import SCHEMA
from data_files import DataFile
from layout import Checkpoint
from table_schema import TableSchema

_TEXT, _LONG, _INT, _BOOL = pa.string(), pa.int64(), pa.int32(), pa.bool_()
_TEXTS = pa.map_(_TEXT, _TEXT)
_VECTOR = pa.struct(
    [
        ("storageType", _TEXT),
        ("pathOrInlineDv", _TEXT),
        ("offset", _INT),
        ("sizeInBytes", _INT),
        ("cardinality", _LONG),
    ]
)
_ADD = [
    ("path", _TEXT),
    ("partitionValues", _TEXTS),
    ("size", _LONG),
    ("modificationTime", _LONG),
    ("dataChange", _BOOL),
    ("deletionVector", _VECTOR),
]
_REMOVE = [
    ("path", _TEXT),
    ("deletionTimestamp", _LONG),
    ("dataChange", _BOOL),
    ("extendedFileMetadata", _BOOL),
    ("partitionValues", _TEXTS),
    ("size", _LONG),
    ("deletionVector", _VECTOR),
]
_PROTOCOL = [
    ("minReaderVersion", _INT),
    ("minWriterVersion", _INT),
    ("readerFeatures", pa.list_(_TEXT)),
    ("writerFeatures", pa.list_(_TEXT)),
]
_METADATA = [
    ("id", _TEXT),
    ("name", _TEXT),
    ("description", _TEXT),
    ("format", pa.struct([("provider", _TEXT), ("options", _TEXTS)])),
    ("schemaString", _TEXT),
    ("partitionColumns", pa.list_(_TEXT)),
    ("configuration", _TEXTS),
    ("createdTime", _LONG),
]
_SIDECAR = [("path", _TEXT), ("sizeInBytes", _LONG), ("modificationTime", _LONG), ("tags", _TEXTS)]
_HEAD = [("version", _LONG), ("tags", _TEXTS)]
_UNBOUNDED = ("o", "y", "l", "p")
Action = dict[str, Any]


def write_checkpoint(
    log: Path,
    version: int,
    checkpoint: Checkpoint,
    schema: TableSchema,
    others: Sequence[Action],
    files: Sequence[DataFile],
) -> None:
    """Write the checkpoint of a version that has the files, and the other actions."""
    adds = [{"add": _add(file, checkpoint, schema)} for file in files]
    arrow = _schema(schema, checkpoint)
    if checkpoint.kind == "classic":
        _write(log / f"{version:020}.checkpoint.parquet", arrow, [*others, *adds])
    elif checkpoint.kind == "parts":
        _write_parts(log, version, arrow, [*others, *adds])
    else:
        _write_v2(log, version, arrow, others, adds, checkpoint.kind.removeprefix("v2 "))
    pointer: dict[str, Any] = {"version": version, "size": len(others) + len(adds)}
    if checkpoint.kind == "parts":
        pointer["parts"] = 2
    (log / "_last_checkpoint").write_text(json.dumps(pointer))


def _write(path: Path, schema: pa.Schema, actions: Iterable[Action]) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(actions), schema), path, store_schema=False)


def _write_parts(log: Path, version: int, schema: pa.Schema, actions: list[Action]) -> None:
    for part, some in enumerate((actions[::2], actions[1::2])):
        name = f"{version:020}.checkpoint.{part + 1:010}.{2:010}.parquet"
        _write(log / name, schema, some)


def _write_v2(
    log: Path,
    version: int,
    schema: pa.Schema,
    others: Sequence[Action],
    adds: Sequence[Action],
    ending: str,
) -> None:
    """One sidecar has the files, with removes; the rest is in the file that names it."""
    removes = [action for action in others if "remove" in action]
    rest = [action for action in others if "remove" not in action]
    name = f"{uuid.uuid4()}.parquet"
    sidecar = log / "_sidecars" / name
    _write(
        sidecar, pa.schema([f for f in schema if f.name in ("add", "remove")]), [*removes, *adds]
    )
    told = {"path": name, "sizeInBytes": sidecar.stat().st_size, "modificationTime": 0}
    top = [{"checkpointMetadata": {"version": version}}, *rest, {"sidecar": told}]
    path = log / f"{version:020}.checkpoint.{uuid.uuid4()}.{ending}"
    if ending == "json":
        path.write_bytes(b"".join(msgspec.json.encode(action) + b"\n" for action in top))
    else:
        _write(path, schema, top)


def _schema(schema: TableSchema, checkpoint: Checkpoint) -> pa.Schema:
    add = list(_ADD)
    if checkpoint.statistics != "struct":
        add.append(("stats", _TEXT))
    if checkpoint.statistics != "json":
        add.append(("stats_parsed", _parsed_type(schema)))
        keys = schema.layout.partition_by
        if keys:
            kinds = [(schema.physical(name), SCHEMA.field(name).type) for name in keys]
            add.append(("partitionValues_parsed", pa.struct(kinds)))
    actions = {
        "protocol": _PROTOCOL,
        "metaData": _METADATA,
        "add": add,
        "remove": _REMOVE,
        "checkpointMetadata": _HEAD,
        "sidecar": _SIDECAR,
    }
    if not checkpoint.kind.startswith("v2"):
        del actions["checkpointMetadata"], actions["sidecar"]
    return pa.schema([(name, pa.struct(fields)) for name, fields in actions.items()])


def _parsed_type(schema: TableSchema) -> pa.DataType:
    bounds = pa.struct(_leaves(schema, None))
    return pa.struct(
        [
            ("numRecords", _LONG),
            ("tightBounds", _BOOL),
            ("minValues", bounds),
            ("maxValues", bounds),
            ("nullCount", pa.struct(_leaves(schema, _LONG))),
        ]
    )


def _leaves(schema: TableSchema, kind: pa.DataType | None) -> list[tuple[str, pa.DataType]]:
    """The columns that statistics may have, of their own types or of `kind`."""
    found = []
    for name in schema.columns():
        own = SCHEMA.field(name).type
        if name in schema.layout.partition_by or (kind is None and name in _UNBOUNDED):
            continue
        if pa.types.is_struct(own):
            fields = schema.fields_of(name)
            inner = [(schema.physical(name, f), kind or own.field(f).type) for f in fields]
            found.append((schema.physical(name), pa.struct(inner)))
        else:
            found.append((schema.physical(name), kind or own))
    return found


def _add(file: DataFile, checkpoint: Checkpoint, schema: TableSchema) -> dict[str, Any]:
    add = {**file.add, "dataChange": False}
    if checkpoint.statistics == "struct":
        add.pop("stats", None)
    if checkpoint.statistics == "json":
        return add
    if file.statistics is not None:
        add["stats_parsed"] = _parsed(file.statistics, _parsed_type(schema))
    add["partitionValues_parsed"] = {
        schema.physical(name): value
        for name, value in zip(schema.layout.partition_by, file.values, strict=True)
    }
    return add


def _parsed(value: Any, kind: pa.DataType) -> Any:
    """A value of JSON as one of its type."""
    if isinstance(value, dict):
        inner = {field.name: field.type for field in kind}
        return {name: _parsed(v, inner[name]) for name, v in value.items() if name in inner}
    if not isinstance(value, str) or pa.types.is_string(kind):
        return value
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_date(kind):
        return dt.date.fromisoformat(value)
    return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
