"""Plain tables rewritten by pyarrow and deltalake, where dfd-native isn't installed.

Files are rewritten as they are, so that partition columns and values stay what the log says. What
deltalake can't commit is refused: deletion vectors, column mapping, and paths that it would encode
otherwise. The history calls such an OPTIMIZE a WRITE.
"""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from dfd_delta_policy.backend.deltalake import refuse_odd_paths
from dfd_delta_policy.backend.deltalake_commits import DeltalakeCommits, open_table
from dfd_delta_policy.backend.file_statistics import FileStatistics
from dfd_delta_policy.backend.misread import misread_columns
from dfd_delta_policy.backend.protocol import FileAction, LiveStage, StagedFiles, Work
from dfd_delta_policy.errors import UnsupportedTable
from dfd_delta_policy.source import plain_schema

# Features that ask nothing of rewritten files and their commits, or what is done here: far fewer than
# `dfd_native.table_features` has.
_HONOURED = frozenset(
    {
        "allowColumnDefaults",
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "checkpointProtection",
        "domainMetadata",
        "generatedColumns",
        "inCommitTimestamp",
        "invariants",
        "timestampNtz",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    }
)
_LEASES = "_dfd/stages"


@dataclass(frozen=True)
class _Active:
    version: int
    actions: list[FileAction]

    @property
    def bytes(self) -> int:
        return sum(file["size"] for file in self.actions)

    def only(self, paths: Sequence[str]) -> _Active:
        wanted = {*paths}
        return _Active(self.version, [file for file in self.actions if file["path"] in wanted])

    def __len__(self) -> int:
        return len(self.actions)


class PlainTables(DeltalakeCommits):
    """The part of `dfd_native` that compacts a table, for plain ones; `options` are deltalake's."""

    def unsupported_features(self, features: Iterable[str], *work: Work) -> list[str]:
        """The features that a plain table doesn't have, sorted."""
        return sorted({*features} - _HONOURED)

    def stage(self, uri: str, data: Any, *args: Any, **kwargs: Any) -> StagedFiles:
        """Not without dfd-native: deltalake writes."""
        raise UnsupportedTable("Staged writes need dfd-native; nothing was read or written.")

    def live_stages(self, uri: str, options: Mapping[str, str] | None = None) -> list[LiveStage]:
        """Stages of dfd-native elsewhere: each lease is believed until it expires."""
        files = _files(uri, options)
        found = files.get_file_info(pyarrow.fs.FileSelector(_LEASES, allow_not_found=True))
        leases = (_lease(files, info.path) for info in found)
        now_ms = time.time() * 1000
        return [lease for lease in leases if lease is not None and lease.expires_ms >= now_ms]

    def active_files(
        self, uri: str, options: Mapping[str, str] | None = None, version: int | None = None
    ) -> _Active:
        """The files of a version.

        Raises:
            UnsupportedTable: the table isn't plain.
        """
        table = open_table(uri, options, version)
        _refuse_unsupported(table)
        refuse_odd_paths(table)
        found = pa.table(table.get_add_actions())
        columns = [c for c in ("path", "size_bytes", "partition") if c in found.column_names]
        actions: list[FileAction] = [
            {
                "path": row["path"],
                "size": row["size_bytes"],
                "partitionValues": {
                    name: _partition_text(value)
                    for name, value in (row.get("partition") or {}).items()
                },
            }
            for row in found.select(columns).to_pylist()
        ]
        return _Active(table.version(), actions)

    def misread_columns(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        predicate: str | None = None,
    ) -> Mapping[str, str]:
        """The misread columns in the files of a version; in all of them, whatever the predicate."""
        table = open_table(uri, options, version)
        paths = pa.table(table.get_add_actions())["path"].to_pylist()
        names = [field.name for field in table.schema().fields]
        return misread_columns(_files(uri, options), map(unquote, paths), names)

    def rewrite(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        paths: Sequence[str],
        z_order_by: Sequence[str] | None = None,
        target_file_bytes: int | None = None,
    ) -> StagedFiles:
        """Write the rows of files again, into files of up to the target for each partition.

        Raises:
            UnsupportedTable: the table isn't plain, or would be z-ordered.
        """
        if z_order_by:
            raise UnsupportedTable("A z-order needs dfd-native. Nothing was changed.")
        table = open_table(uri, options, version)
        active = {file["path"]: file for file in self.active_files(uri, options, version).actions}
        rewritten = _Rewritten(_files(uri, options), table)
        try:
            rewritten.write([active[path] for path in paths], target_file_bytes or math.inf)
        except BaseException:
            rewritten.drop()
            raise
        return rewritten


