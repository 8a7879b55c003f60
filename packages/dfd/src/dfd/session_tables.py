"""The Delta tables of a session, exchanged for newer versions while other threads plan queries.

A session takes a table in two steps, out with the old one and in with the new, and whoever plans in
between doesn't find it. No lock is held while a query is planned: planning may call functions of the user, which
may use the runtime again, from other threads too, and statements run for as long as they run. A query
that doesn't find a table while one was exchanged is planned again instead.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TypeVar

import dfd_native
import msgspec
from datafusion import SessionContext, Table

from dfd.table_reference import TableReference, refused

Planned = TypeVar("Planned")

_DEFAULT = re.compile(r"datafusion\.catalog\.default_(catalog|schema) = (.*)")
_MISSING = re.compile("not found|doesn't exist")


class Registered(msgspec.Struct, frozen=True):
    """A Delta table of the session, under the name that the user gave it."""

    name: str
    reference: TableReference
    uri: str
    table: dfd_native.DeltaTable
    pinned: bool


class SessionTables:
    """The registered tables, by what a session resolves their names to. Threads may share it."""

    def __init__(self, session_context: SessionContext) -> None:
        self._session_context = session_context
        self._entries: dict[TableReference, Registered] = {}
        # Held for the two steps. A schema written in Python may come back here in the same thread.
        self._exchanging = threading.RLock()
        self._exchanges = 0

    def entries(self) -> list[Registered]:
        """The tables that are registered now."""
        return list(self._entries.values())

    def current(self, entry: Registered) -> Registered | None:
        """The table that is registered now where `entry` was."""
        return self._entries.get(entry.reference)

    def clear(self) -> None:
        """Forget all; the session keeps its tables as they are."""
        self._entries.clear()

    def reference(self, name: str) -> TableReference:
        """The one table that the session would mean by a name in SQL.

        Raises:
            ConfigurationError: it is no name of a table, or of a schema that isn't there.
        """
        # `SET` may have changed the defaults; a session tells its settings without a query only so.
        defaults = dict(_DEFAULT.findall(repr(self._session_context)))
        reference = TableReference.parse(name, defaults["catalog"], defaults["schema"])
        if not self._has_schema(reference):
            where = f"{reference.catalog}.{reference.schema}"
            raise refused(name, f"there is no schema {where!r}")
        return reference

    def _has_schema(self, reference: TableReference) -> bool:
        if reference.catalog not in self._session_context.catalog_names():
            return False
        return reference.schema in self._session_context.catalog(reference.catalog).schema_names()

    def _is_there(self, reference: TableReference) -> bool:
        return self._has_schema(reference) and self._session_context.table_exist(str(reference))

    def put(self, entry: Registered) -> None:
        """Register a table in place of any other of its name; all of it is done, or nothing.

        Raises:
            ConfigurationError: the session refuses it.
        """
        with self._exchanging:
            self._exchange(entry)

    def exchange(self, entry: Registered, table: dfd_native.DeltaTable) -> bool:
        """Put another version in the place of `entry`; False where `entry` is no longer what is registered.

        A table that was dropped by its name is forgotten, and doesn't come back.

        Raises:
            ConfigurationError: the session refuses it.
        """
        with self._exchanging:
            if self.current(entry) is not entry:
                return False
            if self._is_there(entry.reference):
                self._exchange(msgspec.structs.replace(entry, table=table))
            else:
                del self._entries[entry.reference]
        return True

    def _exchange(self, entry: Registered) -> None:
        name, known = str(entry.reference), self.current(entry)
        self._exchanges += 1
        there = (
            self._session_context.table_provider(name) if self._is_there(entry.reference) else None
        )
        try:
            if there is not None:
                self._session_context.deregister_table(name)
            self._session_context.register_table(name, entry.table)
            self._entries[entry.reference] = entry
        except BaseException as error:  # Ctrl-C may come between two steps.
            self._restore(entry.reference, there, known)
            if isinstance(error, Exception):
                raise refused(entry.name, f"the session says: {error}") from error
            raise

    def _restore(
        self, reference: TableReference, there: Table | None, known: Registered | None
    ) -> None:
        if self._is_there(reference):
            self._session_context.deregister_table(str(reference))
        if there is not None:
            self._session_context.register_table(str(reference), there)
        if known is None:
            self._entries.pop(reference, None)
        else:
            self._entries[reference] = known

    def planned(self, plan: Callable[[], Planned]) -> Planned:
        """The result of `plan`, which is called again where it missed a table that was being exchanged."""
        while True:
            with self._exchanging:  # None is between its two steps now.
                before = self._exchanges
            try:
                return plan()
            except Exception as error:
                if self._exchanges == before or not _MISSING.search(str(error)):
                    raise
