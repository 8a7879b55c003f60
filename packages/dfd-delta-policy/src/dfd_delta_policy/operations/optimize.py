"""OPTIMIZE and z-order: files rewritten, no row changed, whoever else is at work.

    plan: which files, in batches -> rewrite each batch, staged once
    each attempt: are all files of a batch still there, with the same deletion vectors? -> commit

deltalake's own leaves files that were removed without a change of data out of its conflict check, so
that two compactions double the rows. Here nothing is committed that wasn't looked up in the very
version it follows. Concurrent appends cost another commit, and no rewrite; a batch of which another
commit changed a file is left out, and its files are deleted. Only when no batch is left it is planned again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
from deltalake import DeltaTable

from dfd_delta_policy.backend.protocol import ActiveFiles, FileAction, StagedFiles
from dfd_delta_policy.commit.committer import Commit, Committer
from dfd_delta_policy.commit.knowledge import Knowledge
from dfd_delta_policy.commit.metadata import TableMetadata
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.commit.staged_files import UncommittedFiles
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.partitions import PartitionFilters, as_text, chosen
from dfd_delta_policy.properties import TableProperties

T = TypeVar("T")

_TARGET_FILE_BYTES = 100 * 1024 * 1024
# Rewritten together, and thrown away together where another commit changes one of the files.
_BATCH_BYTES = 1024 * 1024 * 1024
# As Delta-Spark purges (`spark.databricks.delta.optimize.maxDeletedRowsRatio`).
_DELETED_ROWS_RATIO = 0.05


class _Batch(NamedTuple):
    old: list[FileAction]
    new: StagedFiles


class Optimize:
    """One OPTIMIZE or z-order: `stage` and `commit` are given to the loop, `close` ends it."""

    def __init__(
        self,
        committer: Committer,
        *,
        target_file_bytes: int | None = None,
        partition_filters: PartitionFilters = (),
        z_order_by: Sequence[str] = (),
    ) -> None:
        self._committer = committer
        self._uncommitted = UncommittedFiles(committer.uri)
        self._target = target_file_bytes
        self._filters = partition_filters
        self._z_order_by = list(z_order_by)
        self._table_metadata: TableMetadata | None = None
        self._active: ActiveFiles | None = None
        self._batches: list[_Batch] = []
        self._considered = 0

    @property
    def metrics(self) -> dict[str, Any]:
        """The counts of what is, or was, committed; named as what Delta-Spark's OPTIMIZE returns."""
        old, new = self._old(), self._new()
        return {
            "numFilesRemoved": len(old),
            "numFilesAdded": len(new),
            "numBytesRemoved": sum(file["size"] for file in old),
            "numBytesAdded": sum(new),
            "numDeletionVectorsRemoved": sum(_vector(file) is not None for file in old),
            "partitionsOptimized": len({_partition(file) for file in old}),
            "totalConsideredFiles": self._considered,
            "totalFilesSkipped": self._considered - len(old),
        }

    def stage(self, table: DeltaTable | None) -> Mapping[str, Any]:
        """Plan on a version, and rewrite what is worth it."""
        if table is None:
            raise InvalidOperation("There is no table.")
        self._committer.refuse_features(table, "rewrite", "commit")
        _refuse_columns(table, self._z_order_by)
        self._table_metadata = TableMetadata.of(table)
        self._active = active = self._committer.active(table.version())
        files = chosen(table, active.actions, self._filters)
        self._considered = len(files)
        for old in self._plan(table, files):
            staged = self._committer.native.rewrite(
                self._committer.uri,
                self._committer.options,
                version=active.version,
                paths=[file["path"] for file in old],
                z_order_by=self._z_order_by or None,
                target_file_bytes=self._target_of(table),
            )
            self._uncommitted.take(staged)
            self._batches.append(_Batch(old, staged))
        new = [batch.new for batch in self._batches]
        return {
            "rows": sum(staged.rows for staged in new),
            "bytes": sum(staged.bytes for staged in new),
            "files": len(self._new()),
        }

    def candidates(self, table: DeltaTable) -> int:
        """How many files of a version would be rewritten; nothing is written."""
        active = self._committer.active(table.version())
        files = chosen(table, active.actions, self._filters)
        return sum(map(len, self._plan(table, files)))

    def commit(self, attempt: Attempt) -> Done:
        """Commit what is still sound at exactly the next version; nothing where there is nothing to do."""
        if attempt.table is None:
            raise InvalidOperation("There is no table.")
        active = self._look_again(attempt.table)
        if not self._batches:
            return Done(None, self.metrics)
        version = self._committer.put(attempt.table, self._what(active), attempt.commit)
        return Done(version, self.metrics)

    def close(self, settled: Callable[[], Knowledge]) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        self._uncommitted.close(settled)

    def _look_again(self, table: DeltaTable) -> ActiveFiles:
        """Keep the batches that hold on the handle's version, or plan again where none does; its files."""
        if self._active is not None and self._active.version == table.version():
            return self._active
        active = self._committer.active(table.version())
        is_same = (
            self._table_metadata is not None
            and self._table_metadata.change(TableMetadata.of(table)) is None
        )
        there: dict[str, FileAction] = {}
        if is_same and self._batches:
            there = {file["path"]: file for file in active.actions}
        for batch in list(self._batches):
            if not all(_is_as_it_was(file, there.get(file["path"])) for file in batch.old):
                self._batches.remove(batch)
                self._uncommitted.drop(batch.new)
        self._active = active
        if not self._batches:
            self.stage(table)
        return active

    def _plan(self, table: DeltaTable, files: list[FileAction]) -> Iterator[list[FileAction]]:
        if self._z_order_by:
            groups: Iterable[list[FileAction]] = _by_partition(files)
        else:
            groups = _bins(files, self._target_of(table), _rows_of(table, files))
        for batch in _packed(groups, _size, _BATCH_BYTES):
            yield [file for group in batch for file in group]

    def _target_of(self, table: DeltaTable) -> int:
        if self._target is not None:
            return self._target
        own = TableProperties.of(table).target_file_bytes
        return own or _TARGET_FILE_BYTES

    def _old(self) -> list[FileAction]:
        return [file for batch in self._batches for file in batch.old]

    def _new(self) -> list[int]:
        """The sizes of the new files."""
        return [size for batch in self._batches for size in batch.new.file_bytes]

    def _what(self, active: ActiveFiles) -> Commit:
        metrics = self.metrics
        return Commit(
            operation="OPTIMIZE",
            parameters={
                "predicate": json.dumps([as_text(one) for one in self._filters]),
                "zOrderBy": json.dumps(self._z_order_by),
                "clusterBy": "[]",
                "auto": False,
            },
            metrics={
                "numRemovedFiles": metrics["numFilesRemoved"],
                "numRemovedBytes": metrics["numBytesRemoved"],
                "numAddedFiles": metrics["numFilesAdded"],
                "numAddedBytes": metrics["numBytesAdded"],
                "numDeletionVectorsRemoved": metrics["numDeletionVectorsRemoved"],
                **_sizes(self._new()),
            },
            adds=[batch.new for batch in self._batches],
            removes=active.only([file["path"] for file in self._old()]),
            keeps_rows=True,
        )


