"""The Delta tables that statements name: by names of the session, of its folders of tables, and by URI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import dfd_native

from dfd.errors import QueryError
from dfd.sql.literals import quoted_text
from dfd.sql.statements import Name

if TYPE_CHECKING:
    from dfd.sql.session import SqlSession

_STAND_IN = "dfd_mentioned_table_"


class SqlTables:
    """The tables of one statement."""

    def __init__(self, runtime: SqlSession, params: Mapping[str, Any] | None) -> None:
        self._runtime = runtime
        self._params = params

    def find(self, dotted: Iterable[str]) -> None:
        """Register the tables of the session's folders among names that have dots."""
        for name in dotted:
            self._runtime.folders.find(name)

    def uri(self, name: Name) -> str | None:
        """Where a table is; None where it is none of Delta's, or isn't there."""
        if name.uri is not None:
            return name.uri
        entry = self._runtime.registered(name.text)
        return None if entry is None else entry.uri

    def is_delta(self, name: Name | None) -> bool:
        """Whether it is the name of a Delta table, or of one in a folder of tables."""
        if name is None:
            return False
        return self.uri(name) is not None or self._runtime.folders.location(name.text) is not None

    def target(self, name: Name) -> str:
        """Where a table is that a statement changes or keeps.

        Raises:
            QueryError: there is none of this name, or the name stands for one version.
        """
        uri = self.uri(name)
        if uri is None:
            raise self.unknown(name)
        entry = None if name.uri is not None else self._runtime.registered(name.text)
        if entry is not None and entry.pinned:
            raise QueryError(
                f"{name.text} stands for version {entry.version}, and what is older than the newest can't be changed. "
                f"Unpin it, register {entry.uri} without a version, or name it delta.`{entry.uri}`."
            )
        return uri

    def unknown(self, name: Name) -> QueryError:
        """The error of a name that is that of no Delta table."""
        known = ", ".join(table.name for table in self._runtime.tables()[:20]) or "none"
        return QueryError(
            f"{name.text} is no Delta table of the session. Its Delta tables are: {known}. Nothing was changed."
        )

    def query(self, text: str) -> str:
        """A query as the session takes it: tables of a version, of a time and by URI are calls of `read_delta`.

        Raises:
            QueryError: such a table isn't there, or its version or time is none.
        """
        try:
            found = dfd_native.sql_mentions(text, _STAND_IN)
        except dfd_native.SqlSyntaxError:
            # The session may have another dialect.
            return text
        made: str = found["text"]
        for mention in reversed(found["mentions"]):
            arguments = [quoted_text(self._uri_of(mention["table"]))]
            at = mention["at"] or {}
            if "version" in at:
                arguments.append(str(self.version(at["version"])))
            if "timestamp" in at:
                arguments.append(quoted_text(self.moment(at["timestamp"]).isoformat()))
            call = f"read_delta({', '.join(arguments)})"
            made = made.replace(f'"{mention["stand_in"]}"', call)
        return made

    def _uri_of(self, table: dict[str, Any]) -> str:
        name = Name(table["text"], table["last"], table["uri"])
        uri = self.uri(name)
        if uri is None:
            raise self.unknown(name)
        return uri

    def version(self, text: str) -> int:
        """The version that a text is, or a placeholder.

        Raises:
            QueryError: it is none.
        """
        value = (self._params or {}).get(text.removeprefix("$")) if text[0] in "$?" else text
        try:
            return int(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise QueryError(f"{text} is no version of a table.") from None

    def moment(self, expression: str) -> datetime:
        """The time that an expression is, in UTC; one without a zone is of UTC.

        Raises:
            QueryError: it is none.
        """
        value = self._runtime.value_of(f"CAST({expression} AS TIMESTAMP(6))", self._params)
        if not isinstance(value, datetime):
            raise QueryError(f"{expression} is no time.")
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
