"""Statements of a text, run one after the other: those of Delta tables here, all others by DataFusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from dfd.errors import QueryError, ScriptError
from dfd.sql.context import StatementContext
from dfd.sql.execution import execute, explain
from dfd.sql.literals import literals
from dfd.sql.statements import Other, Parsed, Unread, parse
from dfd.sql.tables import SqlTables

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome

    from dfd.query import Query
    from dfd.sql.session import SqlSession


def run_script(runtime: SqlSession, text: str, params: Mapping[str, Any] | None) -> Query:
    """The result of the last statement; those before it are done then.

    Raises:
        QueryError: a statement can't be read or planned, or isn't of a Delta table.
        ScriptError: one of several failed; it says which, and what stands.
    """
    for result in results(runtime, text, params):
        last = result
    return last


def results(
    runtime: SqlSession, text: str, params: Mapping[str, Any] | None = None
) -> Iterator[Query]:
    """The result of each statement, as soon as it is done; at least one.

    Raises:
        QueryError, ScriptError: as `run_script`.
    """
    try:
        parsed = parse(text, literals(params))
    except QueryError as unread:
        # The session may have another dialect.
        try:
            yield runtime.plan_sql(text, params)
        except QueryError:
            raise unread from unread.__cause__
        return
    if not parsed:
        yield runtime.plan_sql(text, params)
        return
    if len(parsed) == 1:
        # Observed as it was given, with its comments.
        yield run_statement(runtime, msgspec.structs.replace(parsed[0], text=text), params)
        return
    outcomes: list[Outcome] = []
    for number, statement in enumerate(parsed, 1):
        try:
            result = run_statement(runtime, statement, params)
        except Exception as error:
            raise ScriptError(number, len(parsed), statement.line, error, outcomes) from error
        if result.outcome is not None:
            outcomes.append(result.outcome)
        yield result


def run_statement(runtime: SqlSession, parsed: Parsed, params: Mapping[str, Any] | None) -> Query:
    """The result of one statement."""
    tables = SqlTables(runtime, params)
    runtime.folders.find_in(parsed.text)
    tables.find(parsed.dotted)
    if parsed.lists_tables:
        runtime.folders.find_all()
    statement = parsed.statement
    if isinstance(statement, Other):
        return runtime.plan_sql(tables.query(parsed.text), params)
    is_of_delta = statement.table is None or tables.is_delta(statement.table)
    if not is_of_delta and statement.is_shared:
        return runtime.plan_sql(tables.query(parsed.text), params)
    if isinstance(statement, Unread):
        raise QueryError(f"The statement can't be read: {parsed.error}. Nothing was changed.")
    context = StatementContext(runtime, tables, parsed.text, params)
    return explain(context, statement) if parsed.explain else execute(context, statement)
