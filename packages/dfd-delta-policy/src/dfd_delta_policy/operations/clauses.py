"""The `when_...` clauses of a MERGE, made fit for deltalake.

deltalake passes over an update of a column that it doesn't find, takes names with regard to case, and lets
`..._all` set what it can. Here they mean what they mean in Delta-Spark, or are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from deltalake import Field
from deltalake.table import TableMerger

from dfd_delta_policy.backend.protocol import MergeClause
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.columns import Columns, quoted
from dfd_delta_policy.operations.expressions import Expressions, Relation
from dfd_delta_policy.operations.nesting import kept_fields
from dfd_delta_policy.operations.row_changes import named_updates

_GENERATED = "delta.generationExpression"


class Clause(NamedTuple):
    """One clause of a MERGE: `verb` is deltalake's, without `_all`.

    `updates` are None where it sets no column, or all but `except_cols`.
    """

    verb: str
    predicate: str | None = None
    updates: Mapping[str, str] | None = None
    sets_all: bool = False
    except_cols: Sequence[str] = ()

    @property
    def rows_and_action(
        self,
    ) -> tuple[Literal["matched", "not_matched", "not_matched_by_source"], str]:
        """Of which rows it is, and what becomes of them."""
        for rows in ("not_matched_by_source", "not_matched", "matched"):
            if self.verb.startswith(f"when_{rows}_"):
                return cast(Any, rows), self.verb.removeprefix(f"when_{rows}_")
        raise ValueError(self.verb)

    @property
    def removes_rows(self) -> bool:
        """Whether rows could be gone, or others, afterwards."""
        return self.verb != "when_not_matched_insert"


class Clauses:
    """The clauses of a MERGE into one version of a table, from one source.

    With `merge_schema` the columns that the table lacks are its too.
    """

    def __init__(
        self,
        clauses: Sequence[Clause],
        table: Relation,
        source: Relation,
        *,
        merge_schema: bool = False,
    ) -> None:
        self._merge_schema = merge_schema
        if merge_schema:
            known = Columns("the table", _names(table.fields))
            new = [field for field in source.fields if known.find(field.name) is None]
            table = table._replace(fields=[*table.fields, *new])
        self._table, self._source = table, source
        self._columns = Columns("the table", _names(table.fields))
        self._source_columns = Columns("the source", _names(source.fields))
        self._clauses = [clause._replace(updates=self._updates(clause)) for clause in clauses]
        self._given = clauses

    def check(self, expressions: Expressions) -> None:
        """Refuse what isn't one expression over the columns that its clause has.

        Raises:
            InvalidOperation: a predicate or a value isn't.
        """
        for number, clause in enumerate(self._given, 1):
            what = f"clause {number} of the MERGE ({clause.verb})"
            for among in self._scopes(clause):
                if clause.predicate is not None:
                    expressions.check_predicate(
                        clause.predicate, f"The predicate of {what}", *among
                    )
                for column, value in (clause.updates or {}).items():
                    expressions.check_value(value, f"The value of {column} in {what}", *among)

    def put(self, merger: TableMerger) -> TableMerger:
        """The merger with these clauses."""
        for clause in self._clauses:
            add = getattr(merger, clause.verb)
            if clause.updates is None:
                merger = add(predicate=clause.predicate)
                continue
            updates = {
                quoted(name, self._table.alias): value for name, value in clause.updates.items()
            }
            merger = add(updates, predicate=clause.predicate)
        return merger

    def as_merge_clauses(self) -> list[MergeClause]:
        """The clauses as dfd-native takes them."""
        return [
            MergeClause(clause.rows_and_action[0], clause.predicate, clause.updates)
            for clause in self._clauses
        ]

    def _scopes(self, clause: Clause) -> Iterator[tuple[Relation, ...]]:
        """The relations that the texts of a clause are planned over.

        By deltalake over both sides, where a name may be one of either; and over the side that its rows
        have, for the columns of the other are null.
        """
        yield self._table, self._source
        if clause.verb.startswith("when_not_matched_by_source"):
            yield (self._table,)
        elif clause.verb.startswith("when_not_matched"):
            yield (self._source,)

    def _updates(self, clause: Clause) -> dict[str, str] | None:
        if clause.sets_all:
            found = self._all_but(clause.except_cols)
            if self._merge_schema and clause.verb == "when_matched_update":
                return self._with_kept_fields(found)
            return found
        if clause.updates is None:
            return None
        return named_updates(clause.updates, self._columns, self._table.alias)

    def _all_but(self, except_cols: Sequence[str]) -> dict[str, str]:
        """Every column of the table from the one of its name in the source, as Delta-Spark has `*`.

        What only the source has is left out, and so are generated columns that it lacks; with `merge_schema`
        every column that it lacks.

        Raises:
            InvalidOperation: the source lacks a column, or one to be left out is in neither.
        """
        left_out = {self._left_out(name) for name in except_cols}
        found: dict[str, str] = {}
        missing: list[str] = []
        for field in self._table.fields:
            if field.name in left_out:
                continue
            column = self._source_columns.find(field.name)
            if column is not None:
                found[field.name] = quoted(column, self._source.alias)
            elif _GENERATED not in field.metadata and not self._merge_schema:
                missing.append(field.name)
        if missing:
            raise InvalidOperation(
                f"The source of the MERGE has no column {', '.join(missing)}: its columns are "
                f"{', '.join(_names(self._source.fields))}. Nothing was changed. Name what is to be left as it is "
                "in `except_cols`, or set columns one by one."
            )
        return found

    def _with_kept_fields(self, updates: dict[str, str]) -> dict[str, str]:
        """Columns of the source, with the fields that only the table's structs have, as they are in the row."""
        given = {
            quoted(field.name, self._source.alias): field.type for field in self._source.fields
        }
        known = {field.name: field.type for field in self._table.fields}
        return {
            name: kept_fields(value, given[value], quoted(name, self._table.alias), known[name])
            for name, value in updates.items()
        }

    def _left_out(self, name: str) -> str | None:
        """The column of the table that `except_cols` names; None where only the source has it.

        It is what keeps a column as it is, so it is spelt as the table spells it.
        """
        if name in _names(self._source.fields) and self._columns.find(name) is None:
            return None
        return self._columns.spelt(name)


def _names(fields: Sequence[Field]) -> list[str]:
    return [field.name for field in fields]