class _Lease(msgspec.Struct):
    """What dfd-native says of a stage (`crates/dfd-write/src/lease.rs`)."""

    stage_id: str
    host: str
    pid: int
    started_ms: int
    expires_ms: int

    @property
    def started(self) -> datetime:
        return datetime.fromtimestamp(self.started_ms / 1000, timezone.utc)


def _lease(files: pa.fs.FileSystem, path: str) -> _Lease | None:
    """The lease in a file; None where it was given up just now, or is none."""
    try:
        with files.open_input_stream(path) as stream:
            return msgspec.json.decode(stream.read(), type=_Lease)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


class _Rewritten:
    """Files that `PlainTables` wrote."""

    def __init__(self, files: pa.fs.FileSystem, table: DeltaTable) -> None:
        self._files = files
        self._schema = _file_schema(table)
        self._mine = True
        self.read_version: int | None = table.version()
        self.schema_json = table.schema().to_json()
        self.partition_by = table.metadata().partition_columns
        self.actions: list[dict[str, Any]] = []
        self.rows = 0
        self.bytes = 0
        self.stage_id = uuid.uuid4().hex

    @property
    def metrics(self) -> dict[str, int | float]:
        return {"rows": self.rows, "bytes": self.bytes, "files": len(self.actions)}

    @property
    def file_bytes(self) -> list[int]:
        return [action["size"] for action in self.actions]

    def release(self) -> None:
        self._mine = False

    def drop(self) -> None:
        while self._mine and self.actions:
            with contextlib.suppress(FileNotFoundError):
                self._files.delete_file(self.actions[-1]["path"])
            self.actions.pop()

    def write(self, old: list[FileAction], target: float) -> None:
        """Write the rows of files again, those of a partition into one file up to the target."""
        partition, size = None, 0
        group: list[FileAction] = []
        for file in old:
            if group and (file["partitionValues"] != partition or size + file["size"] > target):
                self._merge(group)
                group, size = [], 0
            partition = file["partitionValues"]
            group.append(file)
            size += file["size"]
        if group:
            self._merge(group)

    def _merge(self, group: list[FileAction]) -> None:
        """Write the rows of a group into one file, row group by row group."""
        partition = dict(group[0]["partitionValues"])
        directory = "".join(
            f"{quote(column, safe='')}={_hive(partition.get(column))}/"
            for column in self.partition_by
        )
        path = f"{directory}part-{len(self.actions):05}-{self.stage_id}-c000.zstd.parquet"
        statistics = FileStatistics(self._schema)
        self.actions.append({"path": path})
        with (
            self._files.open_output_stream(path) as sink,
            pq.ParquetWriter(sink, self._schema, compression="zstd") as writer,
        ):
            for file in group:
                for table in self._row_groups(unquote(file["path"])):
                    statistics.add(table)
                    writer.write_table(table)
                    self.rows += table.num_rows
        size = self._files.get_file_info(path).size
        self.bytes += size
        self.actions[-1] = {
            "path": path,
            "size": size,
            "partition_values": partition,
            "modification_time": int(time.time() * 1000),
            "stats": statistics.to_json(),
        }

    def _row_groups(self, path: str) -> Iterator[pa.Table]:
        with self._files.open_input_file(path) as opened:
            # As nanoseconds, INT96 has no moments after 2262.
            parquet = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
            for index in range(parquet.num_row_groups):
                table = parquet.read_row_group(index)
                columns = [
                    table[field.name].cast(field.type)
                    if field.name in table.column_names
                    else pa.nulls(table.num_rows, field.type)
                    for field in self._schema
                ]
                yield pa.table(columns, schema=self._schema)


def _files(uri: str, options: Mapping[str, str] | None) -> pa.fs.FileSystem:
    return pa.fs.PyFileSystem(DeltaStorageHandler(uri, options=dict(options or {})))


def _refuse_unsupported(table: DeltaTable) -> None:
    protocol = table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    found = features - _HONOURED
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.add("columnMapping")
    if found:
        raise UnsupportedTable(
            f"Without dfd-native, a table with {', '.join(sorted(found))} can't be rewritten. "
            "Nothing was changed. Install it: pip install dfd-native"
        )


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


def _file_schema(table: DeltaTable) -> pa.Schema:
    partition_by = set(table.metadata().partition_columns)
    schema = plain_schema(pa.schema(table.schema().to_arrow()))
    return pa.schema([field for field in schema if field.name not in partition_by])
