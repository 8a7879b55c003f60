"""Staged writes: the data files of a Delta table, written without a commit."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Literal

from dfd_native import _native
from dfd_native._native import EngineRun
from dfd_native.frames import readable
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.streams import ArrowStream
from dfd_native.table_description import PLAIN, TableDescription

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class StagedFiles:
    """Data files that are written and belong to no table yet; made by `stage` and `rewrite`.

    `drop()`, the end of a `with` block, garbage collection and the end of the process remove them,
    unless `release()` was called. While it lives, a lease in the table's directory `_dfd` tells so:
    what a killed process left is found by `abandoned_stages`.
    """

    def __init__(self, native: _native.Stage) -> None:
        self._native = native
        self._remover = weakref.finalize(self, _remove, native, os.getpid())

    @property
    def stage_id(self) -> str:
        """The id of the stage, in the name of every file."""
        return self._native.stage_id

    @property
    def read_version(self) -> int | None:
        """The version whose rules the files follow, or whose files were rewritten; None where there was no table."""
        return self._native.read_version

    @property
    def schema_json(self) -> str:
        """The table's schema as Delta's log has it."""
        return self._native.schema_json

    @property
    def partition_by(self) -> list[str]:
        """The table's partition columns."""
        return self._native.partition_by

    @property
    def actions(self) -> list[dict[str, Any]]:
        """The files' add actions: of each `path`, `size`, `partition_values`, `modification_time` and `stats`.

        `deltalake.transaction.AddAction(**action, data_change=True)` takes them.
        """
        return self._native.actions

    @property
    def rows(self) -> int:
        """The number of rows in all files."""
        return int(self._native.metrics["rows"])

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        return int(self._native.metrics["bytes"])

    @property
    def file_bytes(self) -> list[int]:
        """The size of each file in bytes."""
        return self._native.file_bytes

    @property
    def metrics(self) -> dict[str, int | float]:
        """The figures of the stage: `rows`, `bytes`, `files`, `writers` that wrote any, `spilled_bytes`, `peak_pool_bytes`, `elapsed_s`."""
        found = self._native.metrics.items()
        return {name: value if name == "elapsed_s" else int(value) for name, value in found}

    def release(self) -> None:
        """The files belong to the table now: nothing here removes them any more.

        Raises:
            StageError: the lease can't be removed; the files are released all the same.
        """
        self._remover.detach()
        self._native.release()

    def drop(self) -> None:
        """Remove the files, unless they were released or dropped before.

        Raises:
            StageError: some can't be removed; the next call tries again.
        """
        self._native.drop()

    def __enter__(self) -> StagedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()

    def __repr__(self) -> str:
        return f"<StagedFiles {self.stage_id}: {self.rows} rows in {len(self.file_bytes)} files>"


def _remove(native: _native.Stage, process: int) -> None:
    # The files are not those of a fork.
    if os.getpid() == process:
        native.drop()


@dataclass(frozen=True)
class LiveStage:
    """A stage in a table's directory that a process works on, begun at `started`."""

    stage_id: str
    host: str
    pid: int
    started: datetime


@dataclass(frozen=True)
class AbandonedStage:
    """A stage that a process left in a table's directory, and that process is gone.

    - `started`, `expires`: when it began, and until when it was to be believed to live.
    - `files`: what is there and isn't in the table, relative to it; a full vacuum removes it once it is old.
    """

    stage_id: str
    host: str
    pid: int
    started: datetime
    expires: datetime
    files: tuple[str, ...]
    bytes: int


def stage(
    uri: str | os.PathLike[str],
    data: ArrowStream | EngineRun,
    options: Mapping[str, str] | None = None,
    *,
    partition_by: Sequence[str] | None = None,
    schema_mode: Literal["merge", "overwrite", "replace"] | None = None,
    all_nullable: bool = False,
    description: TableDescription = PLAIN,
    sort_by: Sequence[str] | None = None,
    predicate: str | None = None,
    compression: Literal["zstd", "snappy", "none"] = "zstd",
    target_file_bytes: int | None = None,
    writers: int | None = None,
    memory_limit_bytes: int | None = None,
) -> StagedFiles:
    """Write a stream into data files of a Delta table, under the table's rules; commit nothing.

    All of it is written, or nothing is left: an error and Ctrl-C remove every file. The rules are those of the
    table's newest version, or, where there is no table, of one made of the stream. Memory is bounded
    however long the stream is and however many partitions it has.

    - `uri`: a path, absolute, relative or from `~`, or a URI (`file:///data/t`, `s3://bucket/t`).
    - `data`: anything with `__arrow_c_stream__`; an `EngineRun` runs inside, no batch crosses Python.
    - `options`: of the object store, complete: nothing is read from the environment.
    - `partition_by`: of a table to be made, replaced, or overwritten with its schema. Any other must be partitioned
      by the same columns.
    - `schema_mode`: what becomes of columns that the table lacks, which are refused by default. "merge": they are
      added to it, fields inside of structs too; all may be null. "overwrite": the table has the columns of the stream
      and no others, and is partitioned as it was unless `partition_by` says otherwise; its files are to be removed.
      "replace": as "overwrite", but of what it said of itself (partitioning, name, description, properties, comments,
      constraints) nothing stays either; in-commit timestamps and column mapping do, and its protocol loses nothing.
      The commit of the files changes the table.
    - `all_nullable`: whether all columns may be null of a table to be made, replaced, or overwritten with its schema,
      whatever the stream says.
    - `description`: what a table to be made, or replaced, says of itself. Files follow its properties.
    - `sort_by`: columns by which the rows of each partition are sorted, so that readers skip row
      groups and pages. Unsorted by default.
    - `predicate`: SQL over the table's columns that is true of every row; all rows by default.
    - `compression`: of the pages. With zstd, and with none, whole numbers that have no dictionary are
      packed by their differences (`DELTA_BINARY_PACKED`), which makes files smaller, and faster to write and
      to read; with snappy they are plain, for readers of before 2022.
    - `target_file_bytes`: about how large files become; `delta.targetFileSize` of the table or 128 MiB by default.
    - `writers`: how many files are written at once; as many as there are cores, up to 8, by default. Of
      a short stream, fewer are.
    - `memory_limit_bytes`: what sorting may hold before it spills to the system's temporary
      directory; 256 MiB by default. Each writer holds up to about 100 MB beside it.

    Raises:
        RuleViolation: the data doesn't follow the table's rules, or `predicate`; names the column, and the row of
            the stream.
        StatementError: `predicate` isn't one condition over the table's columns.
        SourceError: the stream failed.
        StageError: the store or the disk failed.
        TableError: the location or an option is refused.
        TypeError: `data` has no `__arrow_c_stream__`.
        ValueError: an argument is out of its range.
    """
    ensure_compatible()
    _refuse_text(partition_by=partition_by, sort_by=sort_by)
    _refuse_less_than_one(
        target_file_bytes=target_file_bytes,
        writers=writers,
        memory_limit_bytes=memory_limit_bytes,
    )
    native = _native.stage(
        table_uri(uri),
        dict(options or {}),
        readable(data),
        None if partition_by is None else list(partition_by),
        schema_mode,
        all_nullable,
        description,
        list(sort_by or ()),
        predicate,
        compression,
        target_file_bytes,
        writers,
        memory_limit_bytes,
    )
    return StagedFiles(native)


