"""Folders of Delta tables as schemas of the session."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING

from dfd.errors import ConfigurationError, QueryError
from dfd.table_reference import TableReference

if TYPE_CHECKING:
    from dfd.sql.session import SqlSession


_logger = logging.getLogger("dfd")


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

    def find_all(self) -> None:
        """Register all tables of the folders; one that can't be read is logged and left out."""
        for (catalog, schema), root in list(self._roots.items()):
            for table in self._runtime.tables_beneath(root):
                name = str(TableReference(catalog, schema, table))
                if self._runtime.registered(name) is not None:
                    continue
                try:
                    self._runtime.register(name, f"{root}/{table}")
                except (ConfigurationError, QueryError) as error:
                    _logger.warning("The table %s is left out: %s", name, error)
