"""Checkpoints by hand, of every kind, in place of the commit that they are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Action = dict[str, Any]

TEXTS = pa.map_(pa.string(), pa.string())
FORMAT = pa.struct([("provider", pa.string()), ("options", TEXTS)])
SCHEMA = pa.schema({
    "protocol": pa.struct([
        ("minReaderVersion", pa.int32()),
        ("minWriterVersion", pa.int32()),
        ("readerFeatures", pa.list_(pa.string())),
        ("writerFeatures", pa.list_(pa.string())),
    ]),
    "metaData": pa.struct([
        ("id", pa.string()),
        ("name", pa.string()),
        ("format", FORMAT),
        ("schemaString", pa.string()),
        ("partitionColumns", pa.list_(pa.string())),
        ("configuration", TEXTS),
        ("createdTime", pa.int64()),
    ]),
    "add": pa.struct([
        ("path", pa.string()),
        ("partitionValues", TEXTS),
        ("size", pa.int64()),
        ("modificationTime", pa.int64()),
        ("dataChange", pa.bool_()),
        ("stats", pa.string()),
    ]),
    "remove": pa.struct([("path", pa.string()), ("dataChange", pa.bool_())]),
    "sidecar": pa.struct([
        ("path", pa.string()),
        ("sizeInBytes", pa.int64()),
        ("modificationTime", pa.int64()),
    ]),
    "checkpointMetadata": pa.struct([("version", pa.int64())]),
})  # fmt: skip
V2 = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": ["v2Checkpoint"],
    "writerFeatures": ["v2Checkpoint"],
}


def classic(root: Path) -> None:
    _parquet(root / "_delta_log" / f"{0:020}.checkpoint.parquet", _taken(root))


def multi_part(root: Path) -> None:
    actions = _taken(root)
    for part, some in enumerate((actions[::2], actions[1::2]), 1):
        name = f"{0:020}.checkpoint.{part:010}.{2:010}.parquet"
        _parquet(root / "_delta_log" / name, some)


def json_with_sidecars(root: Path) -> None:
    actions = _with_sidecars(root, _taken(root))
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    (root / "_delta_log" / f"{0:020}.checkpoint.{_UUID}.json").write_text(lines)


def parquet_with_sidecars(root: Path) -> None:
    """With a hint that has the sidecars' sizes, as Delta-Spark writes it."""
    actions = _with_sidecars(root, _taken(root))
    name = f"{0:020}.checkpoint.{_UUID}.parquet"
    _parquet(root / "_delta_log" / name, actions)
    sidecars = [action["sidecar"] for action in actions if "sidecar" in action]
    size = (root / "_delta_log" / name).stat().st_size
    told = {"path": name, "sizeInBytes": size, "modificationTime": 0, "sidecarFiles": sidecars}
    hint = {"version": 0, "size": len(actions), "v2Checkpoint": told}
    (root / "_delta_log" / "_last_checkpoint").write_text(json.dumps(hint))


KINDS: list[Callable[[Path], None]] = [
    classic,
    multi_part,
    json_with_sidecars,
    parquet_with_sidecars,
]
_UUID = "80a083e8-7026-4e79-81be-64bd76c43a11"


def _taken(root: Path) -> list[Action]:
    """The actions of version 0, whose commit goes."""
    commit = root / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    commit.unlink()
    return actions


def _parquet(path: Path, actions: Sequence[Action]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = [{kind: _with_maps(action) for kind, action in row.items()} for row in actions]
    columns = {kind: [row.get(kind) for row in rows] for kind in SCHEMA.names}
    pq.write_table(pa.table(columns, schema=SCHEMA), path)


def _with_maps(action: Action) -> Action:
    """Maps as pyarrow takes them: lists of pairs."""
    pairs = dict(action)
    for name in ("partitionValues", "configuration", "options"):
        if pairs.get(name) is not None:
            pairs[name] = list(pairs[name].items())
    if pairs.get("format") is not None:
        pairs["format"] = _with_maps(pairs["format"])
    return pairs


def _with_sidecars(root: Path, actions: Sequence[Action]) -> list[Action]:
    adds = [action for action in actions if "add" in action]
    others = [{"protocol": V2} if "protocol" in action else action for action in actions]
    others = [action for action in others if "add" not in action]
    sidecars = []
    for number, some in enumerate((adds[::2], adds[1::2])):
        path = root / "_delta_log" / "_sidecars" / f"sidecar-{number}.parquet"
        _parquet(path, some)
        size = path.stat().st_size
        sidecar = {"path": path.name, "sizeInBytes": size, "modificationTime": 0}
        sidecars.append({"sidecar": sidecar})
    return [{"checkpointMetadata": {"version": 0}}, *others, *sidecars]