def rewrite(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    paths: Sequence[str],
    sort_by: Sequence[str] | None = None,
    z_order_by: Sequence[str] | None = None,
    compression: Literal["zstd", "snappy", "none"] = "zstd",
    target_file_bytes: int | None = None,
    writers: int | None = None,
    memory_limit_bytes: int | None = None,
) -> StagedFiles:
    """Write the rows of some files of a table into new files, partition by partition; commit nothing.

    The new files have exactly the rows that the old ones still have: deletion vectors are applied, columns keep their
    physical names and ids, partition values their text. No row is checked against constraints, and no
    generated column is computed: a rewrite changes no row. All of it is written, or nothing is left, as for `stage`.

    - `uri`, `options`: as for `stage`.
    - `version`: of which these are files.
    - `paths`: as `active_files` gives them. Unsorted, files of a partition are joined in this order, as many as make one
      new file of the target size; rows keep their order.
    - `sort_by`: columns by which the rows of each partition are sorted.
    - `z_order_by`: columns whose ranges readers skip by, all of them: rows follow a Z curve within
      their partition. Of each column, up to 1,000 boundaries from a sample part its values, nulls first; the bits of
      the ranges' numbers, interleaved, are a row's place. The columns are read twice.
    - `compression`, `target_file_bytes`, `writers`, `memory_limit_bytes`: as for `stage`.

    Raises:
        RuleViolation: a path is no file of this version or is given twice, the table has a feature that can't be
            honoured (row tracking, type widening, clustering), or there is no such order.
        StageError: a file can't be read or has other rows than the log tells of, or the store or the disk failed.
        TableError: the location or an option is refused, or there is no such table or version.
        ValueError: an argument is out of its range.
    """
    ensure_compatible()
    _refuse_text(paths=paths, sort_by=sort_by, z_order_by=z_order_by)
    _refuse_less_than_one(
        target_file_bytes=target_file_bytes,
        writers=writers,
        memory_limit_bytes=memory_limit_bytes,
    )
    native = _native.rewrite(
        table_uri(uri),
        dict(options or {}),
        version,
        list(paths),
        list(sort_by or ()),
        list(z_order_by or ()),
        compression,
        target_file_bytes,
        writers,
        memory_limit_bytes,
    )
    return StagedFiles(native)


def _refuse_text(**lists: Sequence[str] | None) -> None:
    for name, value in lists.items():
        if isinstance(value, str):
            raise ValueError(f"`{name}` is a list of texts, not a text.")


def _refuse_less_than_one(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ValueError(f"`{name}` is at least 1, not {value}.")


def live_stages(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None
) -> list[LiveStage]:
    """The stages of a table that a process works on, oldest first.

    A process of this host is known by its id and start; one of elsewhere is believed to live until its lease
    wasn't renewed for ten minutes.

    Raises:
        StageError: the store can't be read.
        TableError: the location or an option is refused.
    """
    ensure_compatible()
    found = _native.live_stages(table_uri(uri), dict(options or {}))
    return [
        LiveStage(stage_id, host, pid, _moment(started)) for stage_id, host, pid, started in found
    ]


def abandoned_stages(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None
) -> list[AbandonedStage]:
    """The stages of a table of which files are left and whose process is gone, oldest first.

    A process is gone where this host has none of its id and start, or where its lease wasn't renewed for
    ten minutes. Files aren't touched; a lease of which no file is left is removed.

    Raises:
        StageError: the store can't be read.
        TableError: the location or an option is refused, or the log can't be read.
    """
    ensure_compatible()
    found = _native.abandoned_stages(table_uri(uri), dict(options or {}))
    return [
        AbandonedStage(stage_id, host, pid, _moment(started), _moment(expires), tuple(files), size)
        for stage_id, host, pid, started, expires, files, size in found
    ]


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
