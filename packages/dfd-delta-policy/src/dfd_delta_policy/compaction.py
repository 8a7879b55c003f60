"""OPTIMIZE without deltalake's own, whose conflict check lets rows double under a race.

The small files of each partition are rewritten once; then removes and adds are committed at exactly
the next version. When another commit took it, the rewritten files are looked up again: if all
are still there as they were, the same commit is tried on top, without rewriting. If any is gone,
the rewrite is thrown away and planned anew.

Files are rewritten as they are, with their physical column names, so that partition columns and
values stay what the log says.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from dfd_delta_policy.errors import UnsupportedTable
from dfd_delta_policy.loop import Attempt, Done

# A rewritten file must keep what these features say of rows; that isn't built yet.
_UNSUPPORTED = (
    "deletionVectors",
    "rowTracking",
    "columnMapping",
    "icebergCompatV1",
    "typeWidening",
)
_STATISTICS_COLUMNS = 32


class _File(NamedTuple):
    path: str
    size: int
    partition: Mapping[str, str | None]


class _Rewrite(NamedTuple):
    old: list[_File]
    new: list[AddAction]


class Compaction:
    """One OPTIMIZE; `attempt` is given to the loop, `close` removes what was staged in vain."""

    def __init__(self, uri: str, storage_options: dict[str, str], target_size_bytes: int) -> None:
        self._target = target_size_bytes
        self._files = pa.fs.PyFileSystem(DeltaStorageHandler(uri, options=storage_options))
        self._rewrite: _Rewrite | None = None
        self._committed = False

    def attempt(self, attempt: Attempt) -> Done:
        """Commit the rewrite at the version after the handle's, making it first if need be."""
        table = attempt.table
        if table is None:
            raise UnsupportedTable("There is no table to optimize.")
        _refuse_unsupported(table)
        active = {file.path: file for file in _active(table)}
        if self._rewrite is not None and any(
            active.get(file.path) != file for file in self._rewrite.old
        ):
            self._discard()
        if self._rewrite is None:
            self._rewrite = self._stage(table, list(active.values()))
        rewrite = self._rewrite
        metrics = {
            "numFilesRemoved": len(rewrite.old),
            "numFilesAdded": len(rewrite.new),
            "numBytesRemoved": sum(file.size for file in rewrite.old),
            "numBytesAdded": sum(add.size for add in rewrite.new),
        }
        if not rewrite.old:
            return Done(None, metrics)
        base = table.version()
        now = int(time.time() * 1000)
        removes = [
            RemoveAction(
                path=file.path,
                data_change=False,
                deletion_timestamp=now,
                partition_values=dict(file.partition),
                size=file.size,
            )
            for file in rewrite.old
        ]
        table.create_write_transaction(
            [*removes, *rewrite.new],
            "append",
            table.schema(),
            table.metadata().partition_columns,
            commit_properties=attempt.commit,
        )
        self._committed = True
        return Done(base + 1, metrics)

    def close(self, *, landed: bool) -> None:
        """Remove staged files unless the commit that refers to them is in the log."""
        if not (landed or self._committed):
            self._discard()

    def _discard(self) -> None:
        if self._rewrite is not None:
            for add in self._rewrite.new:
                with contextlib.suppress(FileNotFoundError):
                    self._files.delete_file(add.path)
            self._rewrite = None

    def _stage(self, table: DeltaTable, active: list[_File]) -> _Rewrite:
        new: list[AddAction] = []
        old: list[_File] = []
        schema = _physical_schema(table)
        try:
            for group in _groups(active, self._target):
                new.append(self._merge(group, schema, table.metadata().partition_columns))
                old += group
        except BaseException:
            self._rewrite = _Rewrite(old, new)
            self._discard()
            raise
        return _Rewrite(old, new)

    def _merge(self, group: list[_File], schema: pa.Schema, partition_by: list[str]) -> AddAction:
        """Write the rows of a group into one file, row group by row group."""
        partition = dict(group[0].partition)
        directory = "".join(
            f"{quote(column, safe='')}={_hive(partition.get(column))}/" for column in partition_by
        )
        path = f"{directory}part-00000-{uuid.uuid4()}-c000.zstd.parquet"
        statistics = _Statistics(schema)
        try:
            with (
                self._files.open_output_stream(path) as sink,
                pq.ParquetWriter(sink, schema, compression="zstd") as writer,
            ):
                for file in group:
                    for table in self._row_groups(file, schema):
                        statistics.add(table)
                        writer.write_table(table)
            size = self._files.get_file_info(path).size
        except BaseException:
            with contextlib.suppress(OSError):
                self._files.delete_file(path)
            raise
        return AddAction(
            path=path,
            size=size,
            partition_values=partition,
            modification_time=int(time.time() * 1000),
            data_change=False,
            stats=statistics.to_json(),
        )

    def _row_groups(self, file: _File, schema: pa.Schema) -> Iterator[pa.Table]:
        with self._files.open_input_file(file.path) as opened:
            parquet = pq.ParquetFile(opened)
            for index in range(parquet.num_row_groups):
                table = parquet.read_row_group(index)
                columns = [
                    table[field.name].cast(field.type)
                    if field.name in table.column_names
                    else pa.nulls(table.num_rows, field.type)
                    for field in schema
                ]
                yield pa.table(columns, schema=schema)


