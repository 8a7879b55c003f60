"""The same rows as Delta tables of many shapes, with files and a log written by hand, as other writers leave them."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import random
import struct
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from columns import COLUMNS, SCHEMA

_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_TO_Z85 = str.maketrans(_B85, _Z85)
_FEATURES = ["timestampNtz", "deletionVectors", "columnMapping"]
_KEPT_OF_TEXT = 32
# Decimals are numbers in statistics, with all their digits.
_JSON = msgspec.json.Encoder(decimal_format="number")


class Layout(NamedTuple):
    """How a table of `rows` rows is laid out; all of it, and the rows, follow from these few numbers."""

    seed: int
    rows: int
    files: int
    row_group_size: int
    partition_by: tuple[str, ...]
    mapping: str | None
    has_statistics: bool
    deleted_percent: int
    # How many different values a column has, so that there are ties, and files that can be skipped.
    variety: int
    is_clustered: bool


class Table(NamedTuple):
    """A table on disk, and the rows that it has."""

    path: Path
    rows: pa.Table


def make(layout: Layout, root: Path) -> Table:
    """Write the table of a layout under `root`."""
    chance = random.Random(layout.seed)
    rows = _rows(layout, chance)
    path = root / uuid.uuid4().hex
    (path / "_delta_log").mkdir(parents=True)
    names = {name: f"col-{n}" if layout.mapping else name for n, name in enumerate(SCHEMA.names)}
    actions: list[dict[str, Any]] = [*_head(layout, names)]
    live = []
    for number, (values, part) in enumerate(_parts(layout, rows)):
        actions_of_file, kept = _file(layout, path, number, values, part, names, chance)
        actions.append(actions_of_file)
        live.append(kept)
    lines = b"".join(msgspec.json.encode(action) + b"\n" for action in actions)
    (path / "_delta_log" / f"{0:020}.json").write_bytes(lines)
    return Table(path, pa.concat_tables(live) if live else rows.slice(0, 0))


def _rows(layout: Layout, chance: random.Random) -> pa.Table:
    columns: dict[str, pa.Array] = {"id": pa.array(range(layout.rows), pa.int64())}
    for name, column in COLUMNS.items():
        pool = [None, *column.values]
        if name in layout.partition_by and column.delta == "string":
            pool.remove("")  # The protocol takes it for null.
        found = [chance.choice(pool) for _ in range(layout.variety)]
        picked = [chance.choice(found) for _ in range(layout.rows)]
        if layout.is_clustered and name in ("i", "s", "z", "m"):
            picked.sort(key=lambda value: (value is not None, value if value is not None else 0))
        columns[name] = pa.array(picked, column.arrow)
    return pa.table(columns, SCHEMA)


def _parts(layout: Layout, rows: pa.Table) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """The rows of each file, with the partition values that they share."""
    size = max(1, -(-layout.rows // layout.files))
    for start in range(0, layout.rows, size):
        part = rows.slice(start, size)
        keys = list(zip(*(part[name].to_pylist() for name in layout.partition_by), strict=True))
        if not keys:
            yield (), part
            continue
        for key in dict.fromkeys(keys):
            yield key, part.take([n for n, found in enumerate(keys) if found == key])


def _head(layout: Layout, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    fields = [
        _field(name, "long" if name == "id" else COLUMNS[name].delta, names[name], number, layout)
        for number, name in enumerate(SCHEMA.names)
    ]
    configuration = {} if layout.mapping is None else {"delta.columnMapping.mode": layout.mapping}
    if layout.mapping:
        configuration["delta.columnMapping.maxColumnId"] = "1000"
    yield {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": _FEATURES,
            "writerFeatures": _FEATURES,
        }
    }
    yield {
        "metaData": {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}),
            "partitionColumns": list(layout.partition_by),
            "configuration": configuration,
            "createdTime": 0,
        }
    }


def _field(name: str, kind: Any, physical: str, number: int, layout: Layout) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if layout.mapping:
        metadata = {
            "delta.columnMapping.id": number + 1,
            "delta.columnMapping.physicalName": physical,
        }
        if isinstance(kind, dict) and kind["type"] == "struct":
            inner = [
                _field(one["name"], one["type"], f"{physical}-{n}", 100 * (number + 1) + n, layout)
                for n, one in enumerate(kind["fields"])
            ]
            kind = {"type": "struct", "fields": inner}
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


def _stored(layout: Layout, field: pa.Field, physical: str, number: int) -> pa.Field:
    """The field of a file: with its physical name, and its id where the mapping is by id."""
    if layout.mapping is None:
        return field
    kind = field.type
    if pa.types.is_struct(kind):
        kind = pa.struct(
            [
                _stored(layout, kind.field(n), f"{physical}-{n}", 100 * (number + 1) + n)
                for n in range(kind.num_fields)
            ]
        )
    return pa.field(physical, kind, True, {b"PARQUET:field_id": str(number + 1).encode()})


def _file(
    layout: Layout,
    path: Path,
    number: int,
    values: tuple[Any, ...],
    part: pa.Table,
    names: dict[str, str],
    chance: random.Random,
) -> tuple[dict[str, Any], pa.Table]:
    """The add action of a file that was written, and the rows of it that are left."""
    stored = part.drop_columns(list(layout.partition_by))
    fields = [
        _stored(layout, field, names[field.name], SCHEMA.names.index(field.name))
        for field in stored.schema
    ]
    arrays = [
        column.combine_chunks().cast(field.type)
        if not pa.types.is_struct(field.type)
        else pa.StructArray.from_arrays(
            [column.combine_chunks().field(n) for n in range(field.type.num_fields)],
            fields=list(field.type),
            mask=column.combine_chunks().is_null(),
        )
        for column, field in zip(stored.columns, fields, strict=True)
    ]
    name = f"part-{number:05}.parquet"
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=pa.schema(fields)),
        path / name,
        row_group_size=layout.row_group_size,
        store_schema=False,
    )
    gone = [n for n in range(len(part)) if chance.randrange(100) < layout.deleted_percent]
    add: dict[str, Any] = {
        "path": quote(name),
        "partitionValues": {
            names[column]: _partition_value(value)
            for column, value in zip(layout.partition_by, values, strict=True)
        },
        "size": (path / name).stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
    }
    if layout.has_statistics or gone:
        statistics = _statistics(layout, stored, names, is_exact=not gone)
        add["stats"] = _JSON.encode(statistics).decode()
    if gone:
        add["deletionVector"] = _deletion_vector(gone)
    left = [n for n in range(len(part)) if n not in set(gone)]
    return {"add": add}, part.take(pa.array(left, pa.int64()))


def _partition_value(value: Any) -> str | None:
    """As the protocol writes it (section Partition Value Serialization)."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _statistics(
    layout: Layout, part: pa.Table, names: dict[str, str], is_exact: bool
) -> dict[str, Any]:
    """Statistics as Spark writes them: texts and times cut, NaN the greatest of all."""
    found: dict[str, Any] = {"numRecords": len(part), "tightBounds": is_exact}
    if not layout.has_statistics:
        return found
    least, most, nulls = {}, {}, {}
    for name in part.column_names:
        values = part[name].to_pylist()
        present = [value for value in values if value is not None]
        if not pa.types.is_struct(part[name].type):
            nulls[names[name]] = len(values) - len(present)
        bounds = _bounds(present) if name == "id" or name in _BOUNDED else None
        if bounds is not None:
            least[names[name]], most[names[name]] = bounds
    return {**found, "minValues": least, "maxValues": most, "nullCount": nulls}


