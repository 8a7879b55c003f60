"""`GuardedTable`: every mutation of a Delta table under one policy."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.table import TableMerger
from dfd_storage import LocalProfile, StorageProfile, StorageResolver

from dfd_delta_policy import staging
from dfd_delta_policy.compaction import Compaction
from dfd_delta_policy.errors import DeltaPolicyError, InvalidOperation, OperationRefused
from dfd_delta_policy.hooks import CommitHook
from dfd_delta_policy.loop import Attempt, Clock, Done, Loop, Operation
from dfd_delta_policy.outcome import AttemptEvent, Outcome, Status
from dfd_delta_policy.policy import DeltaRetryPolicy
from dfd_delta_policy.source import replayable
from dfd_delta_policy.staging import Stage, StagedWrite

Observe = Callable[[str, str], AbstractContextManager[Callable[[Outcome], None]]]

_WRITER = WriterProperties(compression="ZSTD")
_TARGET_FILE_BYTES = 100 * 1024 * 1024


class GuardedTable:
    """A Delta table whose mutations are strict, exactly once, and explained.

    - `uri`: where it is; it need not exist before the first write.
    - `storage`: its profile. Default: the local directory. A store on which commits overwrite one another
      is refused (`StorageProfile.require_safe_commits`).
    - `policy`: bounds of retries.
    - `hooks`: called around every commit, in order.
    - `commit_metadata`: asked before each operation for text that goes into its commits (run and
      query ids).
    - `on_attempt`: told of every attempt that failed.
    - `observe`: called with an operation's name and URI; the operation runs within what it gives,
      and hands its outcome to what that yields.
    - `clock`: time and chance.

    Every mutation reads a fresh snapshot, commits at exactly the next version or not at all, and
    looks into the log before it is tried again.

    Where dfd-native is installed, appends and full overwrites stage their files once, in parallel and in
    bounded memory, and only the commit is tried again.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        storage: StorageProfile | None = None,
        policy: DeltaRetryPolicy | None = None,
        hooks: Iterable[CommitHook] = (),
        commit_metadata: Callable[[], Mapping[str, str]] | None = None,
        on_attempt: Callable[[AttemptEvent], None] | None = None,
        observe: Observe | None = None,
        clock: Clock | None = None,
    ) -> None:
        profile = StorageResolver().resolve(uri) if storage is None else storage
        self.uri = profile.canonical_uri(uri)
        self._profile = profile
        self._profile.to_deltalake_options()  # refused here, and not in the first operation
        self._local = isinstance(profile, LocalProfile)
        self._commit_metadata = commit_metadata
        self._observe = observe or _unobserved
        self._stage: Stage | None = staging.installed()
        self._loop = Loop(
            uri=self.uri,
            open=self._open,
            policy=policy or DeltaRetryPolicy(),
            hooks=tuple(hooks),
            on_attempt=on_attempt,
            clock=clock or Clock(),
        )

    @property
    def _options(self) -> dict[str, str]:
        """deltalake's options, with the credentials that hold now."""
        return self._profile.to_deltalake_options()

    def _open(self) -> DeltaTable:
        return DeltaTable(self.uri, storage_options=self._options)

    def version(self) -> int:
        """The newest version."""
        return self._open().version()

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits, newest first."""
        return self._open().history(limit)

    def append(
        self,
        data: Any,
        app_id: str | None = None,
        app_version: int | None = None,
        partition_by: list[str] | None = None,
        schema_mode: Literal["merge"] | None = None,
        sort_by: list[str] | None = None,
    ) -> Outcome:
        """Append rows; makes the table if there is none.

        Each file's rows are in the order of `sort_by`, which needs dfd-native and no `schema_mode`.

        With `app_id` and `app_version` (0 or more), an append lands once: sent again after whatever
        end, or with a lower version, it answers `already_committed` and reads nothing of `data`.

        Raises:
            InvalidOperation: `data` is no Arrow stream, or one of the two is missing.
            ConflictError: it was not committed.
            dfd_native.StageError: the data doesn't fit the table, or its files couldn't be written.
        """
        if (app_id is None) != (app_version is None):
            raise InvalidOperation("`app_id` and `app_version` belong together.")
        transaction = None if app_id is None or app_version is None else (app_id, app_version)
        if transaction is not None and not (transaction[0] and transaction[1] >= 0):
            raise InvalidOperation("`app_id` isn't empty, and `app_version` is 0 or more.")
        return self._write("append", data, None, partition_by, schema_mode, sort_by, transaction)

    def overwrite(
        self,
        data: Any,
        predicate: str | None = None,
        partition_by: list[str] | None = None,
        schema_mode: Literal["merge", "overwrite"] | None = None,
        sort_by: list[str] | None = None,
    ) -> Outcome:
        """Replace all rows, or those that match `predicate`; makes the table if there is none.

        Each file's rows are in the order of `sort_by`, which needs dfd-native, and neither
        `predicate` nor `schema_mode`.

        Raises:
            as `append`.
        """
        return self._write("overwrite", data, predicate, partition_by, schema_mode, sort_by, None)

    def _write(
        self,
        mode: Literal["append", "overwrite"],
        data: Any,
        predicate: str | None,
        partition_by: list[str] | None,
        schema_mode: Literal["merge", "overwrite"] | None,
        sort_by: list[str] | None,
        transaction: tuple[str, int] | None,
    ) -> Outcome:
        if self._stage is not None and predicate is None and schema_mode is None:
            write = StagedWrite(
                self._stage,
                mode,
                data,
                uri=self.uri,
                storage_options=self._options,
                local=self._local,
                open_table=self._open,
                commit_metadata=self._commit_metadata,
                partition_by=partition_by,
                sort_by=sort_by,
            )
            return self._write_staged(mode, write, transaction)
        if sort_by:
            raise InvalidOperation(
                "`sort_by` needs dfd-native, and neither `predicate` nor `schema_mode`."
            )
        with _Lazy(data, once=self._loop.policy.attempts == 1) as source:

            def attempt(attempt: Attempt) -> Done:
                options: dict[str, Any] = {
                    # Strict for the first version too: who comes second must look again.
                    "mode": "error" if attempt.table is None else mode,
                    "predicate": predicate,
                    "partition_by": partition_by,
                    "schema_mode": schema_mode,
                    "storage_options": self._options,
                    "writer_properties": _WRITER,
                    "commit_properties": attempt.commit,
                }
                write_deltalake(attempt.table or self.uri, source.open(), **options)
                return Done(0 if attempt.table is None else attempt.table.version(), {})

            return self._run(
                mode,
                attempt,
                removes_rows=mode == "overwrite",
                transaction=transaction,
                creates=True,
            )

    def _write_staged(
        self,
        mode: Literal["append", "overwrite"],
        write: StagedWrite,
        transaction: tuple[str, int] | None,
    ) -> Outcome:
        outcome: Outcome | None = None
        try:
            outcome = self._run(
                mode,
                write.commit,
                removes_rows=mode == "overwrite",
                transaction=transaction,
                creates=True,
                stage=write.stage,
            )
        finally:
            write.close(outcome)
        if outcome.status is Status.LANDED_AFTER_ERROR:
            return msgspec.structs.replace(outcome, metrics=write.metrics)
        return outcome

    def delete(self, predicate: str | None = None) -> Outcome:
        """Delete the rows that match `predicate`, or all."""

        def attempt(attempt: Attempt) -> Done:
            return _on_handle(
                attempt,
                lambda table: table.delete(
                    predicate, writer_properties=_WRITER, commit_properties=attempt.commit
                ),
            )

        return self._run("delete", attempt, removes_rows=True)

    def update(self, updates: Mapping[str, str], predicate: str | None = None) -> Outcome:
        """Set columns to SQL expressions where `predicate` holds, or everywhere."""
        if not updates:
            raise InvalidOperation("`updates` names no column.")

        def attempt(attempt: Attempt) -> Done:
            return _on_handle(
                attempt,
                lambda table: table.update(
                    updates=dict(updates),
                    predicate=predicate,
                    writer_properties=_WRITER,
                    commit_properties=attempt.commit,
                ),
            )

        return self._run("update", attempt, removes_rows=True)

    def merge(
        self,
        source: Any,
        predicate: str,
        source_alias: str | None = None,
        target_alias: str | None = None,
    ) -> MergeBuilder:
        """A MERGE with deltalake's verbs; nothing happens before `.execute()`."""
        return MergeBuilder(self, source, predicate, source_alias, target_alias)

    def optimize(self, target_size_bytes: int = _TARGET_FILE_BYTES) -> Outcome:
        """Compact the small files of each partition into files of up to `target_size_bytes`.

        Rows don't change, and concurrent appends don't make it start over.

        Raises:
            UnsupportedTable: the table has deletion vectors, column mapping or row tracking.
        """
        if target_size_bytes <= 0:
            raise InvalidOperation("`target_size_bytes` is above 0.")
        compaction = Compaction(self.uri, self._options, target_size_bytes)
        landed = False
        try:
            outcome = self._run("optimize", compaction.attempt, removes_rows=False)
            landed = True
            return outcome
        finally:
            compaction.close(landed=landed)

    def restore(self, version: int) -> Outcome:
        """Make `version` the newest: rows that came later are gone from the table."""

        def attempt(attempt: Attempt) -> Done:
            return _on_handle(
                attempt,
                lambda table: table.restore(version, commit_properties=attempt.commit),
            )

        return self._run("restore", attempt, removes_rows=True)

    def vacuum(
        self, retention_hours: int | None = None, *, dry_run: bool = True, full: bool = False
    ) -> Outcome:
        """Remove files that no version within the retention needs; by default only list them.

        `metrics["files"]` are their paths. `retention_hours` None is the table's own (a week by default).
        `full` lists the table's directory, and takes files that were never committed too, as a killed
        writer leaves them.

        Raises:
            OperationRefused: the retention is below the table's own, where files of a writer or
                reader at work could go.
        """

        def attempt(attempt: Attempt) -> Done:
            table = _existing(attempt)
            try:
                files = table.vacuum(
                    retention_hours=retention_hours,
                    dry_run=dry_run,
                    enforce_retention_duration=True,
                    full=full,
                    commit_properties=None if dry_run else attempt.commit,
                )
            except Exception as error:
                if "retention period" in str(error):
                    raise OperationRefused(
                        f"VACUUM of {self.uri} with {retention_hours} hours is below the table's "
                        "retention; nothing was removed. Leave `retention_hours` out."
                    ) from error
                raise
            metrics = {"files": files, "dry_run": dry_run}
            done = not dry_run and bool(files)
            return Done(self.version() if done else None, metrics)

        return self._run("vacuum", attempt, removes_rows=False)

    def _run(
        self,
        name: str,
        attempt: Callable[[Attempt], Done],
        *,
        removes_rows: bool,
        transaction: tuple[str, int] | None = None,
        creates: bool = False,
        stage: Callable[[DeltaTable | None], None] | None = None,
    ) -> Outcome:
        with self._observe(name, self.uri) as done, self._guarded():
            outcome = self._loop.run(
                Operation(
                    name=name,
                    operation_id=uuid.uuid4().hex,
                    removes_rows=removes_rows,
                    attempt=attempt,
                    metadata={} if self._commit_metadata is None else dict(self._commit_metadata()),
                    transaction=transaction,
                    creates=creates,
                    stage=stage,
                )
            )
            done(outcome)
        return outcome

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """No commit to a store that loses them; what a store refuses is said as `StorageFailure`."""
        with self._profile.failures(self.uri, "deltalake", passing=(DeltaPolicyError,)):
            self._profile.require_safe_commits(self.uri)
            yield


