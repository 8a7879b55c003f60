"""DELETE, UPDATE and MERGE by dfd-native: rows are found and written once, and tried until a commit takes them.

    stage: the rows that change, on one version; new files
    each attempt: are all these rows still there, and do files that came since have none? -> commit

A conflict with a change of other rows costs a look at its files, and a commit, also where both have deletion vectors
of one file; only where rows of the statement changed meanwhile it is worked out again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from deltalake import DeltaTable

from dfd_delta_policy.backend.protocol import RowChange, StagedFiles, Work
from dfd_delta_policy.commit.committer import Commit, NativeCommitter
from dfd_delta_policy.commit.knowledge import Knowledge
from dfd_delta_policy.commit.metadata import TableMetadata
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.commit.staged_files import UncommittedFiles
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.clauses import Clause, Clauses
from dfd_delta_policy.operations.columns import Columns
from dfd_delta_policy.operations.expressions import Relation
from dfd_delta_policy.operations.nesting import from_arrow
from dfd_delta_policy.operations.row_changes import named_updates
from dfd_delta_policy.properties import TableProperties
from dfd_delta_policy.source import Source, schema_of

_STATEMENT = "statement"


class Statement(Protocol):
    """What becomes of rows: `operation` and `parameters` are in Delta-Spark's words."""

    operation: str
    work: tuple[Work, ...]

    @property
    def parameters(self) -> Mapping[str, Any]: ...
    def work_out(self, committer: NativeCommitter, table: DeltaTable) -> RowChange: ...


class Delete:
    """DELETE FROM the table WHERE `predicate`.

    `inserted`: files that the same commit adds.
    """

    operation = "DELETE"
    work: tuple[Work, ...] = ("rewrite", "commit")

    def __init__(
        self,
        predicate: str | None,
        inserted: Callable[[], StagedFiles] | None = None,
    ) -> None:
        self._predicate = _checked(predicate)
        self._inserted = inserted

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As Delta-Spark has them."""
        return _parameters(self._predicate)

    def work_out(self, committer: NativeCommitter, table: DeltaTable) -> RowChange:
        """The rows that go from the version of a handle."""
        return committer.native.delete_rows(
            committer.uri,
            committer.options,
            version=table.version(),
            predicate=self._predicate,
            inserted=None if self._inserted is None else self._inserted(),
            target_file_bytes=TableProperties.of(table).target_file_bytes,
        )


class Update:
    """UPDATE the table SET `updates` WHERE `predicate`."""

    operation = "UPDATE"
    work: tuple[Work, ...] = ("stage", "rewrite", "commit")

    def __init__(self, updates: Mapping[str, str], predicate: str | None) -> None:
        self._updates = updates
        self._predicate = _checked(predicate)
        for name, value in updates.items():
            if not isinstance(value, str):
                raise InvalidOperation(
                    f"The value of column {name} is SQL text, not {type(value).__name__}. Nothing was changed."
                )

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As Delta-Spark has them."""
        return _parameters(self._predicate)

    def work_out(self, committer: NativeCommitter, table: DeltaTable) -> RowChange:
        """The rows that get other values, on the version of a handle."""
        columns = Columns("the table", [field.name for field in table.schema().fields])
        return committer.native.update_rows(
            committer.uri,
            committer.options,
            version=table.version(),
            updates=named_updates(self._updates, columns),
            predicate=self._predicate,
            target_file_bytes=TableProperties.of(table).target_file_bytes,
        )


