"""Appends and overwrites whose files are staged once, and tried until a commit takes them.

    hooks -> stage: the stream becomes data files, under the metadata of one version of the table
    each attempt: fresh handle -> is the metadata still that? -> commit at exactly the next version

A conflict costs a commit of a few kilobytes and reads nothing of the source again. Only where the
metadata changed, and the policy replans, is it staged again. With a `schema_mode` the commit of the files gives
the table their columns. Without dfd-native a write goes through deltalake, its stream spooled to disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from deltalake import CommitProperties, DeltaTable, Schema

from dfd_delta_policy.backend.protocol import (
    PLAIN,
    ActiveFiles,
    StagedFiles,
    TableDescription,
)
from dfd_delta_policy.commit.committer import Commit, Committer, NativeCommitter
from dfd_delta_policy.commit.knowledge import Knowledge
from dfd_delta_policy.commit.metadata import TableMetadata
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.commit.staged_files import UncommittedFiles
from dfd_delta_policy.conflict import Conflict, ConflictFound
from dfd_delta_policy.operations.faults import refuse_void
from dfd_delta_policy.operations.staged_changes import Delete, WorkedOut, statements
from dfd_delta_policy.properties import TableProperties
from dfd_delta_policy.source import drained, reopens

SchemaMode: TypeAlias = Literal["merge", "overwrite", "replace"]


class StagedWrite:
    """One append, full overwrite, or overwrite of the rows that match a predicate: `stage` and `commit` are given to the loop, `close` ends it."""

    def __init__(
        self,
        committer: Committer,
        mode: Literal["append", "overwrite"],
        data: Any,
        *,
        predicate: str | None,
        commit_metadata: Callable[[], Mapping[str, str]] | None,
        partition_by: list[str] | None,
        schema_mode: SchemaMode | None,
        sort_by: list[str] | None,
        by_partition: bool = False,
        description: TableDescription = PLAIN,
        statement: str | None = None,
    ) -> None:
        self._committer = committer
        self._uncommitted = UncommittedFiles(committer.uri)
        self._mode = mode
        self._predicate = predicate
        # What it takes out, where that isn't all.
        self._replaced = None if predicate is None else self._replacing(predicate)
        self._data = data
        self._is_query = hasattr(data, "__dfd_run__")
        self._commit_metadata = commit_metadata
        self._partition_by = partition_by
        self._schema_mode = schema_mode
        self._sort_by = sort_by
        # Whether an overwrite replaces the partitions alone that it has rows of.
        self._by_partition = by_partition
        # Of the table, where it makes or replaces one.
        self._description = description
        # What the history calls it; by default what it turns out to be.
        self._statement = statement
        self._staged: StagedFiles | None = None
        self._table_metadata: TableMetadata | None = None
        self._metadata: dict[str, str] = {}

    @property
    def metrics(self) -> dict[str, Any]:
        """The counts of what was staged."""
        found: dict[str, Any] = {} if self._staged is None else dict(self._staged.metrics)
        return found if self._replaced is None else {**found, **self._replaced.metrics}

    def stage(self, table: DeltaTable | None) -> Mapping[str, Any]:
        """Write the files; what can't be committed is refused before anything is read."""
        if table is not None:
            self._committer.refuse_features(table, "stage", "commit")
        how = {
            "predicate": self._predicate,
            "schema_mode": self._schema_mode,
            # What a query's plan knows of nulls is no promise of the next plan's.
            "all_nullable": self._is_query or None,
            "description": None if self._description == PLAIN else self._description,
        }
        with drained(self._data) as stream, statements():
            self._staged = staged = self._committer.native.stage(
                self._committer.uri,
                stream,
                self._committer.options,
                partition_by=self._partition_by,
                sort_by=self._sort_by,
                target_file_bytes=TableProperties.of(table).target_file_bytes if table else None,
                **{name: value for name, value in how.items() if value is not None},
            )
            self._uncommitted.take(staged)
            # Asked while the run is still current: its query id belongs into the commit.
            if self._commit_metadata is not None:
                self._metadata = dict(self._commit_metadata())
        if staged.read_version is None:
            refuse_void(Schema.from_json(staged.schema_json).fields)
            self._table_metadata = None
        elif table is not None and table.version() == staged.read_version:
            self._table_metadata = TableMetadata.of(table)
        else:
            then = self._committer.open()
            if then.version() != staged.read_version:
                then.load_as_version(staged.read_version)
            self._table_metadata = TableMetadata.of(then)
        return self.metrics

    def commit(self, attempt: Attempt) -> Done:
        """Commit the files at exactly the next version, if the table's metadata is what it was.

        Raises:
            ConflictFound: it isn't, and the data can't be read again.
        """
        table, staged = attempt.table, self._files()
        if table is None and staged.read_version is not None:
            raise _changed(Conflict.METADATA_CHANGED, "another process removed the table")
        if table is not None and (change := self._change(table, staged)) is not None:
            if not reopens(self._data):
                raise _changed(*change)
            self._uncommitted.drop(staged)
            self.stage(table)
            staged = self._files()
        commit = self._named(attempt.commit)
        if table is None:
            made = self._what(staged, None, staged.partition_by)
            made = made._replace(
                operation=self._statement or "CREATE TABLE",
                parameters={**made.parameters, "mode": "ErrorIfExists"},
            )
            schema, partition_by = staged.schema_json, list(staged.partition_by)
            version = self._committer.create(schema, partition_by, self._description, made, commit)
        else:
            version = self._put(table, staged, commit)
        return Done(version, self.metrics)

    def close(self, settled: Callable[[], Knowledge]) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        self._uncommitted.close(settled)

    def _files(self) -> StagedFiles:
        if self._staged is None:
            raise RuntimeError("a commit without a stage")
        return self._staged

    def _change(self, table: DeltaTable, staged: StagedFiles) -> tuple[Conflict, str] | None:
        """Why the files can't be committed to the table as it is now."""
        if self._table_metadata is not None:
            return self._table_metadata.change(TableMetadata.of(table))
        metadata = table.metadata()
        is_as_made = (
            self._description == PLAIN
            and not metadata.configuration
            and metadata.partition_columns == list(staged.partition_by)
            and json.loads(table.schema().to_json()) == json.loads(staged.schema_json)
        )
        if is_as_made:
            return None
        return Conflict.METADATA_CHANGED, "another process made the table otherwise"

    def _named(self, commit: CommitProperties) -> CommitProperties:
        return CommitProperties(
            custom_metadata={**self._metadata, **(commit.custom_metadata or {})},
            max_commit_retries=commit.max_commit_retries,
            app_transactions=commit.app_transactions,
        )

    def _put(self, table: DeltaTable, staged: StagedFiles, commit: CommitProperties) -> int:
        partition_by = staged.partition_by
        if self._replaced is None:
            made = self._what(staged, self._removes(table, staged), partition_by)
            return self._committer.put(table, made, commit)
        change = self._replaced.at(table)
        made = self._what(staged, change.removes, partition_by)
        if change.staged is not None:
            made = made._replace(adds=[*made.adds, change.staged])
        return self._committer.put(table, made, commit, marked=change.marked)

    def _replacing(self, predicate: str) -> WorkedOut:
        if not isinstance(self._committer, NativeCommitter):
            raise RuntimeError("an overwrite by a predicate without dfd-native")
        statement = Delete(predicate, self._files)
        return WorkedOut(self._committer, statement, self._uncommitted)

    def _removes(self, table: DeltaTable, staged: StagedFiles) -> ActiveFiles | None:
        if self._mode == "append":
            return None
        if self._by_partition and isinstance(self._committer, NativeCommitter):
            return self._committer.active_beside(table.version(), staged)
        return self._committer.active(table.version())

    def _what(
        self, staged: StagedFiles, removes: ActiveFiles | None, partition_by: Sequence[str]
    ) -> Commit:
        metrics = {
            "numFiles": len(staged.file_bytes),
            "numOutputRows": staged.rows,
            "numOutputBytes": staged.bytes,
        }
        if self._mode == "overwrite":
            metrics["numRemovedFiles"] = 0 if removes is None else len(removes)
            metrics["numRemovedBytes"] = 0 if removes is None else removes.bytes
        return Commit(
            operation=self._statement or "WRITE",
            parameters={
                "mode": self._mode.title(),
                "partitionBy": json.dumps([*partition_by]),
                **self._description.parameters(),
                **({} if self._predicate is None else {"predicate": self._predicate}),
                **({"isDynamicPartitionOverwrite": True} if self._by_partition else {}),
            },
            metrics=metrics,
            adds=[staged],
            removes=removes,
            # A query may have read this very table.
            is_blind=self._mode == "append" and not self._is_query,
        )


def _changed(conflict: Conflict, reason: str) -> ConflictFound:
    return ConflictFound(
        conflict,
        f"{reason} after the files were staged",
        "Run it again: its rows are then written under the table's rules of today.",
    )
