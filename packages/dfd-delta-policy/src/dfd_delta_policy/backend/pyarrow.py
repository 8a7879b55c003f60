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
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from dfd_delta_policy.backend.deltalake import refuse_odd_paths
from dfd_delta_policy.backend.file_statistics import FileStatistics
from dfd_delta_policy.backend.misread import misread_columns
from dfd_delta_policy.backend.protocol import FileAction, StagedFiles
from dfd_delta_policy.errors import UnsupportedTable
from dfd_delta_policy.source import plain_schema

# A rewritten file must keep what these features say of rows.
_UNSUPPORTED = (
    "deletionVectors",
    "rowTracking",
    "columnMapping",
    "icebergCompatV1",
    "typeWidening",
)
# What deltalake writes of its own into a commitInfo.
_OWN = ("timestamp", "operation", "operationParameters", "readVersion", "isolationLevel", "isBlindAppend", "engineInfo")  # fmt: skip


class _Active(NamedTuple):
    version: int
    actions: list[FileAction]


class PlainTables:
    """The part of `dfd_native` that compacts a table, for plain ones; `options` are deltalake's."""

    def stage(self, uri: str, data: Any, *args: Any, **kwargs: Any) -> StagedFiles:
        """Not without dfd-native: deltalake writes."""
        raise UnsupportedTable("Staged writes need dfd-native; nothing was read or written.")

    def active_files(
        self, uri: str, options: Mapping[str, str] | None = None, version: int | None = None
    ) -> _Active:
        """The files of a version.

        Raises:
            UnsupportedTable: the table isn't plain.
        """
        table = _open(uri, options, version)
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
        table = _open(uri, options, version)
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
        table = _open(uri, options, version)
        active = {file["path"]: file for file in self.active_files(uri, options, version).actions}
        rewritten = _Rewritten(_files(uri, options), table)
        try:
            rewritten.write([active[path] for path in paths], target_file_bytes or math.inf)
        except BaseException:
            rewritten.drop()
            raise
        return rewritten

    def commit(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        actions: bytes,
    ) -> None:
        """Commit actions as a `Committer` makes them through deltalake, strictly.

        Raises:
            FileExistsError: the version is taken.
        """
        table = _open(uri, options, version - 1)
        found: dict[str, list[dict[str, Any]]] = {}
        for line in actions.splitlines():
            for kind, action in msgspec.json.decode(line).items():
                found.setdefault(kind, []).append(action)
        (info,) = found["commitInfo"]
        try:
            table.create_write_transaction(
                [
                    *(_remove(action) for action in found.get("remove", ())),
                    *(_add(action) for action in found.get("add", ())),
                ],
                "append",
                table.schema(),
                table.metadata().partition_columns,
                commit_properties=CommitProperties(
                    custom_metadata={key: info[key] for key in info if key not in _OWN},
                    max_commit_retries=0,
                    app_transactions=[
                        Transaction(txn["appId"], txn["version"]) for txn in found.get("txn", ())
                    ],
                ),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except CommitFailedError as error:
            if str(error).rstrip().endswith("Failed to commit transaction: 0"):
                raise FileExistsError(str(error)) from error
            raise


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


def _open(uri: str, options: Mapping[str, str] | None, version: int | None) -> DeltaTable:
    return DeltaTable(uri, version=version, storage_options=dict(options or {}))


def _refuse_unsupported(table: DeltaTable) -> None:
    protocol = table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    found = [name for name in _UNSUPPORTED if name in features]
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.append("columnMapping")
    if found:
        raise UnsupportedTable(
            f"Without dfd-native, a table with {', '.join(sorted(set(found)))} can't be rewritten. "
            "Nothing was changed. Install it: pip install dfd-native"
        )


def _remove(action: Mapping[str, Any]) -> RemoveAction:
    # The log has the path percent-encoded; deltalake encodes it again when it commits.
    return RemoveAction(
        path=unquote(action["path"]),
        data_change=action["dataChange"],
        deletion_timestamp=action["deletionTimestamp"],
        partition_values=action["partitionValues"],
        size=action["size"],
    )


def _add(action: Mapping[str, Any]) -> AddAction:
    return AddAction(
        path=unquote(action["path"]),
        size=action["size"],
        partition_values=action["partitionValues"],
        modification_time=action["modificationTime"],
        data_change=action["dataChange"],
        stats=action["stats"],
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