_BOUNDED = frozenset([*"inhbfemgsdz", "ts"])


def _bounds(values: Sequence[Any]) -> tuple[Any, Any] | None:
    if not values:
        return None
    first = values[0]
    if isinstance(first, str):
        return _bounds_of_text(min(values), max(values))
    if isinstance(first, float):
        rest = [value for value in values if not math.isnan(value)]
        most = "NaN" if len(rest) < len(values) else _number(max(rest))
        return (_number(min(rest)) if rest else "NaN"), most
    return _bound(min(values)), _bound(max(values))


def _number(value: float) -> float | str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _bounds_of_text(least: str, most: str) -> tuple[str, str] | None:
    if len(most) <= _KEPT_OF_TEXT:
        return least[:_KEPT_OF_TEXT], most
    if most.startswith("\U0010ffff"):
        return None
    return least[:_KEPT_OF_TEXT], most[:_KEPT_OF_TEXT] + "\U0010ffff"


def _bound(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        text = value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].rjust(23, "0")
        return text + ("Z" if value.tzinfo else "")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def _deletion_vector(rows: Sequence[int]) -> dict[str, Any]:
    """Kept in the log itself (section Deletion Vector Format), one array container of the Roaring format."""
    bitmap = struct.pack("<IIHH", 12346, 1, 0, len(rows) - 1) + struct.pack("<I", 16)
    bitmap += b"".join(struct.pack("<H", row) for row in rows)
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    size = len(data)
    data += b"\0" * (-size % 4)
    return {
        "storageType": "i",
        "pathOrInlineDv": base64.b85encode(data).decode().translate(_TO_Z85),
        "sizeInBytes": size,
        "cardinality": len(rows),
    }