def _refuse_columns(table: DeltaTable, z_order_by: Sequence[str]) -> None:
    partition_by = table.metadata().partition_columns
    columns = [field.name for field in table.schema().fields if field.name not in partition_by]
    for column in z_order_by:
        if column not in columns:
            raise InvalidOperation(
                f"{column!r} is no column within the partitions: {', '.join(columns)}."
            )


def _sizes(added: Iterable[int]) -> dict[str, int]:
    """The spread of the new files' sizes, as Delta-Spark's history has it."""
    sizes = sorted(added)
    if not sizes:
        return {}
    quarters = {f"p{25 * n}FileSize": sizes[n * len(sizes) // 4] for n in (1, 2, 3)}
    return {"minFileSize": sizes[0], **quarters, "maxFileSize": sizes[-1]}


def _by_partition(files: Iterable[FileAction]) -> list[list[FileAction]]:
    found: dict[Any, list[FileAction]] = {}
    for file in files:
        found.setdefault(_partition(file), []).append(file)
    return list(found.values())


def _bins(
    files: list[FileAction], target: int, rows: Mapping[str, int | None]
) -> Iterator[list[FileAction]]:
    """Files of one partition that are worth rewriting together: as Delta-Spark packs them.

    Small ones, and those of which many rows are deleted, up to the target; alone only to be rid of
    a deletion vector.
    """

    def is_worth_it(file: FileAction) -> bool:
        deleted = 0 if _vector(file) is None else file["deletionVector"]["cardinality"]
        all_of_it = rows.get(file["path"]) or deleted
        return file["size"] < target or deleted > _DELETED_ROWS_RATIO * all_of_it

    for partition in _by_partition(filter(is_worth_it, files)):
        for group in _packed(sorted(partition, key=_size_of), _size_of, target):
            if len(group) > 1 or _vector(group[0]) is not None:
                yield group


def _packed(things: Iterable[T], size_of: Callable[[T], int], target: int) -> Iterator[list[T]]:
    """Things in their order, in groups up to the target; one alone may be larger."""
    group: list[T] = []
    size = 0
    for thing in things:
        if group and size + size_of(thing) > target:
            yield group
            group, size = [], 0
        group.append(thing)
        size += size_of(thing)
    if group:
        yield group


def _rows_of(table: DeltaTable, files: Iterable[FileAction]) -> dict[str, int | None]:
    """The row counts of files by path, deleted rows too; none where no file has a deletion vector."""
    if all(_vector(file) is None for file in files):
        return {}
    actions = pa.table(table.get_add_actions()).select(["path", "num_records"])
    return {row["path"]: row["num_records"] for row in actions.to_pylist()}


def _is_as_it_was(file: FileAction, now: FileAction | None) -> bool:
    return now is not None and _vector(file) == _vector(now)


def _vector(file: FileAction) -> tuple[Any, ...] | None:
    """The key that tells a deletion vector from another (section Deletion Vector Descriptor)."""
    found = file.get("deletionVector")
    if found is None:
        return None
    return found["storageType"], found["pathOrInlineDv"], found.get("offset")


def _partition(file: FileAction) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted(file["partitionValues"].items()))


def _size_of(file: FileAction) -> int:
    return int(file["size"])


def _size(files: Iterable[FileAction]) -> int:
    return sum(map(_size_of, files))
