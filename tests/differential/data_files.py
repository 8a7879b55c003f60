"""One data file, and what the log says of it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from columns import SCHEMA
from deletion_vectors import deletion_vector
from file_statistics import Statistics, statistics
from table_schema import TableSchema

_LONGEST_FOLDER = 120
# Decimals are numbers in statistics, with all their digits.
_JSON = msgspec.json.Encoder(decimal_format="number")
_PAGES: dict[str, dict[str, Any]] = {
    "dictionary": {},
    "plain": {"use_dictionary": False, "compression": "zstd", "data_page_version": "2.0"},
    "small": {"use_dictionary": False, "data_page_size": 1, "write_batch_size": 3},
    "small dictionary": {"data_page_size": 1, "write_batch_size": 4, "compression": "none"},
}


class DataFile(NamedTuple):
    """A file that is there: its action, all of its rows in `SCHEMA`, and which of them are deleted."""

    add: dict[str, Any]
    values: tuple[Any, ...]
    statistics: Statistics | None
    rows: pa.Table
    gone: frozenset[int] = frozenset()

    def left(self) -> pa.Table:
        left = [n for n in range(len(self.rows)) if n not in self.gone]
        return self.rows.take(pa.array(left, pa.int64()))


def write_file(
    schema: TableSchema,
    root: Path,
    number: int,
    values: tuple[Any, ...],
    rows: pa.Table,
    data_change: bool = True,
) -> DataFile:
    """Write the rows, which share the partition values `values`."""
    layout = schema.layout
    chance = layout.chance("file", number)
    names = [name for name in schema.columns() if name not in layout.partition_by]
    stored = rows.select(names)
    path = _path(schema, number, values)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        _stored(schema, stored, chance),
        root / path,
        row_group_size=layout.written.row_group_size,
        store_schema=False,
        write_page_index=True,
        **_PAGES[layout.written.pages],
    )
    known = statistics(layout.statistics, schema, stored, chance)
    is_absolute = layout.written.paths == "absolute"
    add = {
        "path": (root / path).as_uri() if is_absolute else quote(path),
        "partitionValues": {
            schema.physical(column): partition_value(value, chance)
            for column, value in zip(layout.partition_by, values, strict=True)
        },
        "size": (root / path).stat().st_size,
        "modificationTime": 0,
        "dataChange": data_change,
    }
    if known is not None:
        add["stats"] = _JSON.encode(known).decode()
    return DataFile(add, values, known, rows)


def without_rows(
    file: DataFile, gone: frozenset[int], root: Path, chance: random.Random
) -> DataFile:
    """The file with a deletion vector; bounds may then be wider than what is left."""
    known = {**(file.statistics or {"numRecords": len(file.rows)}), "tightBounds": False}
    vector = deletion_vector(sorted(gone), root, chance.choice("iup"))
    add = {**file.add, "stats": _JSON.encode(known).decode(), "deletionVector": vector}
    return file._replace(add=add, statistics=known, gone=gone)


def partition_value(value: Any, chance: random.Random | None = None) -> str | None:
    """As the protocol writes it (section Partition Value Serialization): no text is null too."""
    if value is None:
        return chance.choice((None, "")) if chance else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        if value.tzinfo:
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _path(schema: TableSchema, number: int, values: Sequence[Any]) -> str:
    name = f"part-{number:05}.parquet"
    if schema.layout.written.paths != "hive":
        return name
    folders = [
        f"{schema.physical(column)}={quote(str(value), safe=' ')}"
        for column, value in zip(schema.layout.partition_by, values, strict=True)
    ]
    fitting = [folder for folder in folders if len(folder) <= _LONGEST_FOLDER]
    return "/".join([*fitting, name])


def _stored(schema: TableSchema, rows: pa.Table, chance: random.Random) -> pa.Table:
    """The columns as the file has them."""
    columns = [
        _array(schema, name, column.combine_chunks(), chance)
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    ]
    fields = [
        _field(schema, array.type, name)
        for array, name in zip(columns, rows.column_names, strict=True)
    ]
    if schema.layout.written.has_more:
        columns.append(pa.array(["more"] * len(rows)))
        fields.append(pa.field("of no column", pa.string()))
    order = list(range(len(columns)))
    if schema.layout.written.is_shuffled:
        chance.shuffle(order)
    return pa.Table.from_arrays(
        [columns[n] for n in order], schema=pa.schema([fields[n] for n in order])
    )


def _array(schema: TableSchema, name: str, array: pa.Array, chance: random.Random) -> pa.Array:
    if not pa.types.is_struct(array.type):
        return array
    inner = schema.fields_of(name)
    if schema.layout.written.is_shuffled:
        chance.shuffle(inner)
    fields = [_field(schema, array.type.field(field).type, name, field) for field in inner]
    arrays = [array.field(field) for field in inner]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=array.is_null())


def _field(
    schema: TableSchema, kind: pa.DataType, column: str, field: str | None = None
) -> pa.Field:
    name = schema.physical(column, field)
    number = schema.number(column, field)
    spelling = schema.layout.written.spelling
    if spelling == "other case":
        name = name.swapcase()
    if spelling == "own" and schema.layout.mapping == "id":
        name = f"own {number}"
    metadata = None if number is None else {b"PARQUET:field_id": str(number).encode()}
    return pa.field(name, kind, True, metadata)


def parts(
    partition_by: Sequence[str], rows: pa.Table, count: int
) -> list[tuple[tuple[Any, ...], pa.Table]]:
    """The rows of each of about `count` files, with the partition values that they share."""
    assert rows.schema == SCHEMA
    size = max(1, -(-len(rows) // count))
    found = []
    for start in range(0, len(rows), size):
        part = rows.slice(start, size)
        if not partition_by:
            found.append(((), part))
            continue
        keys = list(zip(*(part[name].to_pylist() for name in partition_by), strict=True))
        for key in dict.fromkeys(keys):
            found.append((key, part.take([n for n, k in enumerate(keys) if k == key])))
    return found