@contextlib.contextmanager
def _unobserved(name: str, uri: str) -> Iterator[Callable[[Outcome], None]]:
    yield lambda outcome: None


class MergeBuilder:
    """deltalake's `when_...` verbs, kept and replayed on a fresh snapshot for every attempt."""

    def __init__(
        self,
        table: GuardedTable,
        source: Any,
        predicate: str,
        source_alias: str | None,
        target_alias: str | None,
    ) -> None:
        self._table = table
        self._source = source
        self._predicate = predicate
        self._source_alias = source_alias
        self._target_alias = target_alias
        self._verbs: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _then(self, verb: str, *args: Any, **kwargs: Any) -> MergeBuilder:
        self._verbs.append((verb, args, kwargs))
        return self

    def when_matched_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of matched rows to SQL expressions."""
        return self._then("when_matched_update", dict(updates), predicate=predicate)

    def when_matched_update_all(
        self, predicate: str | None = None, except_cols: list[str] | None = None
    ) -> MergeBuilder:
        """Set all columns of matched rows to those of the source."""
        return self._then("when_matched_update_all", predicate=predicate, except_cols=except_cols)

    def when_matched_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete matched rows."""
        return self._then("when_matched_delete", predicate=predicate)

    def when_not_matched_insert(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match, with these columns."""
        return self._then("when_not_matched_insert", dict(updates), predicate=predicate)

    def when_not_matched_insert_all(
        self, predicate: str | None = None, except_cols: list[str] | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match."""
        return self._then(
            "when_not_matched_insert_all", predicate=predicate, except_cols=except_cols
        )

    def when_not_matched_by_source_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of target rows that the source lacks."""
        return self._then("when_not_matched_by_source_update", dict(updates), predicate=predicate)

    def when_not_matched_by_source_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete target rows that the source lacks."""
        return self._then("when_not_matched_by_source_delete", predicate=predicate)

    def execute(self) -> Outcome:
        """Run the merge.

        Raises:
            InvalidOperation: it has no `when_...` verb.
        """
        if not self._verbs:
            raise InvalidOperation("The MERGE has no when_... verb.")
        removes = any("insert" not in verb for verb, _, _ in self._verbs)
        table = self._table
        with _Lazy(self._source, once=table._loop.policy.attempts == 1) as source:

            def attempt(attempt: Attempt) -> Done:
                def work(handle: DeltaTable) -> dict[str, Any]:
                    merger: TableMerger = handle.merge(
                        source.open(),
                        self._predicate,
                        source_alias=self._source_alias,
                        target_alias=self._target_alias,
                        writer_properties=_WRITER,
                        commit_properties=attempt.commit,
                    )
                    for verb, args, kwargs in self._verbs:
                        merger = getattr(merger, verb)(*args, **kwargs)
                    return merger.execute()

                return _on_handle(attempt, work)

            return table._run("merge", attempt, removes_rows=removes)


class _Lazy:
    """`replayable`, entered at the first open: what already landed leaves its source unread."""

    def __init__(self, data: Any, *, once: bool) -> None:
        self._manager = replayable(data, once=once)
        self._open: Callable[[], pa.RecordBatchReader] | None = None

    def __enter__(self) -> _Lazy:
        return self

    def open(self) -> pa.RecordBatchReader:
        if self._open is None:
            self._open = self._manager.__enter__()
        return self._open()

    def __exit__(self, *exc: Any) -> None:
        if self._open is not None:
            self._manager.__exit__(None, None, None)


def _existing(attempt: Attempt) -> DeltaTable:
    if attempt.table is None:
        raise InvalidOperation("There is no table.")
    return attempt.table


def _on_handle(attempt: Attempt, work: Callable[[DeltaTable], dict[str, Any]]) -> Done:
    """Run `work`; the handle moves to the version it commits, or stays when it commits none."""
    table = _existing(attempt)
    before = table.version()
    metrics = work(table)
    after = table.version()
    return Done(after if after != before else None, metrics)