class Merge:
    """MERGE INTO the table USING `source` ON `predicate`; texts name the sides by their aliases."""

    operation = "MERGE"
    work: tuple[Work, ...] = ("stage", "rewrite", "commit")

    def __init__(
        self,
        source: Source,
        predicate: str,
        clauses: Sequence[Clause],
        source_alias: str | None,
        target_alias: str | None,
        *,
        merge_schema: bool,
    ) -> None:
        if not isinstance(predicate, str):
            raise InvalidOperation(
                f"The predicate of the MERGE is SQL text, not {type(predicate).__name__}. Nothing was changed."
            )
        self._source = source
        self._predicate = predicate
        self._clauses = clauses
        self._source_alias = source_alias or "source"
        self._target_alias = target_alias or "target"
        self._merge_schema = merge_schema

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As Delta-Spark has them."""
        by_kind: dict[str, list[dict[str, str]]] = {
            "matchedPredicates": [],
            "notMatchedPredicates": [],
            "notMatchedBySourcePredicates": [],
        }
        for clause in self._clauses:
            rows, action = clause.rows_and_action
            told = {"actionType": action}
            if clause.predicate is not None:
                told = {"predicate": clause.predicate, **told}
            by_kind[f"{_in_the_log(rows)}Predicates"].append(told)
        told_all = {name: json.dumps(clauses) for name, clauses in by_kind.items()}
        return {"predicate": json.dumps([self._predicate]), **told_all}

    def work_out(self, committer: NativeCommitter, table: DeltaTable) -> RowChange:
        """The rows that the source changes, on the version of a handle."""
        with self._source.run() as data:
            target = Relation("table", table.schema().fields, self._target_alias)
            source = Relation("source", from_arrow(schema_of(data)), self._source_alias)
            clauses = Clauses(self._clauses, target, source, merge_schema=self._merge_schema)
            return committer.native.merge_rows(
                committer.uri,
                data,
                committer.options,
                version=table.version(),
                predicate=self._predicate,
                clauses=clauses.as_merge_clauses(),
                source_alias=self._source_alias,
                target_alias=self._target_alias,
                merge_schema=self._merge_schema,
                target_file_bytes=TableProperties.of(table).target_file_bytes,
            )


class WorkedOut:
    """What a statement changes: worked out once, and again where the table changed meanwhile."""

    def __init__(
        self, committer: NativeCommitter, statement: Statement, uncommitted: UncommittedFiles
    ) -> None:
        self._committer = committer
        self._statement = statement
        self._uncommitted = uncommitted
        self._change: RowChange | None = None
        self._table_metadata: TableMetadata | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """The counts of rows, files and deletion vectors."""
        return {} if self._change is None else dict(self._change.metrics)

    def on(self, table: DeltaTable) -> RowChange:
        """The change of the version of a handle, worked out now."""
        if self._change is not None and self._change.staged is not None:
            self._uncommitted.drop(self._change.staged)
        self._change = None
        self._committer.refuse_features(table, *self._statement.work)
        self._table_metadata = TableMetadata.of(table)
        with statements():
            self._change = change = self._statement.work_out(self._committer, table)
        if change.staged is not None:
            self._uncommitted.take(change.staged)
        return change

    def at(self, table: DeltaTable) -> RowChange:
        """The change as it is on the version of a handle."""
        change = self._change
        if change is None or not self._has_same_metadata(table):
            return self.on(table)
        if change.removes.version != table.version():
            change = change.rebased_on(table.version()) or self.on(table)
            self._change = change
        return change

    def _has_same_metadata(self, table: DeltaTable) -> bool:
        before = self._table_metadata
        return before is not None and before.change(TableMetadata.of(table)) is None


class StagedChange:
    """One change of rows: `stage` and `commit` are given to the loop, `close` ends it."""

    def __init__(self, committer: NativeCommitter, statement: Statement) -> None:
        self._committer = committer
        self._statement = statement
        self._uncommitted = UncommittedFiles(committer.uri)
        self._worked_out = WorkedOut(committer, statement, self._uncommitted)

    @property
    def metrics(self) -> dict[str, Any]:
        """The counts of rows, files and deletion vectors."""
        return self._worked_out.metrics

    def stage(self, table: DeltaTable | None) -> Mapping[str, Any]:
        """Find the rows, and write new files; what can't be committed is refused before anything is read."""
        staged = self._worked_out.on(_there(table)).staged
        if staged is None:
            return {"rows": 0, "bytes": 0, "files": 0, **self.metrics}
        counted = {"rows": staged.rows, "bytes": staged.bytes, "files": len(staged.file_bytes)}
        return {**counted, **self.metrics}

    def commit(self, attempt: Attempt) -> Done:
        """Commit at exactly the next version; nothing where no row changes, unless a transaction is to be told."""
        table = _there(attempt.table)
        change = self._worked_out.at(table)
        if change.is_empty and not attempt.commit.app_transactions:
            return Done(None, self.metrics)
        what = Commit(
            operation=self._statement.operation,
            parameters=self._statement.parameters,
            metrics={_in_the_log(name): count for name, count in change.metrics.items()},
            adds=[] if change.staged is None else [change.staged],
            removes=change.removes,
        )
        version = self._committer.put(table, what, attempt.commit, marked=change.marked)
        return Done(version, self.metrics)

    def close(self, settled: Callable[[], Knowledge]) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        self._uncommitted.close(settled)


@contextmanager
def statements() -> Iterator[None]:
    """Raise what can't be asked of the table as `InvalidOperation`."""
    try:
        yield
    except ValueError as error:
        if getattr(error, "code", None) != _STATEMENT:
            raise
        said = " ".join(str(error).splitlines()).rstrip(".")
        raise InvalidOperation(f"{said}. Nothing was changed.") from error


def _in_the_log(name: str) -> str:
    """`num_deleted_rows` as Delta-Spark's history has it: `numDeletedRows`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _there(table: DeltaTable | None) -> DeltaTable:
    if table is None:
        raise InvalidOperation("There is no table.")
    return table


def _checked(predicate: object) -> str | None:
    if predicate is not None and not isinstance(predicate, str):
        raise InvalidOperation(
            f"The predicate is SQL text, not {type(predicate).__name__}. Nothing was changed."
        )
    return predicate


def _parameters(predicate: str | None) -> Mapping[str, Any]:
    return {"predicate": json.dumps([] if predicate is None else [predicate])}
