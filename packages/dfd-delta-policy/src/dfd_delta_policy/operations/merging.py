"""MERGE with deltalake's verbs: worked out by dfd-native, or replayed by deltalake on a fresh snapshot for every attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deltalake import DeltaTable
from deltalake.table import TableMerger

from dfd_delta_policy.commit.committer import Committer, NativeCommitter
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.clauses import Clause, Clauses
from dfd_delta_policy.operations.deltalake_handle import WRITER, existing, on_handle
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.faults import (
    refuse_fractional_partitions,
    refuse_misread,
    refuse_null_structs,
)
from dfd_delta_policy.operations.nesting import from_arrow
from dfd_delta_policy.operations.staged_changes import Merge, StagedChange
from dfd_delta_policy.outcome import Outcome
from dfd_delta_policy.source import Source


class MergeBuilder:
    """deltalake's `when_...` verbs; made by `GuardedTable.merge`.

    Columns are found without regard to case, but for those of `except_cols`. `..._all` sets every column of the table that isn't in `except_cols`
    from the source's of that name; what only the source has is left out, but with `merge_schema`: then it is added to
    the table, and what only the table has stays as it is, or is null in new rows.
    """

    def __init__(
        self,
        run: Callable[[Callable[[Attempt], Done], bool], Outcome],
        run_staged: Callable[[StagedChange, bool], Outcome],
        committer: Callable[[], Committer],
        source: Source,
        predicate: str,
        source_alias: str | None,
        target_alias: str | None,
        *,
        merge_schema: bool,
    ) -> None:
        self._run = run
        self._run_staged = run_staged
        self._committer = committer
        self._source = source
        self._predicate = predicate
        self._source_alias = source_alias
        self._target_alias = target_alias
        self._merge_schema = merge_schema
        self._clauses: list[Clause] = []

    def _then(self, clause: Clause) -> MergeBuilder:
        if clause.updates is not None and not clause.updates:
            raise InvalidOperation("`updates` names no column.")
        self._clauses.append(clause)
        return self

    def when_matched_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of matched rows to SQL expressions."""
        return self._then(Clause("when_matched_update", predicate, dict(updates)))

    def when_matched_update_all(
        self, predicate: str | None = None, except_cols: Sequence[str] | None = None
    ) -> MergeBuilder:
        """Set all columns of matched rows to those of the source."""
        return self._then(
            Clause("when_matched_update", predicate, sets_all=True, except_cols=except_cols or ())
        )

    def when_matched_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete matched rows."""
        return self._then(Clause("when_matched_delete", predicate))

    def when_not_matched_insert(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match, with these columns."""
        return self._then(Clause("when_not_matched_insert", predicate, dict(updates)))

    def when_not_matched_insert_all(
        self, predicate: str | None = None, except_cols: Sequence[str] | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match."""
        return self._then(
            Clause(
                "when_not_matched_insert", predicate, sets_all=True, except_cols=except_cols or ()
            )
        )

    def when_not_matched_by_source_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of target rows that the source lacks."""
        return self._then(Clause("when_not_matched_by_source_update", predicate, dict(updates)))

    def when_not_matched_by_source_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete target rows that the source lacks."""
        return self._then(Clause("when_not_matched_by_source_delete", predicate))

    def execute(self) -> Outcome:
        """Run the merge.

        Raises:
            InvalidOperation: it has no `when_...` verb, a text is no single expression over the columns that
                its clause has, or a name is that of no column.
            UnsupportedTable: deltalake would damage rows of the table.
        """
        if not self._clauses:
            raise InvalidOperation("The MERGE has no when_... verb.")
        removes_rows = any(clause.removes_rows for clause in self._clauses)
        committer = self._committer()
        with self._source:
            if not isinstance(committer, NativeCommitter):
                if self._merge_schema:
                    raise UnsupportedTable(
                        "A MERGE that adds columns needs dfd-native. Nothing was changed. "
                        "Install it: pip install dfd-native"
                    )
                return self._run(self._attempt, removes_rows)
            statement = Merge(
                self._source,
                self._predicate,
                self._clauses,
                self._source_alias,
                self._target_alias,
                merge_schema=self._merge_schema,
            )
            return self._run_staged(StagedChange(committer, statement), removes_rows)

    def _attempt(self, attempt: Attempt) -> Done:
        table = existing(attempt)
        clauses = self._checked(table)
        refuse_null_structs(table.schema().fields)
        refuse_fractional_partitions(table.schema().fields, table.metadata().partition_columns)
        refuse_misread(self._committer(), table)

        def work(handle: DeltaTable) -> dict[str, Any]:
            merger: TableMerger = handle.merge(
                self._source.open(),
                self._predicate,
                source_alias=self._source_alias,
                target_alias=self._target_alias,
                writer_properties=WRITER,
                commit_properties=attempt.commit,
            )
            return clauses.put(merger).execute()

        return on_handle(attempt, work)

    def _checked(self, table: DeltaTable) -> Clauses:
        target = Relation("table", table.schema().fields, self._target_alias)
        source = Relation("source", from_arrow(self._source.schema), self._source_alias)
        clauses = Clauses(self._clauses, target, source)
        with over(target, source) as expressions:
            expressions.check_predicate(self._predicate, "The predicate of the MERGE")
            clauses.check(expressions)
        return clauses
