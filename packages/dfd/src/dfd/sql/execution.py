"""A statement of a Delta table, run or explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dfd_delta_policy import CommitPlan, Outcome

from dfd.sql.context import StatementContext
from dfd.sql.literals import quoted_text
from dfd.sql.row_statements import change, insert, inserted_rows
from dfd.sql.statements import (
    AlterTable,
    CreateTable,
    DeltaStatement,
    Detail,
    History,
    Insert,
    Optimize,
    Restore,
    RowStatement,
    Vacuum,
)
from dfd.sql.table_statements import alter, create, detail, history, optimize, restore, vacuum

if TYPE_CHECKING:
    from dfd.query import Query


def execute(context: StatementContext, statement: DeltaStatement) -> Query:
    """Do it; the result has one row, of the outcome's figures, or the rows that are asked for."""
    match statement:
        case Insert():
            return context.result(insert(context, statement))
        case CreateTable():
            return create(context, statement)
        case AlterTable():
            return context.result(alter(context, statement))
        case Optimize():
            return context.result(optimize(context, statement))
        case Vacuum():
            return vacuum(context, statement)
        case Restore():
            return context.result(restore(context, statement))
        case History():
            return history(context, statement)
        case Detail():
            return detail(context, statement)
        case _:
            return context.result(change(context, statement))


class _Explained(Exception):
    """What a change would do; nothing is committed."""

    def __init__(self, plan: CommitPlan, staged: Mapping[str, Any]) -> None:
        super().__init__()
        self.figures = {"version": plan.read_version, **staged}


class _Explains:
    """A hook that ends an operation when what it does is known."""

    def before_commit(self, plan: CommitPlan) -> None:
        """Nothing."""

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, Any]) -> None:
        raise _Explained(plan, staged)

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing."""


def explain(context: StatementContext, statement: DeltaStatement) -> Query:
    """What a statement would do; nothing is committed.

    A change of rows is worked out whole: its files are written, and removed again.
    """
    if isinstance(statement, RowStatement):
        try:
            return context.result(change(context, statement, (_Explains(),)))
        except _Explained as explained:
            return context.figures({"operation": statement.verb, **explained.figures})
    if isinstance(statement, Insert):
        rows = inserted_rows(context, statement, context.table(statement.table))
        plan = f"{statement.verb} {statement.table.text}\n{rows.explain()}"
        return context.runtime.plan_sql(f"SELECT {quoted_text(plan)} AS plan")
    if isinstance(statement, (History, Detail)):
        return execute(context, statement)
    found = {"operation": statement.verb, "table": statement.table.text}
    if not isinstance(statement, CreateTable):
        table = context.table(statement.table)
        found |= {"location": table.uri, "version": str(table.version())}
    return context.figures(found)
