"""Subqueries in conditions and values of DELETE and UPDATE: each is run by itself, before the statement."""

from __future__ import annotations

from typing import Any

import dfd_native

from dfd.errors import QueryError
from dfd.sql.context import StatementContext
from dfd.sql.literals import literal

# Values of a list in a condition; a MERGE takes any number.
_MOST_VALUES = 10_000


def with_values(context: StatementContext, expression: str) -> str:
    """An expression, with what its subqueries give in their place.

    Raises:
        QueryError: one can't be run by itself, or gives too much.
    """
    try:
        queries = dfd_native.sql_subqueries(expression)
    except dfd_native.SqlSyntaxError as error:
        raise QueryError(f"The statement can't be read: {error}") from error
    if not queries:
        return expression
    values = [_value(context, **query) for query in queries]
    return dfd_native.sql_with_values(expression, values)


def _value(context: StatementContext, asked: str, query: str) -> dict[str, Any]:
    """What a subquery gives: one value, all of them, or whether there is a row."""
    most = {"scalar": 2, "values": _MOST_VALUES + 1, "exists": 1}[asked]
    try:
        planned = context.plan(f"SELECT * FROM ({query}) AS dfd_rows LIMIT {most}")
    except QueryError as error:
        reason = " ".join(str(error).splitlines()).rstrip(".")
        raise QueryError(
            f"A subquery of this statement can't be run by itself: {reason}. Nothing was changed. "
            "What reads columns of the changed table is said by MERGE."
        ) from error
    found = planned.to_arrow_table()
    if asked == "exists":
        return {"exists": found.num_rows > 0}
    if found.num_columns != 1:
        raise QueryError(
            f"A subquery gives {found.num_columns} columns and not one. Nothing was changed."
        )
    values = [literal(value) for value in found.column(0).to_pylist()]
    if asked == "values":
        if len(values) > _MOST_VALUES:
            raise QueryError(
                f"A subquery gives more than {_MOST_VALUES} values. Nothing was changed. MERGE takes any number."
            )
        return {"values": values}
    if len(values) > 1:
        raise QueryError(
            "A subquery gives several rows, where one value is asked for. Nothing was changed."
        )
    return {"scalar": values[0] if values else "NULL"}
