"""Places of Delta tables that the session hasn't got yet: folders that are schemas, and tables of the profile."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING

from dfd.errors import ConfigurationError, QueryError
from dfd.table_entries import TableEntry
from dfd.table_reference import TableReference, as_written

if TYPE_CHECKING:
    from dfd.sql.session import SqlSession


_logger = logging.getLogger("dfd")


class Folders:
    """Folders of Delta tables, each a schema of the session, and single tables; one is looked for when it is first named."""

    def __init__(self, runtime: SqlSession) -> None:
        # The runtime holds this.
        self._runtime = weakref.proxy(runtime)
        self._roots: dict[tuple[str, str], str] = {}
        self._entries: dict[tuple[str, str, str], TableEntry] = {}
        # Entries that were never registered, and why not, where that was tried.
        self._pending: dict[tuple[str, str, str], QueryError | None] = {}

    def put(self, catalog: str, schema: str, uri: str) -> None:
        """Give a schema a folder, in place of any other."""
        self._roots[catalog, schema] = uri.rstrip("/")

    def put_table(self, entry: TableEntry) -> None:
        """Give a name a table.

        Raises:
            ConfigurationError: no table can have this name.
        """
        parts = self._runtime.table_reference(entry.name).parts
        if parts in self._entries:
            raise ConfigurationError(f"Two [[table]] are called {entry.name!r}: leave one out.")
        self._entries[parts] = entry
        self._pending[parts] = None

    def location(self, name: str) -> str | None:
        """Where a table of this name is, or would be; None where its schema is no folder, nor it a table of the profile."""
        if not (self._roots or self._entries):
            return None
        try:
            reference = self._runtime.table_reference(name)
        except ConfigurationError:
            return None
        entry = self._entries.get(reference.parts)
        if entry is not None:
            return entry.uri
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

    def find_in(self, text: str) -> None:
        """Register the tables of the profile whose names stand in a text, for the first time."""
        lowered = text.lower() if self._pending else ""
        for parts in [found for found in self._pending if found[2].lower() in lowered]:
            self._register_entry(parts)

    def find_all(self) -> None:
        """Register all tables of the profile and the folders; one that can't be read is logged and left out."""
        for parts in list(self._pending):
            self._register_entry(parts)
            if (refused := self._pending.get(parts)) is not None:
                _logger.warning("The table %s is left out: %s", self._entries[parts].name, refused)
        for (catalog, schema), root in list(self._roots.items()):
            for table in self._runtime.tables_beneath(root):
                name = self._short(TableReference(catalog, schema, table))
                if self._runtime.registered(name) is not None:
                    continue
                try:
                    self._runtime.register(name, f"{root}/{table}")
                except (ConfigurationError, QueryError) as error:
                    _logger.warning("The table %s is left out: %s", name, error)

    def refusal(self, parts: tuple[str, str, str]) -> str | None:
        """Why a table of the profile isn't one of the session; None of every other."""
        refused = self._pending.get(parts)
        return None if refused is None else str(refused)

    def names(self) -> list[str]:
        """The names of the profile's tables."""
        return [entry.name for entry in self._entries.values()]

    def _short(self, reference: TableReference) -> str:
        """The shortest name with a schema that the session takes for the table."""
        short = f"{as_written(reference.schema)}.{as_written(reference.table)}"
        return short if self._runtime.table_reference(short) == reference else str(reference)

    def _register_entry(self, parts: tuple[str, str, str]) -> None:
        entry = self._entries[parts]
        if self._runtime.registered(entry.name) is None:
            try:
                self._runtime.register(
                    entry.name, entry.uri, entry.version, entry.timestamp, entry.pinned
                )
            except QueryError as error:
                # Without its traceback, which holds frames and what these hold.
                self._pending[parts] = error.with_traceback(None)
                return
        self._pending.pop(parts, None)
