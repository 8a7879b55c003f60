"""`GuardedTable`: every mutation of a Delta table under one policy."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from dfd_base import renamed_keywords
from dfd_storage import StorageProfile, StorageResolver

from dfd_delta_policy.backend.protocol import TableDescription
from dfd_delta_policy.commit.attempts import CommitTarget, Step, unobserved_step
from dfd_delta_policy.commit.committer import NativeCommitter
from dfd_delta_policy.commit.lock import CommitLock
from dfd_delta_policy.commit.loop import Clock, CommitLoop
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.commit.user_metadata import checked_metadata, together
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.hooks import CommitHook, RequireCommitSafety
from dfd_delta_policy.location import refuse_odd_folder
from dfd_delta_policy.log.audit import Audit, audit
from dfd_delta_policy.log.files import files_of
from dfd_delta_policy.log.reader import Log
from dfd_delta_policy.operations import alter
from dfd_delta_policy.operations.creation import (
    Creation,
    column_metadata,
    operation_of,
    without_rows,
)
from dfd_delta_policy.operations.deltalake_handle import existing
from dfd_delta_policy.operations.merging import MergeBuilder
from dfd_delta_policy.operations.new_columns import new_fields
from dfd_delta_policy.operations.optimize import Optimize
from dfd_delta_policy.operations.partitions import PartitionFilters
from dfd_delta_policy.operations.row_changes import delete, update
from dfd_delta_policy.operations.runner import Observe, OperationRunner
from dfd_delta_policy.operations.staged_changes import Delete, StagedChange, Update
from dfd_delta_policy.operations.staged_writes import StagedWrite
from dfd_delta_policy.operations.upkeep import (
    Upkeep,
    UpkeepTask,
    UpkeepThresholds,
    due_by,
)
from dfd_delta_policy.operations.vacuum import Vacuum
from dfd_delta_policy.operations.writing import Write
from dfd_delta_policy.outcome import AttemptEvent, Outcome
from dfd_delta_policy.policy import DeltaRetryPolicy
from dfd_delta_policy.properties import checked_properties
from dfd_delta_policy.source import Source


class GuardedTable(OperationRunner):
    """A Delta table whose mutations are strict, exactly once, and explained.

    - `uri`: where it is, a path or a URI; it need not exist before the first write. A folder that deltalake
      takes for another is refused (UnsupportedTable).
    - `storage`: its profile. Default: the local directory. A store on which commits overwrite one another
      is refused (`RequireCommitSafety`).
    - `policy`: bounds of retries.
    - `hooks`: called around every commit, in order, after `RequireCommitSafety`.
    - `commit_metadata`: asked before each operation for text that goes into its commits (run and
      query ids).
    - `on_attempt`: told of every attempt that failed.
    - `observe`: called with an operation's name and URI; the operation runs within what it gives,
      and hands its outcome to what that yields.
    - `step`: called with `"stage"` and `"commit"`, which run within what it gives in the same way.
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
        step: Step | None = None,
        clock: Clock | None = None,
    ) -> None:
        profile = StorageResolver().resolve(uri) if storage is None else storage
        super().__init__(profile.canonical_uri(uri), profile, commit_metadata, observe)
        refuse_odd_folder(self.uri)
        target = CommitTarget(
            uri=self.uri,
            handles=self._handles,
            commits_since=lambda version, last: self._committer().commits_since(version, last),
            policy=policy or DeltaRetryPolicy(),
            hooks=(RequireCommitSafety(), *hooks),
            on_attempt=on_attempt,
            storage=profile,
            commit_lock=CommitLock(self.uri),
            step=step or unobserved_step,
        )
        self._loop = CommitLoop(target, clock or Clock())

    def __repr__(self) -> str:
        return f"<dfd_delta_policy.GuardedTable {self.uri}>"

    def with_hooks(self, *hooks: CommitHook) -> GuardedTable:
        """The same table, with hooks that are called after those it has; both use the same handles."""
        found = copy.copy(self)
        target = self._loop.target._replace(hooks=(*self._loop.target.hooks, *hooks))
        found._loop = self._loop._replace(target=target)
        return found

    def with_commit_metadata(self, metadata: Mapping[str, str]) -> GuardedTable:
        """The same table, whose commits say this too: text by name, in their commitInfo.

        Delta-Spark shows what is called `userMetadata` in its history. Both use the same handles.

        Raises:
            InvalidOperation: a name is one that the commit gives itself (`operation`, `timestamp`, `dfd.…`), or
                something is no text.
        """
        found = copy.copy(self)
        found._commit_metadata = together(self._commit_metadata, checked_metadata(metadata))
        return found

    def version(self) -> int:
        """The newest version."""
        return self._handles.version()

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits that the log has, newest first, at most `limit`: each its commitInfo and its `version`.

        Raises:
            deltalake.exceptions.TableNotFoundError: there is no table.
            InvalidOperation: `limit` is below 1.
            OSError: the log can't be read.
        """
        if limit is not None and limit < 1:
            raise InvalidOperation("`limit` is above 0.")
        newest = self._handles.version()
        after = -1 if limit is None else max(newest - limit, -1)
        commits = self._committer().commits_since(after, newest)
        return [{**commit.info, "version": commit.version} for commit in reversed(commits)]

    def create(
        self,
        schema: Any,
        *,
        data: Any = None,
        partition_by: list[str] | None = None,
        properties: Mapping[str, str] | None = None,
        name: str | None = None,
        description: str | None = None,
        exist_ok: bool = False,
        or_replace: bool = False,
    ) -> Outcome:
        """Make a table, without rows or with those of `data`, by one commit. Needs dfd-native.

        - `schema`: of Arrow (pyarrow's, or anything's with `__arrow_c_schema__`) or of deltalake. Columns get the
          types that an append of such data would give them, stay NOT NULL where they are, and keep `comment` and
          `delta.generationExpression` of their metadata: the table then computes such a column.
        - `data`: its first rows, as `append` takes them; the columns are theirs then. It isn't read where there is a
          table that isn't replaced.
        - `properties`: as for `set_properties`. The protocol is the lowest that has them.
        - `name`, `description`: for people, in the table's metadata.
        - `exist_ok`: a table that is there is left as it is, whatever its schema (`nothing_to_do`).
        - `or_replace`: a table that is there is replaced by another, with an id of its own. Of its rows, columns,
          partitioning, properties, constraints, comments, name and description nothing stays; its history does, with
          all older versions, and so do in-commit timestamps, column mapping and the features of its protocol. As
          Delta-Spark's CREATE OR REPLACE.

        Raises:
            InvalidOperation: there is a table, `schema` is none, a property is refused, or dfd-native isn't there.
            ConflictError: it was not committed; or it is to be replaced, and takes appends only.
            dfd_native.StageError: Delta has no such type, or a partition column isn't in the schema.
        """
        committer = self._committer()
        if not isinstance(committer, NativeCommitter):
            raise InvalidOperation("`create` needs dfd-native: pip install dfd-native.")
        if exist_ok and or_replace:
            raise InvalidOperation("`exist_ok` keeps a table, and `or_replace` doesn't: give one.")
        checked = checked_properties(properties) if properties else {}
        rows = without_rows(schema)
        write = StagedWrite(
            committer,
            "overwrite" if or_replace else "append",
            rows if data is None else data,
            predicate=None,
            commit_metadata=None,
            partition_by=partition_by,
            schema_mode="replace" if or_replace else None,
            sort_by=None,
            description=TableDescription(name, description, checked, column_metadata(rows.schema)),
            statement=operation_of(has_rows=data is not None, or_replace=or_replace),
        )
        work = write if or_replace else Creation(write, self.uri, exist_ok=exist_ok)
        return self._run_staged(
            "create", work, removes_rows=or_replace, creates=True, changes_schema=or_replace
        )

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

        Each file's rows are in the order of `sort_by`, which needs dfd-native. With `schema_mode="merge"` columns that
        the table lacks are added to it, and fields inside of structs; they are null in the rows that are there.

        With `app_id` and `app_version` (0 or more), an append lands once: sent again after whatever
        end, or with a lower version, it answers `already_committed` and reads nothing of `data`.

        Raises:
            InvalidOperation: `data` is no Arrow stream, one of the two is missing, or a column of nulls without a
                type would get into the table.
            UnsupportedTable: deltalake has to write, and would write other values.
            ConflictError: it was not committed.
            dfd_native.StageError: the data doesn't fit the table, or its files couldn't be written.
        """
        transaction = _transaction(app_id, app_version)
        return self._write("append", data, None, partition_by, schema_mode, sort_by, transaction)

    def overwrite(
        self,
        data: Any,
        predicate: str | None = None,
        partition_by: list[str] | None = None,
        schema_mode: Literal["merge", "overwrite"] | None = None,
        sort_by: list[str] | None = None,
        app_id: str | None = None,
        app_version: int | None = None,
        partition_overwrite_mode: Literal["static", "dynamic"] = "static",
    ) -> Outcome:
        """Replace all rows, or those that match `predicate`; makes the table if there is none.

        With `partition_overwrite_mode="dynamic"` (Spark's name for it) the partitions that `data` has rows of are
        replaced, whole, and all others stay. It needs dfd-native.

        `app_id` and `app_version`: it lands once, as `append` says. So are `sort_by` and `schema_mode="merge"`. With
        `schema_mode="overwrite"` the table has the columns of `data` and no others, and is partitioned as it was
        unless `partition_by` says otherwise; its properties stay.

        Raises:
            as `append`, and
            InvalidOperation: `schema_mode="overwrite"` beside a predicate, or either beside
                `partition_overwrite_mode="dynamic"`.
            InvalidOperation: the predicate isn't one boolean expression over the table's columns.
            dfd_native.RuleViolation: a row of `data` doesn't match the predicate.
        """
        transaction = _transaction(app_id, app_version)
        by_partition = partition_overwrite_mode == "dynamic"
        if not by_partition and partition_overwrite_mode != "static":
            raise InvalidOperation(
                f"`partition_overwrite_mode` is static or dynamic, not {partition_overwrite_mode!r}."
            )
        if by_partition and (predicate is not None or schema_mode == "overwrite"):
            raise InvalidOperation(
                "`partition_overwrite_mode='dynamic'` says which rows go: it takes no predicate, and no other columns."
            )
        return self._write(
            "overwrite",
            data,
            predicate,
            partition_by,
            schema_mode,
            sort_by,
            transaction,
            by_partition=by_partition,
        )

    def _write(
        self,
        mode: Literal["append", "overwrite"],
        data: Any,
        predicate: str | None,
        partition_by: list[str] | None,
        schema_mode: Literal["merge", "overwrite"] | None,
        sort_by: list[str] | None,
        transaction: tuple[str, int] | None,
        *,
        by_partition: bool = False,
    ) -> Outcome:
        if schema_mode == "overwrite" and (mode == "append" or predicate is not None):
            raise InvalidOperation(
                "`schema_mode='overwrite'` gives the table other columns: it belongs to an overwrite of all rows."
            )
        committer = self._committer()
        if by_partition and not isinstance(committer, NativeCommitter):
            raise InvalidOperation(
                "`partition_overwrite_mode='dynamic'` needs dfd-native: pip install dfd-native."
            )
        is_plain = predicate is None and schema_mode is None
        if isinstance(committer, NativeCommitter) or (self._native is not None and is_plain):
            write = StagedWrite(
                committer,
                mode,
                data,
                predicate=predicate,
                commit_metadata=self._commit_metadata,
                partition_by=partition_by,
                schema_mode=schema_mode,
                sort_by=sort_by,
                by_partition=by_partition,
            )
            return self._run_staged(
                mode,
                write,
                removes_rows=mode == "overwrite",
                transaction=transaction,
                creates=True,
                changes_schema=schema_mode is not None,
            )
        if sort_by:
            raise InvalidOperation("`sort_by` needs dfd-native.")
        with Source(data, once=self._once(mode)) as source:
            by_deltalake = Write(mode, predicate, partition_by, schema_mode)

            def attempt(attempt: Attempt) -> Done:
                options = self._profile.to_deltalake_options()
                return by_deltalake.once(attempt, self._committer(), source, options)

            return self._run_by_deltalake(
                mode,
                attempt,
                removes_rows=mode == "overwrite",
                transaction=transaction,
                creates=True,
                changes_schema=schema_mode is not None,
            )

    def delete(
        self,
        predicate: str | None = None,
        *,
        app_id: str | None = None,
        app_version: int | None = None,
    ) -> Outcome:
        """Delete the rows that match `predicate`, or all.

        With `app_id` and `app_version` it lands once, as `append` says.

        Raises:
            InvalidOperation: the predicate isn't one boolean expression over the table's columns.
            UnsupportedTable: without dfd-native, deltalake would damage rows that stay.
        """
        transaction = _transaction(app_id, app_version)
        committer = self._committer()
        if isinstance(committer, NativeCommitter):
            work = StagedChange(committer, Delete(predicate))
            return self._run_staged("delete", work, removes_rows=True, transaction=transaction)

        def attempt(attempt: Attempt) -> Done:
            return delete(attempt, committer, predicate)

        return self._run_by_deltalake("delete", attempt, removes_rows=True, transaction=transaction)

    def update(
        self,
        updates: Mapping[str, str],
        predicate: str | None = None,
        *,
        app_id: str | None = None,
        app_version: int | None = None,
    ) -> Outcome:
        """Set columns to SQL expressions where `predicate` holds, or everywhere.

        Columns are found without regard to case. With `app_id` and `app_version` it lands once, as `append` says.

        Raises:
            InvalidOperation: a name is that of no column, or a text isn't one expression over the table's.
            UnsupportedTable: without dfd-native, deltalake would damage rows of the table.
            dfd_native.RuleViolation: a new row breaks a rule of the table.
        """
        if not updates:
            raise InvalidOperation("`updates` names no column.")
        transaction = _transaction(app_id, app_version)
        committer = self._committer()
        if isinstance(committer, NativeCommitter):
            work = StagedChange(committer, Update(updates, predicate))
            return self._run_staged("update", work, removes_rows=True, transaction=transaction)

        def attempt(attempt: Attempt) -> Done:
            return update(attempt, committer, updates, predicate)

        return self._run_by_deltalake("update", attempt, removes_rows=True, transaction=transaction)

    def merge(
        self,
        source: Any,
        predicate: str,
        source_alias: str | None = None,
        target_alias: str | None = None,
        *,
        merge_schema: bool = False,
        app_id: str | None = None,
        app_version: int | None = None,
    ) -> MergeBuilder:
        """A MERGE with deltalake's verbs; nothing happens before `.execute()`.

        `source` is anything that `append` takes. Texts name the sides by their aliases; where dfd-native is installed
        these are `source` and `target` by default. With `app_id` and `app_version` it lands once, as `append` says.

        With `merge_schema` columns that the table lacks are added to it, where a clause sets them and the source has
        them under this name; so are fields inside of structs. This needs dfd-native.
        """
        transaction = _transaction(app_id, app_version)
        # What is staged may be worked out again within one attempt.
        once = self._native is None and self._once("merge")

        def run(attempt: Callable[[Attempt], Done], removes_rows: bool) -> Outcome:
            return self._run_by_deltalake(
                "merge", attempt, removes_rows=removes_rows, transaction=transaction
            )

        def run_staged(work: StagedChange, removes_rows: bool) -> Outcome:
            return self._run_staged(
                "merge",
                work,
                removes_rows=removes_rows,
                transaction=transaction,
                changes_schema=merge_schema,
            )

        return MergeBuilder(
            run,
            run_staged,
            self._committer,
            Source(source, once=once),
            predicate,
            source_alias,
            target_alias,
            merge_schema=merge_schema,
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

        `fields`: one or more fields of deltalake or pyarrow, or a schema; a `comment` in their metadata is kept.
        All take nulls. Where columns are mapped they get ids and names in files of their own.

        Raises:
            InvalidOperation: the table has such a column under another type, one takes no nulls, or has metadata of
                Delta's own.
            UnsupportedTable: the table has a feature that forbids it; without dfd-native: it has column mapping.
        """
        attempt = alter.add_columns(self._committer(), new_fields(fields))
        return self._run("add_columns", attempt, removes_rows=False, changes_schema=True)

    def add_constraint(self, constraints: Mapping[str, str]) -> Outcome:
        """Add CHECK constraints, name to SQL expression; every row that is there must hold to them.

        Their expressions are Spark's, and those of which dfd knows that they mean the same here. Names are written in
        lower case. A constraint that the table has already is left as it is.

        Raises:
            InvalidOperation: one isn't such a condition over the table's columns, or its name has another expression.
            dfd_native.RuleViolation: a row breaks one: the `row` of the file at `path`, with its `values`.
            UnsupportedTable, deltalake.exceptions.DeltaError: without dfd-native: one is over timestamps that
                deltalake reads wrong, or a row breaks one.
        """
        attempt = alter.add_constraint(self._committer(), constraints)
        return self._run("add_constraint", attempt, removes_rows=False)

    def drop_constraint(self, name: str, *, missing_ok: bool = False) -> Outcome:
        """Drop a CHECK constraint; its name is found without regard to case.

        Raises:
            InvalidOperation: there is none of this name, and it isn't `missing_ok`.
        """
        attempt = alter.drop_constraint(self._committer(), name, missing_ok=missing_ok)
        return self._run("drop_constraint", attempt, removes_rows=False)

    def set_properties(self, properties: Mapping[str, str]) -> Outcome:
        """Set table properties: those of Delta that dfd keeps, and the user's own.

        `delta.appendOnly`, `delta.enableChangeDataFeed` and `delta.enableDeletionVectors` bring the protocol that they
        ask for; the last needs dfd-native, and readers and writers that know deletion vectors from then on.
        A value that Delta-Spark alone understands is set as every reader does: `30 days` as
        `interval 30 days`, `TRUE` as `true`, `100mb` as `104857600`.

        Raises:
            InvalidOperation: one is unknown, has a value it can't have, or needs dfd-native.
        """
        changes = checked_properties(properties)
        attempt = alter.set_properties(self._committer(), changes)
        return self._run("set_properties", attempt, removes_rows=False, changes=changes)

    def unset_properties(self, names: Iterable[str], *, missing_ok: bool = False) -> Outcome:
        """Take properties away: the user's own, and those that `set_properties` sets. Needs dfd-native.

        The protocol stays as it is.

        Raises:
            InvalidOperation: the table lacks one, and it isn't `missing_ok`; it isn't one that can be taken away; or
                dfd-native isn't there.
        """
        attempt = alter.unset_properties(self._committer(), list(names), missing_ok=missing_ok)
        return self._run("unset_properties", attempt, removes_rows=False)

    def create_checkpoint(self) -> Outcome:
        """Write a checkpoint of the newest version: readers open the table without the commits before it."""

        def attempt(attempt: Attempt) -> Done:
            table = existing(attempt)
            table.create_checkpoint()
            return Done(table.version(), {})

        return self._run("create_checkpoint", attempt, removes_rows=False)

    def restore(self, version: int | None = None, *, timestamp: datetime | None = None) -> Outcome:
        """Make the table what it was at `version`: rows, schema and properties that came later are gone.

        `timestamp`, which has a time zone, stands for the newest version that was there then: by in-commit timestamps
        where the table has them, else by the times of the commits' files. It needs dfd-native.

        Files are taken back as they were, and none is read or written. The protocol loses nothing.
        `metrics` are those of Delta-Spark's RESTORE, counts of files and their bytes.

        Raises:
            InvalidOperation: the log doesn't have the version, or a file of it is gone; not exactly one of both is given.
            UnsupportedTable: the table has a feature that a commit can't keep, or identity columns.
        """
        target = version if timestamp is None else timestamp
        if target is None or (version is not None and timestamp is not None):
            raise InvalidOperation(
                "A restore goes to a `version` or to a `timestamp`: give one of them."
            )
        run = self._run_by_deltalake if self._native is None else self._run
        return run("restore", alter.restore(self._committer(), target), removes_rows=True)

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
            UnsupportedTable: the table's own retention can't be understood; or `full`, and the table may
                have deletion vectors, which deltalake would remove.
        """
        vacuum = Vacuum(
            self.uri,
            self._handles.open,
            lambda: self._committer().live_stages(),
            retention_hours,
            dry_run=dry_run,
            full=full,
        )
        return self._run(
            "vacuum", vacuum.attempt, removes_rows=False, metrics=lambda: vacuum.metrics
        )

    def upkeep(self, thresholds: UpkeepThresholds | None = None) -> Upkeep:
        """What the table wants of its upkeep; nothing is changed. What no threshold asks for isn't looked at.

        Raises:
            deltalake.exceptions.TableNotFoundError: there is no table.
            UnsupportedTable: its retention can't be understood.
        """
        asked = thresholds or UpkeepThresholds()
        table = self._handles.open()
        compact = commits = unneeded = None
        if asked.optimize_files is not None:
            compact = Optimize(self._committer()).candidates(table)
        if asked.checkpoint_commits is not None:
            log = Log(files_of(self.uri, self._profile), self.uri)
            commits = log.commits_since_checkpoint
        if asked.vacuum_files is not None:
            unneeded = len(self.vacuum().metrics["files"])
        return Upkeep(
            uri=self.uri,
            version=table.version(),
            files_to_compact=compact,
            commits_since_checkpoint=commits,
            unneeded_files=unneeded,
            is_sound=self.audit().is_sound if asked.audit else None,
            due=tuple(due_by(asked, compact, commits, unneeded)),
        )

    def run_upkeep(self, task: UpkeepTask) -> Outcome:
        """Run an operation that is due, as its method does by default; VACUUM removes files."""
        if task is UpkeepTask.OPTIMIZE:
            return self.optimize()
        if task is UpkeepTask.CHECKPOINT:
            return self.create_checkpoint()
        return self.vacuum(dry_run=False)

    def audit(self, versions: range | None = None, *, orphans: bool = False) -> Audit:
        """Audit the log's versions (all by default), as `dfd_delta_policy.audit` does."""
        return audit(self.uri, self._profile, versions, orphans=orphans)


def _transaction(app_id: str | None, app_version: int | None) -> tuple[str, int] | None:
    """The transaction of an application.

    Raises:
        InvalidOperation: one of the two is missing, or out of its range.
    """
    if app_id is None and app_version is None:
        return None
    if app_id is None or app_version is None:
        raise InvalidOperation("`app_id` and `app_version` belong together.")
    if not app_id or app_version < 0:
        raise InvalidOperation("`app_id` isn't empty, and `app_version` is 0 or more.")
    return app_id, app_version
