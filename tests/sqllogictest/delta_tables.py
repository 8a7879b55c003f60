"""Rows as a Delta table of many files with small row groups, or as batches in another order."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds
from deltalake import WriterProperties, convert_to_deltalake, write_deltalake

FILES = 8
ROW_GROUPS = 3
PARTITIONS = 4
BATCH_ROWS = 3
MOST_BATCHES = 400

# What a column of a Delta table without column mapping may not have in its name.
_REFUSED_IN_NAMES = re.compile(r"[ ,;{}()\n\t=]")
_KEPT = frozenset(
    map(
        str,
        (
            pa.bool_(),
            pa.int8(),
            pa.int16(),
            pa.int32(),
            pa.int64(),
            pa.float32(),
            pa.float64(),
            pa.date32(),
            pa.timestamp("us"),
            pa.timestamp("us", "UTC"),
        ),
    )
)
_NEIGHBOURS = {
    "uint8": pa.int16(),
    "uint16": pa.int32(),
    "uint32": pa.int64(),
    "uint64": pa.int64(),
    "halffloat": pa.float32(),
    "date64[ms]": pa.date32(),
}
_TEXTS = frozenset({"string", "large_string", "string_view"})
_BYTES = frozenset({"binary", "large_binary", "binary_view"})


class NotHeld(Exception):
    """Why a Delta table can't hold the rows."""


def held(rows: pa.Table) -> pa.Table:
    """The rows with Delta's types: their own, or the nearest that have every value.

    Raises:
        NotHeld: there are none.
    """
    names = [name.lower() for name in rows.schema.names]
    if not names:
        raise NotHeld("no columns")
    if len(set(names)) < len(names):
        raise NotHeld("two columns of one name")
    if any(map(_REFUSED_IN_NAMES.search, names)) or "" in names:
        raise NotHeld("a name that Delta refuses")
    schema = pa.schema([pa.field(field.name, _held(field.type)) for field in rows.schema])
    try:
        return rows.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise NotHeld("values that the nearest types don't have") from error


def _held(kind: pa.DataType) -> pa.DataType:
    """The type of Delta that is `kind`, or the nearest."""
    text = str(kind)
    if text in _KEPT:
        return kind
    if text in _NEIGHBOURS:
        return _NEIGHBOURS[text]
    if text in _TEXTS:
        return pa.string()
    if text in _BYTES or kinds.is_fixed_size_binary(kind):
        return pa.binary()
    if kinds.is_decimal(kind) and kind.precision <= 38 and 0 <= kind.scale <= kind.precision:
        return pa.decimal128(kind.precision, kind.scale)
    if kinds.is_timestamp(kind) and kind.tz in (None, "UTC", "+00:00"):
        return pa.timestamp("us", kind.tz and "UTC")
    if kinds.is_dictionary(kind):
        return _held(kind.value_type)
    return _held_nested(kind)


def _held_nested(kind: pa.DataType) -> pa.DataType:
    if kinds.is_struct(kind) and kind.num_fields:
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([pa.field(field.name, _held(field.type)) for field in fields])
    if kinds.is_map(kind):
        entry = (
            pa.field("key", _held(kind.key_type), False),
            pa.field("value", _held(kind.item_type)),
        )
        return pa.map_(*entry)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        # Delta's name for it, where DataFusion's own lists have `item`.
        return pa.list_(pa.field("element", _held(kind.value_type)))
    raise NotHeld(f"a column of {_NUMBERS.sub('', str(kind).partition('<')[0])}")


_NUMBERS = re.compile(r"\(.*|\[.*")


def write(path: Path, rows: pa.Table) -> None:
    """Write the table anew: up to `FILES` files in the order of the rows, each of several row groups."""
    file_rows = max(2, -(-len(rows) // FILES))
    group_rows = -(-file_rows // ROW_GROUPS)
    parts = [rows.slice(start, file_rows) for start in range(0, len(rows), file_rows)] or [rows]
    if len(rows) == 0 or path.exists():
        _commit_each(path, parts, group_rows)
        return
    path.mkdir(parents=True)
    for number, part in enumerate(parts):
        pq.write_table(part, path / f"{number:02}.parquet", row_group_size=group_rows)
    # One commit with the statistics of the footers; a commit for each file takes five times as long.
    convert_to_deltalake(path)


def _commit_each(path: Path, parts: list[pa.Table], group_rows: int) -> None:
    properties = WriterProperties(max_row_group_size=group_rows, compression="SNAPPY")
    first, *others = parts
    write_deltalake(
        path, first, mode="overwrite", schema_mode="overwrite", writer_properties=properties
    )
    for part in others:
        write_deltalake(path, part, mode="append", writer_properties=properties)


def turned(rows: pa.Table) -> list[list[pa.RecordBatch]]:
    """The rows from the last to the first, as small batches over several partitions."""
    return _dealt(rows, range(len(rows) - 1, -1, -1))


def shuffled(rows: pa.Table, seed: int) -> list[list[pa.RecordBatch]]:
    """The rows in an order that follows from the seed, as small batches over several partitions."""
    return _dealt(rows, random.Random(seed).sample(range(len(rows)), len(rows)))


def together(rows: pa.Table) -> list[list[pa.RecordBatch]]:
    """The rows as they are, in one batch."""
    return [rows.combine_chunks().to_batches() or [_empty(rows)]]


def _dealt(rows: pa.Table, order: Sequence[int]) -> list[list[pa.RecordBatch]]:
    size = max(BATCH_ROWS, len(rows) // MOST_BATCHES)
    ordered = rows.take(pa.array(order, pa.int64())).combine_chunks()
    batches = ordered.to_batches(max_chunksize=size)
    return [batches[start::PARTITIONS] or [_empty(rows)] for start in range(PARTITIONS)]


def _empty(rows: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], rows.schema)
