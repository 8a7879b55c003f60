"""SQL expressions, looked at by the parser and planner that will evaluate them.

deltalake takes the first expression of a text and passes over the rest, so that `id > 0 limit 1` is `id > 0`.
So every text is planned first, by deltalake's own DataFusion, in two statements that together hold one whole
expression and nothing else, over empty tables with the columns that it may name. No row is read.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from deltalake import DeltaTable, Field, QueryBuilder, Schema
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType

from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.nesting import bare

# No alias of a user's, nor a table that one could name.
_PREFIX = "dfd_columns_of_"
# Brackets leave no room for another clause; CASE none for a bracket that closes these, nor for a list.
# (The first has a CASE too: what stands in a SELECT without takes time by the square of its length. The parser
# says best within brackets alone what it stumbled over.)
# An expression ends on a line of its own, so that a comment ends there too.
_WHOLE = "select case when true then (\n{text}\n) end as v from {tables}"
_IN_BRACKETS = "select (\n{text}\n) as v from {tables}"
_PREDICATE = "select 1 from {tables} where case when true then\n{text}\nend"
_VALUE = "select 1 from {tables} where case when true then\n{text}\nend is null"
_UNBALANCED = "It closes a bracket that it didn't open, or is a list."
_UNPARSED = ("ParserError", "TokenizerError")
# It comes once all is planned, from what is computed ahead: `t < '9999-12-31'`, of nanoseconds here. deltalake
# makes the text one of the column's type before.
_PLANNED = "Optimizer rule"
_SHOWN = 200


class Relation(NamedTuple):
    """Columns that an expression may name, and the alias that it may put before them."""

    name: str
    fields: Sequence[Field]
    alias: str | None = None

    @property
    def as_sql(self) -> str:
        """The relation in a FROM clause."""
        if self.alias is None:
            return _PREFIX + self.name
        return f'{_PREFIX}{self.name} as "' + self.alias.replace('"', '""') + '"'


class Expressions:
    """Checks texts over some relations; made by `over`."""

    def __init__(self, builder: QueryBuilder, relations: Sequence[Relation]) -> None:
        self._builder = builder
        self._relations = relations

    def check_predicate(self, text: object, said: str, *among: Relation) -> None:
        """Refuse a text that isn't one boolean expression over `among` (all relations by default).

        Raises:
            InvalidOperation: it isn't; `said` names it.
        """
        self._check(text, said, _PREDICATE, among or self._relations)

    def check_value(self, text: object, said: str, *among: Relation) -> None:
        """Refuse a text that isn't one expression over `among` (all relations by default).

        Raises:
            InvalidOperation: it isn't; `said` names it.
        """
        self._check(text, said, _VALUE, among or self._relations)

    def check_syntax(self, text: str, said: str) -> None:
        """Refuse a text that isn't one expression, whatever columns and functions it names.

        Raises:
            InvalidOperation: it isn't; `said` names it.
        """
        for statement in (_WHOLE, _VALUE):
            error = self._error(statement, text, self._relations)
            if error is not None and _is_unparsed(error):
                raise self._refusal(text, said, error, self._relations) from error

    def can_plan(self, text: str) -> bool:
        """Whether a text is an expression over all relations."""
        return self._error(_WHOLE, text, self._relations) is None

    def _check(self, text: object, said: str, statement: str, among: Sequence[Relation]) -> None:
        if not isinstance(text, str):
            raise InvalidOperation(
                f"{said} is SQL text, not {type(text).__name__}. Nothing was changed."
            )
        for one in (_WHOLE, statement):
            error = self._error(one, text, among)
            if error is not None:
                raise self._refusal(text, said, error, among) from error

    def _refusal(
        self, text: str, said: str, error: DeltaError, among: Sequence[Relation]
    ) -> InvalidOperation:
        if _is_unparsed(error):
            within = self._error(_IN_BRACKETS, text, among)
            why = _UNBALANCED if within is None or not _is_unparsed(within) else _said(within)
        else:
            why = _said(error)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return InvalidOperation(
            f"{said} isn't one expression over the columns that it may name: {shown!r}. {why} "
            "Nothing was changed. Write it in DataFusion's SQL, names as the table spells them."
        )

    def _error(self, statement: str, text: str, among: Sequence[Relation]) -> DeltaError | None:
        tables = ", ".join(relation.as_sql for relation in among)
        try:
            self._builder.execute(statement.format(text=text, tables=tables))
        except DeltaError as error:
            return None if str(error).startswith(_PLANNED) else error
        return None


@contextmanager
def over(*relations: Relation) -> Iterator[Expressions]:
    """The checker of expressions over these relations, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(
        prefix="dfd-columns-", ignore_cleanup_errors=True
    ) as directory:
        builder = QueryBuilder()
        for relation in relations:
            # A table has a column; this one can't be named by mistake.
            fields = bare(relation.fields) or [Field(_PREFIX, PrimitiveType("boolean"))]
            empty = DeltaTable.create(Path(directory) / relation.name, Schema(fields))
            builder.register(_PREFIX + relation.name, empty)
        yield Expressions(builder, relations)


def _is_unparsed(error: DeltaError) -> bool:
    return any(kind in str(error) for kind in _UNPARSED)


def _said(error: DeltaError) -> str:
    """The error of a statement as one of the text within it."""
    said = re.sub(rf"{_PREFIX}\w+\.", "", " ".join(str(error).split()))
    said = re.sub(r"\bLine: (\d+)", lambda found: f"Line: {int(found[1]) - 1}", said)
    return said if said.endswith(".") else f"{said}."