def _refuse_unsupported(table: DeltaTable) -> None:
    protocol = table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    found = [name for name in _UNSUPPORTED if name in features]
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.append("columnMapping")
    if found:
        raise UnsupportedTable(
            f"OPTIMIZE of this version of dfd can't rewrite a table with {', '.join(sorted(set(found)))}. "
            "Nothing was changed."
        )


def _active(table: DeltaTable) -> Iterator[_File]:
    actions = pa.table(table.get_add_actions())
    columns = [c for c in ("path", "size_bytes", "partition") if c in actions.column_names]
    for row in actions.select(columns).to_pylist():
        partition = {k: _partition_text(v) for k, v in (row.get("partition") or {}).items()}
        # The log has the path percent-encoded; deltalake encodes it again when it commits.
        yield _File(unquote(row["path"]), row["size_bytes"], partition)


def _partition_text(value: object) -> str | None:
    """A partition value as the protocol writes it (section Partition Value Serialization)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc).replace(tzinfo=None)
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return str(value)


def _hive(value: str | None) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe="")


def _groups(active: list[_File], target: int) -> Iterator[list[_File]]:
    """Files of one partition that together stay within the target, two at least."""
    partitions: dict[tuple[tuple[str, str | None], ...], list[_File]] = {}
    for file in active:
        if file.size < target:
            partitions.setdefault(tuple(sorted(file.partition.items())), []).append(file)
    for files in partitions.values():
        group: list[_File] = []
        for file in sorted(files, key=lambda f: f.size):
            if group and sum(f.size for f in group) + file.size > target:
                if len(group) > 1:
                    yield group
                group = []
            group.append(file)
        if len(group) > 1:
            yield group


def _physical_schema(table: DeltaTable) -> pa.Schema:
    from dfd_delta_policy.source import plain_schema

    partition_by = set(table.metadata().partition_columns)
    schema = plain_schema(pa.schema(table.schema().to_arrow()))
    return pa.schema([field for field in schema if field.name not in partition_by])


class _Statistics:
    """File statistics as the protocol's JSON; of the first 32 columns that have an order."""

    def __init__(self, schema: pa.Schema) -> None:
        self._rows = 0
        self._nulls: dict[str, int] = {}
        self._least: dict[str, Any] = {}
        self._greatest: dict[str, Any] = {}
        self._columns = [f for f in schema if _is_ordered(f.type)][:_STATISTICS_COLUMNS]

    def add(self, table: pa.Table) -> None:
        self._rows += table.num_rows
        for field in self._columns:
            name, column = field.name, table[field.name]
            self._nulls[name] = self._nulls.get(name, 0) + column.null_count
            if pa.types.is_floating(field.type) and pc.any(pc.is_nan(column)).as_py():
                # NaN has no place in JSON, nor in the order of the protocol.
                self._least[name] = self._greatest[name] = None
            bounds = pc.min_max(column).as_py()
            for kept, key, choose in (
                (self._least, "min", min),
                (self._greatest, "max", max),
            ):
                value = bounds[key]
                if value is None or (name in kept and kept[name] is None):
                    continue
                kept[name] = choose(kept[name], value) if name in kept else value

    def to_json(self) -> str:
        def bounds(values: dict[str, Any]) -> dict[str, Any]:
            return {name: _json_value(v) for name, v in values.items() if _has_bound(v)}

        return json.dumps(
            {
                "numRecords": self._rows,
                "minValues": bounds(self._least),
                "maxValues": bounds(self._greatest),
                "nullCount": self._nulls,
            }
        )


def _is_ordered(kind: pa.DataType) -> bool:
    # Text is left out: the protocol's truncation of long bounds isn't built yet.
    is_one_of = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    return any(is_kind(kind) for is_kind in is_one_of)


def _has_bound(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc)
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return msgspec.json.decode(str(value))
    return value
