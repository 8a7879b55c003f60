"""Folders of Delta tables as schemas of the session."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from dfd.errors import ConfigurationError, QueryError

if TYPE_CHECKING:
    from dfd.sql.session import SqlSession


class Folders:
    """Folders of Delta tables, each a schema of the session; a table is looked for when it is first named."""

    def __init__(self, runtime: SqlSession) -> None:
        # The runtime holds this.
        self._runtime = weakref.proxy(runtime)
        self._roots: dict[tuple[str, str], str] = {}

    def put(self, catalog: str, schema: str, uri: str) -> None:
        """Give a schema a folder, in place of any other."""
        self._roots[catalog, schema] = uri.rstrip("/")

    def location(self, name: str) -> str | None:
        """Where a table of this name is, or would be; None where its schema is no folder."""
        if not self._roots:
            return None
        try:
            reference = self._runtime.table_reference(name)
        except ConfigurationError:
            return None
        root = self._roots.get((reference.catalog, reference.schema))
        return None if root is None else f"{root}/{reference.table}"

    def find(self, name: str) -> None:
        """Register a table of a folder, if there is one of this name."""
        location = self.location(name)
        if location is None or self._runtime.registered(name) is not None:
            return
        try:
            self._runtime.register(name, location)
        except QueryError:
            return
