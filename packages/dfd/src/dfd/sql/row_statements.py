"""INSERT, DELETE, UPDATE and MERGE, by the verbs of `GuardedTable`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from dfd_delta_policy import CommitPlan, GuardedTable, MergeBuilder, Outcome

from dfd.errors import QueryError
from dfd.sql.context import StatementContext
from dfd.sql.literals import quoted_name
from dfd.sql.statements import Clause, Delete, Insert, Merge, Name, RowStatement, Update
from dfd.sql.subqueries import with_values

if TYPE_CHECKING:
    from dfd.query import Query


class _Moved(Exception):
    """The table isn't at the version any more that the statement has read."""


class _StandsOnWhatWasRead:
    """A hook that lets a commit stand on no other version of its table than its statement's queries have read."""

    def __init__(self, context: StatementContext, uri: str) -> None:
        self._context = context
        self._uri = uri

    def before_commit(self, plan: CommitPlan) -> None:
        if self._context.versions_read(self._uri) - {plan.read_version}:
            raise _Moved

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing."""


def insert(context: StatementContext, statement: Insert) -> Outcome:
    """Append the rows of a query, or put them in the place of others."""

    def write(table: GuardedTable) -> Outcome:
        rows = inserted_rows(context, statement, table)
        if not statement.overwrite:
            return table.append(rows)
        conditions = [
            f"{quoted_name(column)} {'IS NULL' if value.upper() == 'NULL' else f'= {value}'}"
            for column, value in statement.partition
            if value is not None
        ]
        if statement.replace_where is not None:
            conditions.append(f"({with_values(context, statement.replace_where)})")
        if conditions:
            return table.overwrite(rows, predicate=" AND ".join(conditions))
        is_dynamic = bool(statement.partition)
        return table.overwrite(rows, partition_overwrite_mode="dynamic" if is_dynamic else "static")

    return _write(context, statement.table, write)


def inserted_rows(context: StatementContext, statement: Insert, table: GuardedTable) -> Query:
    """The rows of an INSERT, under the names of the table's columns."""
    names: list[str] = pa.schema(context.runtime.opened(table.uri)).names
    spelt = {name.lower(): name for name in names}

    def column(name: str) -> str:
        if name.lower() not in spelt:
            raise QueryError(
                f"{name!r} is no column of {statement.table.text}. Nothing was changed. "
                f"Its columns are: {', '.join(names[:20])}."
            )
        return spelt[name.lower()]

    fixed = {column(name): value for name, value in statement.partition if value is not None}
    constants = [f"{value} AS {quoted_name(name)}" for name, value in fixed.items()]
    if statement.by_name:
        return context.plan(
            f"SELECT {', '.join(['*', *constants])} FROM ({statement.query}) AS dfd_rows"
        )
    wanted = [column(name) for name in statement.columns]
    if len({*wanted, *fixed}) < len(wanted) + len(fixed):
        raise QueryError(f"{statement.verb} names a column twice. Nothing was changed.")
    wanted = wanted or [name for name in names if name not in fixed]
    listed = ", ".join(map(quoted_name, wanted))
    shown = ", ".join([listed, *constants])
    return context.plan(f"SELECT {shown} FROM ({statement.query}) AS dfd_rows({listed})")


def change(
    context: StatementContext, statement: RowStatement, hooks: Sequence[Any] = ()
) -> Outcome:
    """Change rows, with more hooks around the commit."""
    work: Callable[[GuardedTable], Outcome]
    if isinstance(statement, Merge):
        work = _merge(context, statement)
    elif isinstance(statement, Delete):
        work = _delete(context, statement)
    elif statement.source is None:
        work = _update(context, statement)
    else:
        work = _update_from(context, statement, *statement.source)
    return _write(context, statement.table, lambda table: work(table.with_hooks(*hooks)))


def _delete(context: StatementContext, statement: Delete) -> Callable[[GuardedTable], Outcome]:
    return lambda table: table.delete(_with_values(context, statement.predicate))


def _update(context: StatementContext, statement: Update) -> Callable[[GuardedTable], Outcome]:
    def work(table: GuardedTable) -> Outcome:
        given = _once(statement.assignments)
        values = {column: with_values(context, value) for column, value in given.items()}
        return table.update(values, _with_values(context, statement.predicate))

    return work


def _with_values(context: StatementContext, predicate: str | None) -> str | None:
    return None if predicate is None else with_values(context, predicate)


def _update_from(
    context: StatementContext, statement: Update, query: str, alias: str
) -> Callable[[GuardedTable], Outcome]:
    def work(table: GuardedTable) -> Outcome:
        condition = statement.predicate or "true"
        merging = table.merge(context.plan(query), condition, alias, statement.alias)
        return merging.when_matched_update(_once(statement.assignments)).execute()

    return work


def _merge(context: StatementContext, statement: Merge) -> Callable[[GuardedTable], Outcome]:
    def work(table: GuardedTable) -> Outcome:
        merging = table.merge(
            context.plan(statement.source),
            statement.condition,
            statement.source_alias,
            statement.alias,
            merge_schema=statement.merge_schema,
        )
        for clause in statement.clauses:
            merging = _with_clause(merging, clause)
        return merging.execute()

    return work


def _once(assignments: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Columns and their values, each column once."""
    named = [column for column, _ in assignments]
    found = dict(assignments)
    if len(found) < len(named):
        twice = next(column for column in found if named.count(column) > 1)
        raise QueryError(f"{twice} gets two values. Nothing was changed.")
    return found


def _with_clause(merging: MergeBuilder, clause: Clause) -> MergeBuilder:
    action, predicate = clause.action, clause.predicate
    if action == "delete":
        deletes = {
            "matched": merging.when_matched_delete,
            "not_matched_by_source": merging.when_not_matched_by_source_delete,
        }
        return deletes[clause.rows](predicate)
    if "set" in action:
        sets = {
            "matched": merging.when_matched_update,
            "not_matched": merging.when_not_matched_insert,
            "not_matched_by_source": merging.when_not_matched_by_source_update,
        }
        return sets[clause.rows](_once(action["set"]), predicate)
    except_cols = action["set_all"]["except"]
    if clause.rows == "matched":
        return merging.when_matched_update_all(predicate, except_cols)
    if clause.rows == "not_matched":
        return merging.when_not_matched_insert_all(predicate, except_cols)
    raise QueryError("WHEN NOT MATCHED BY SOURCE has no source to set * from. Nothing was changed.")


def _write(
    context: StatementContext, name: Name, work: Callable[[GuardedTable], Outcome]
) -> Outcome:
    """Do some work on a table; where a query of it reads the table too, the commit stands on what was read.

    If others commit meanwhile it begins again, within the bounds of the policy.
    """
    table = context.table(name)
    guarded = table.with_hooks(_StandsOnWhatWasRead(context, table.uri))
    policy, began, waited = context.runtime.profile.retry, time.monotonic(), None
    for _ in range(policy.attempts):
        try:
            return work(guarded)
        except _Moved:
            context.forget_reads()
            waited = policy.next_wait_s(waited, random.uniform)
            if time.monotonic() + waited > began + policy.timeout_s:
                break
            time.sleep(waited)
    raise QueryError(
        f"{name.text} was changed by others whenever this statement had read it. Nothing was changed. "
        "Run it again, or give the policy more `attempts`."
    )
