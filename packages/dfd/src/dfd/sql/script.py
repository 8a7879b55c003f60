"""Statements of a text, run one after the other: those of Delta tables here, all others by DataFusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
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
    from dfd_obs import Preparation

    from dfd.query import Query
    from dfd.sql.session import SqlSession


def run_script(
    runtime: SqlSession, text: str, params: Mapping[str, Any] | None, preparation: Preparation
) -> Query:
    """The result of the last statement; those before it are done then. `preparation` is that of the whole text.

    Raises:
        QueryError: a statement can't be read or planned, or isn't of a Delta table.
        ScriptError: one of several failed; it says which, and what stands.
    """
    for result in results(runtime, text, params, preparation):
        last = result
    return last


def results(
    runtime: SqlSession,
    text: str,
    params: Mapping[str, Any] | None = None,
    preparation: Preparation | None = None,
) -> Iterator[Query]:
    """The result of each statement, as soon as it is done; at least one.

    `preparation`: that of the text, where it is one statement.

    Raises:
        QueryError, ScriptError: as `run_script`.
    """
    try:
        parsed = parse(text, literals(params))
    except QueryError as unread:
        # The session may have another dialect.
        with _preparing(runtime, text, preparation) as prepared:
            try:
                result = runtime.plan_sql(text, params, prepared)
            except QueryError:
                raise unread from unread.__cause__
        yield result
        return
    if len(parsed) <= 1:
        with _preparing(runtime, text, preparation) as prepared:
            if parsed:
                # Observed as it was given, with its comments.
                as_given = msgspec.structs.replace(parsed[0], text=text)
                result = run_statement(runtime, as_given, params, prepared)
            else:
                result = runtime.plan_sql(text, params, prepared)
        yield result
        return
    outcomes: list[Outcome] = []
    for number, statement in enumerate(parsed, 1):
        try:
            with runtime.preparing(statement.text) as prepared:
                result = run_statement(runtime, statement, params, prepared)
        except Exception as error:
            raise ScriptError(number, len(parsed), statement.line, error, outcomes) from error
        if result.outcome is not None:
            outcomes.append(result.outcome)
        yield result


def _preparing(
    runtime: SqlSession, text: str, preparation: Preparation | None
) -> AbstractContextManager[Preparation]:
    """The preparation that was begun, or one within the block."""
    return runtime.preparing(text) if preparation is None else nullcontext(preparation)


def run_statement(
    runtime: SqlSession,
    parsed: Parsed,
    params: Mapping[str, Any] | None,
    preparation: Preparation,
) -> Query:
    """The result of one statement."""
    tables = SqlTables(runtime, params)
    runtime.folders.find_in(parsed.text)
    tables.find(parsed.dotted)
    if parsed.lists_tables:
        runtime.folders.find_all()
    statement = parsed.statement
    if isinstance(statement, Other):
        return runtime.plan_sql(tables.query(parsed.text), params, preparation)
    is_of_delta = statement.table is None or tables.is_delta(statement.table)
    if not is_of_delta and statement.is_shared:
        return runtime.plan_sql(tables.query(parsed.text), params, preparation)
    if isinstance(statement, Unread):
        raise QueryError(f"The statement can't be read: {parsed.error}. Nothing was changed.")
    context = StatementContext(runtime, tables, parsed.text, params)
    return explain(context, statement) if parsed.explain else execute(context, statement)
