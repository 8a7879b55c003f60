"""`GuardedTable`: every mutation of a Delta table under one policy."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec
from dfd_base import renamed_keywords
from dfd_storage import StorageProfile, StorageResolver

from dfd_delta_policy.backend.protocol import installed
from dfd_delta_policy.backend.pyarrow import PlainTables
from dfd_delta_policy.commit.committer import Committer, PlainCommitter
from dfd_delta_policy.commit.handles import Handles
from dfd_delta_policy.commit.lock import CommitLock
from dfd_delta_policy.commit.loop import Attempt, Clock, CommitLoop, Done, Operation
from dfd_delta_policy.errors import (
    DeltaPolicyError,
    InvalidOperation,
    UnsupportedTable,
)
from dfd_delta_policy.hooks import CommitHook, RequireCommitSafety
from dfd_delta_policy.log.audit import Audit, audit
from dfd_delta_policy.operations.deltalake_handle import existing, on_handle
from dfd_delta_policy.operations.merging import MergeBuilder
from dfd_delta_policy.operations.optimize import Optimize
from dfd_delta_policy.operations.partitions import PartitionFilters
from dfd_delta_policy.operations.row_changes import delete, update
from dfd_delta_policy.operations.staged_writes import StagedWrite
from dfd_delta_policy.operations.table_properties import (
    check_constraints,
    checked_properties,
    missing_fields,
    new_fields,
)
from dfd_delta_policy.operations.vacuum import Vacuum
from dfd_delta_policy.operations.writing import Write
from dfd_delta_policy.outcome import AttemptEvent, Outcome, Status
from dfd_delta_policy.policy import DeltaRetryPolicy, OperationName
from dfd_delta_policy.source import Source

Observe = Callable[[str, str], AbstractContextManager[Callable[[Outcome], None]]]


class GuardedTable:
    """A Delta table whose mutations are strict, exactly once, and explained.

    - `uri`: where it is; it need not exist before the first write.
    - `storage`: its profile. Default: the local directory. A store on which commits overwrite one another
      is refused (`RequireCommitSafety`).
    - `policy`: bounds of retries.
    - `hooks`: called around every commit, in order, after `RequireCommitSafety`.
    - `commit_metadata`: asked before each operation for text that goes into its commits (run and
      query ids).
    - `on_attempt`: told of every attempt that failed.
    - `observe`: called with an operation's name and URI; the operation runs within what it gives,
      and hands its outcome to what that yields.
    - `clock`: time and chance.

    Every mutation reads a fresh snapshot, commits at exactly the next version or not at all, and
    looks into the log before it is tried again. Where another commit changed the table's rules
    meanwhile (schema, partitioning, properties, protocol), it ends or is worked out again, as the policy says.

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
        self._commit_metadata = commit_metadata
        self._observe = observe or _unobserved
        self._native = installed()
        self._handles = Handles(self.uri, profile.to_deltalake_options)
        self._loop = CommitLoop(
            uri=self.uri,
            handles=self._handles,
            policy=policy or DeltaRetryPolicy(),
            hooks=(RequireCommitSafety(), *hooks),
            on_attempt=on_attempt,
            clock=clock or Clock(),
            storage=profile,
            commit_lock=CommitLock(self.uri),
        )

    def version(self) -> int:
        """The newest version."""
        return self._handles.open().version()

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits, newest first."""
        return self._handles.open().history(limit)

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
            InvalidOperation: `data` is no Arrow stream, one of the two is missing, or a column of nulls without a
                type would get into the table.
            UnsupportedTable: deltalake has to write, and would write other values.
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
            as `append`, and
            InvalidOperation: the predicate isn't one boolean expression over the table's columns.
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
        if self._native is not None and predicate is None and schema_mode is None:
            write = StagedWrite(
                self._committer(),
                mode,
                data,
                commit_metadata=self._commit_metadata,
                partition_by=partition_by,
                sort_by=sort_by,
            )
            return self._run_staged(
                mode,
                write,
                removes_rows=mode == "overwrite",
                transaction=transaction,
                creates=True,
            )
        if sort_by:
            raise InvalidOperation(
                "`sort_by` needs dfd-native, and neither `predicate` nor `schema_mode`."
            )
        with Source(data, once=self._once(mode)) as source:
            by_deltalake = Write(mode, predicate, partition_by, schema_mode)

            def attempt(attempt: Attempt) -> Done:
                options = self._profile.to_deltalake_options()
                return by_deltalake.once(attempt, self._committer(), source, options)

            return self._run(
                mode,
                attempt,
                removes_rows=mode == "overwrite",
                by_deltalake=True,
                transaction=transaction,
                creates=True,
                changes_schema=schema_mode is not None,
            )

    def delete(self, predicate: str | None = None) -> Outcome:
        """Delete the rows that match `predicate`, or all.

        Raises:
            InvalidOperation: the predicate isn't one boolean expression over the table's columns.
            UnsupportedTable: deltalake would damage rows that stay.
        """

        def attempt(attempt: Attempt) -> Done:
            return delete(attempt, self._committer(), predicate)

        return self._run("delete", attempt, removes_rows=True, by_deltalake=True)

    def update(self, updates: Mapping[str, str], predicate: str | None = None) -> Outcome:
        """Set columns to SQL expressions where `predicate` holds, or everywhere.

        Columns are found without regard to case.

        Raises:
            InvalidOperation: a name is that of no column, or a text isn't one expression over the table's.
            UnsupportedTable: deltalake would damage rows of the table.
        """
        if not updates:
            raise InvalidOperation("`updates` names no column.")

        def attempt(attempt: Attempt) -> Done:
            return update(attempt, self._committer(), updates, predicate)

        return self._run("update", attempt, removes_rows=True, by_deltalake=True)

    def merge(
        self,
        source: Any,
        predicate: str,
        source_alias: str | None = None,
        target_alias: str | None = None,
    ) -> MergeBuilder:
        """A MERGE with deltalake's verbs; nothing happens before `.execute()`."""

        def run(attempt: Callable[[Attempt], Done], removes_rows: bool) -> Outcome:
            return self._run("merge", attempt, removes_rows=removes_rows, by_deltalake=True)

        return MergeBuilder(
            run,
            self._committer,
            Source(source, once=self._once("merge")),
            predicate,
            source_alias,
            target_alias,
        )

    @renamed_keywords(target_size_bytes="target_file_bytes")
    def optimize(
        self,
        target_file_bytes: int | None = None,
        partition_filters: PartitionFilters = (),
    ) -> Outcome:
        """Compact the small files of each partition into files of about `target_file_bytes`.

        Rows don't change, and concurrent appends don't make it start over. Files of which more than
        one row in twenty is deleted by a deletion vector are rewritten too. `target_file_bytes` None is
        the table's own (`delta.targetFileSize`), or 100 MiB. `partition_filters` name the partitions, as
        deltalake's do (`[("day", ">=", date(2026, 1, 1))]`, joined by and), by values of the column's type or
        by their text; all by default.

        Raises:
            InvalidOperation: the target is below 1, or a filter names no partition column, no operator or no
                value of the column.
            UnsupportedTable: the table has a feature that a rewrite can't keep; without dfd-native
                these are deletion vectors, column mapping and odd paths too.
        """
        return self._rewrite("optimize", target_file_bytes, partition_filters, ())

    @renamed_keywords(target_size_bytes="target_file_bytes")
    def z_order(
        self,
        columns: Sequence[str],
        target_file_bytes: int | None = None,
        partition_filters: PartitionFilters = (),
    ) -> Outcome:
        """Rewrite each partition along a space-filling curve over `columns`, so that filters on any of them skip files.

        Every file is rewritten; the other arguments are those of `optimize`.

        Raises:
            InvalidOperation: as `optimize`, or there is no column.
            UnsupportedTable: as `optimize`, or dfd-native isn't installed.
        """
        if isinstance(columns, str) or not columns:
            raise InvalidOperation("`columns` is a list of one column or more.")
        return self._rewrite("z_order", target_file_bytes, partition_filters, tuple(columns))

    def _rewrite(
        self,
        name: Literal["optimize", "z_order"],
        target_file_bytes: int | None,
        partition_filters: PartitionFilters,
        z_order_by: Sequence[str],
    ) -> Outcome:
        if target_file_bytes is not None and target_file_bytes < 1:
            raise InvalidOperation("`target_file_bytes` is above 0.")
        if self._native is None and z_order_by:
            raise UnsupportedTable(
                "Z_ORDER needs dfd-native. Nothing was changed. Install it: pip install dfd-native"
            )
        work = Optimize(
            self._committer(),
            target_file_bytes=target_file_bytes,
            partition_filters=partition_filters,
            z_order_by=z_order_by,
        )
        return self._run_staged(name, work, removes_rows=False)

    def add_columns(self, fields: Any) -> Outcome:
        """Add columns, null in every row that is there; what the table has already is left as it is.

        `fields`: one or more fields of deltalake or pyarrow, or a schema. All take nulls.

        Raises:
            InvalidOperation: the table has such a column under another type, or one takes no nulls.
            UnsupportedTable: the table has column mapping.
        """
        asked = new_fields(fields)

        def attempt(attempt: Attempt) -> Done:
            missing = missing_fields(existing(attempt), asked)
            if not missing:
                return Done(None, {})
            return on_handle(
                attempt,
                lambda table: table.alter.add_columns(missing, commit_properties=attempt.commit),
            )

        return self._run("add_columns", attempt, removes_rows=False, changes_schema=True)

    def add_constraint(self, constraints: Mapping[str, str]) -> Outcome:
        """Add CHECK constraints, name to SQL expression; every row that is there must hold to them.

        Raises:
            InvalidOperation: one isn't one boolean expression over the table's columns.
            UnsupportedTable: one is over timestamps that deltalake reads wrong.
            deltalake.exceptions.DeltaError: a row violates one, or its name has another expression.
        """
        if not constraints:
            raise InvalidOperation("`constraints` names no constraint.")

        def attempt(attempt: Attempt) -> Done:
            there = existing(attempt).metadata().configuration
            missing = {
                name: check
                for name, check in constraints.items()
                if there.get(f"delta.constraints.{name}") != check
            }
            if not missing:
                return Done(None, {})
            check_constraints(self._committer(), existing(attempt), missing)
            return on_handle(
                attempt,
                lambda table: table.alter.add_constraint(missing, commit_properties=attempt.commit),
            )

        return self._run("add_constraint", attempt, removes_rows=False)

    def drop_constraint(self, name: str) -> Outcome:
        """Drop a CHECK constraint.

        Raises:
            deltalake.exceptions.DeltaError: there is none of this name.
        """

        def attempt(attempt: Attempt) -> Done:
            return on_handle(
                attempt,
                lambda table: table.alter.drop_constraint(name, commit_properties=attempt.commit),
            )

        return self._run("drop_constraint", attempt, removes_rows=False)

    def set_properties(self, properties: Mapping[str, str]) -> Outcome:
        """Set table properties: those of Delta that change no protocol but for change data feed, and the user's own.

        Raises:
            InvalidOperation: one is unknown or has a value it can't have.
        """
        changes = checked_properties(properties)

        def attempt(attempt: Attempt) -> Done:
            there = existing(attempt).metadata().configuration
            if all(there.get(key) == value for key, value in changes.items()):
                return Done(None, {})
            return on_handle(
                attempt,
                lambda table: table.alter.set_table_properties(
                    changes, raise_if_not_exists=False, commit_properties=attempt.commit
                ),
            )

        return self._run("set_properties", attempt, removes_rows=False, changes=changes)

    def create_checkpoint(self) -> Outcome:
        """Write a checkpoint of the newest version: readers open the table without the commits before it."""

        def attempt(attempt: Attempt) -> Done:
            table = existing(attempt)
            table.create_checkpoint()
            return Done(table.version(), {})

        return self._run("create_checkpoint", attempt, removes_rows=False)

    def restore(self, version: int) -> Outcome:
        """Make `version` the newest: rows that came later are gone from the table."""

        def attempt(attempt: Attempt) -> Done:
            return on_handle(
                attempt,
                lambda table: table.restore(version, commit_properties=attempt.commit),
            )

        return self._run("restore", attempt, removes_rows=True, by_deltalake=True)

    def vacuum(
        self, retention_hours: int | None = None, *, dry_run: bool = True, full: bool = False
    ) -> Outcome:
        """Remove files that no version within the retention needs; by default only list them.

        `metrics["files"]` are their paths. `retention_hours` None is the table's own (a week by default).
        `full` lists the table's directory, and takes files that were never committed too, as a killed
        writer leaves them.

        Raises:
            OperationRefused: the retention is below the table's own, where files of a writer or
                reader at work could go; or, with `full`, a writer at work has staged since before it.
            UnsupportedTable: `full`, and the table may have deletion vectors, which deltalake would remove.
        """
        vacuum = Vacuum(
            self.uri,
            self._handles.open,
            self._profile.to_deltalake_options,
            retention_hours,
            dry_run=dry_run,
            full=full,
        )
        outcome = self._run("vacuum", vacuum.attempt, removes_rows=False)
        if outcome.status is Status.LANDED_AFTER_ERROR:
            return msgspec.structs.replace(outcome, metrics=vacuum.metrics)
        return outcome

    def audit(self, versions: range | None = None, *, orphans: bool = False) -> Audit:
        """Audit the log's versions (all by default), as `dfd_delta_policy.audit` does."""
        return audit(self.uri, self._profile, versions, orphans=orphans)

    def _committer(self) -> Committer:
        if self._native is None:
            return PlainCommitter(PlainTables(), self.uri, self._profile, self._handles.open)
        return Committer(self._native, self.uri, self._profile, self._handles.open)

    def _run_staged(
        self, name: OperationName, work: StagedWrite | Optimize, **more: Any
    ) -> Outcome:
        """Run an operation whose files are written once, and leave none that isn't in the log."""
        outcome: Outcome | None = None
        try:
            outcome = self._run(name, work.commit, stage=work.stage, **more)
        finally:
            work.close(outcome)
        if outcome.status is Status.LANDED_AFTER_ERROR:
            return msgspec.structs.replace(outcome, metrics=work.metrics)
        return outcome

    def _once(self, operation: OperationName) -> bool:
        """Whether there is one attempt only, so that a stream may go straight through."""
        return self._loop.policy.bounds_of(operation).attempts == 1

    def _run(
        self,
        name: OperationName,
        attempt: Callable[[Attempt], Done],
        *,
        removes_rows: bool,
        **more: Any,
    ) -> Outcome:
        """Run an operation; `more` are fields of `Operation`."""
        with self._observe(name, self.uri) as done, self._guarded():
            outcome = self._loop.run(
                Operation(
                    name=name,
                    operation_id=uuid.uuid4().hex,
                    removes_rows=removes_rows,
                    attempt=attempt,
                    metadata={} if self._commit_metadata is None else dict(self._commit_metadata()),
                    **more,
                )
            )
            done(outcome)
        return outcome

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Raise what a store refuses as `StorageFailure`."""
        with self._profile.failures(self.uri, "deltalake", passing=(DeltaPolicyError,)):
            yield


@contextlib.contextmanager
def _unobserved(name: str, uri: str) -> Iterator[Callable[[Outcome], None]]:
    yield lambda outcome: None
