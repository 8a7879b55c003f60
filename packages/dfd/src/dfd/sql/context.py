"""What statements share: their tables, their queries, and results of one row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dfd_delta_policy import GuardedTable, Outcome

from dfd.sql.literals import literal, quoted_name
from dfd.sql.statements import Name
from dfd.sql.tables import SqlTables

if TYPE_CHECKING:
    from dfd.query import Query
    from dfd.sql.session import SqlSession


class StatementContext:
    """One statement's runtime, tables, text and values of placeholders."""

    def __init__(
        self, runtime: SqlSession, tables: SqlTables, text: str, params: Mapping[str, Any] | None
    ) -> None:
        self.runtime = runtime
        self.tables = tables
        self._text = text
        self._params = params
        self._queries: list[Query] = []

    def plan(self, query: str) -> Query:
        """A query of the statement's, which may name tables by version, time and URI."""
        planned = self.runtime.plan_sql(self.tables.query(query), self._params)
        self._queries.append(planned)
        return planned

    def versions_read(self, uri: str) -> set[int]:
        """The versions of a table that the statement's queries have read, by views too."""
        found = (query.versions.version_of(uri) for query in self._queries)
        return {version for version in found if version is not None}

    def forget_reads(self) -> None:
        """The statement begins again."""
        self._queries.clear()

    def table(self, name: Name) -> GuardedTable:
        """The table that a statement changes or keeps.

        Raises:
            QueryError: there is none of this name, or the name stands for one version.
        """
        return self.table_at(self.tables.target(name))

    def table_at(self, uri: str) -> GuardedTable:
        """A table, whose commits say the statement as the runtime's `record_sql` has it."""
        recorded = self.runtime.profile.observability.record_sql
        said = {"text": {"sql": self._text}, "off": {}}
        fingerprint = self.runtime.observer.fingerprint(self._text)
        found = said.get(recorded, {"sql_fingerprint": str(fingerprint)})
        return self.runtime.table(uri, commit_metadata=found)

    def result(self, outcome: Outcome) -> Query:
        """The figures of an outcome, as one row."""
        found = self.figures(
            {
                "operation": outcome.operation,
                "status": str(outcome.status),
                "version": outcome.version,
                "attempts": outcome.attempts,
                "operation_id": outcome.operation_id,
                **outcome.metrics,
            }
        )
        found.outcome = outcome
        return found

    def figures(self, figures: Mapping[str, Any]) -> Query:
        """A result of one row."""
        shown = [
            f"{literal(_plain(value))} AS {quoted_name(name)}" for name, value in figures.items()
        ]
        return self.runtime.plan_sql(f"SELECT {', '.join(shown)}")


def _plain(value: Any) -> Any:
    is_plain = value is None or isinstance(value, (bool, int, float, str))
    return value if is_plain else json.dumps(value, default=str)
