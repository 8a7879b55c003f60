"""The Delta tables of a runtime's session, by their names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone

import dfd_native
import msgspec
from datafusion import SessionContext

from dfd.errors import ConfigurationError
from dfd.pins import Pin, Staleness
from dfd.table_reference import TableReference, refused

_NAMING = re.compile(
    r"datafusion\.(catalog\.default_catalog|catalog\.default_schema"
    r"|sql_parser\.enable_ident_normalization) = (.*)"
)


class RegisteredTable(msgspec.Struct, frozen=True):
    """A Delta table of the session.

    - `name`: as it was given to `register`.
    - `uri`: where the table is, canonical.
    - `version`: the one that is read; of a table that isn't pinned, the one that was seen last.
    - `pinned`: whether every query reads this version.
    """

    name: str
    uri: str
    version: int
    pinned: bool


class SessionTables:
    """The registered tables, by what a session resolves their names to. Threads may share it."""

    def __init__(self, session_context: SessionContext) -> None:
        self._session_context = session_context
        #: The same tables, as dfd-native has them.
        self.catalog = dfd_native.SessionCatalog(session_context)

    def reference(self, name: str) -> TableReference:
        """The one table that the session would mean by a name in SQL.

        Raises:
            ConfigurationError: it is no name of a table, or of a schema that isn't there.
        """
        # `SET` may have changed them; a session tells its settings without a query only so.
        settings = dict(_NAMING.findall(repr(self._session_context)))
        reference = TableReference.parse(
            name,
            settings["catalog.default_catalog"],
            settings["catalog.default_schema"],
            folds_case=settings["sql_parser.enable_ident_normalization"] == "true",
        )
        if not self._has_schema(reference):
            where = f"{reference.catalog}.{reference.schema}"
            raise refused(name, f"there is no schema {where!r}")
        return reference

    def new_schema(self, name: str) -> TableReference:
        """A schema of this name, made if the session has none; the reference of a table in it.

        Raises:
            ConfigurationError: it is no name of a schema, or of a catalog that isn't there.
        """
        try:
            self._session_context.sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
        except Exception as error:
            raise ConfigurationError(f"No schema can be named {name!r}: {error}") from error
        return self.reference(f"{name}.t")

    def named(self, name: str) -> RegisteredTable | None:
        """The Delta table that the session means by a name in SQL; None where it means none."""
        try:
            entry = self._entry(name)
        except ConfigurationError:
            return None
        return None if entry is None else _registered(entry)

    def versions_read(self, versions: TableVersions, names: Iterable[str]) -> dict[str, int]:
        """The versions that a query read of the Delta tables among those that it names."""
        found = {name: self.named(name) for name in names}
        read = {
            name: (table, versions.version_of(table.uri)) for name, table in found.items() if table
        }
        return {
            name: table.version if version is None else version
            for name, (table, version) in read.items()
        }

    def _entry(self, name: str) -> dfd_native.CatalogTable | None:
        parts = self.reference(name).parts
        return next((table for table in self.catalog.tables() if table.name == parts), None)

    def _entries(self, names: Sequence[str]) -> dict[str, dfd_native.CatalogTable]:
        """The tables of these names, by the names as given; without names all, by their own."""
        if not names:
            return {table.label: table for table in self.catalog.tables()}
        found = {}
        for name in names:
            entry = self._entry(name)
            if entry is None:
                known = ", ".join(table.name for table in self.tables()) or "none"
                raise ConfigurationError(
                    f"{name!r} is no Delta table of the session, whose Delta tables are: {known}."
                )
            found[name] = entry
        return found

    def pin(self, names: Sequence[str]) -> Pin:
        """Pin tables, without names all, to their newest versions; those that are pinned stay as they are.

        Raises:
            ConfigurationError: a name is no Delta table's.
            dfd_native.TableError: a log can't be read; nothing is pinned then.
        """
        entries = self._entries(names)
        at = datetime.now(timezone.utc)
        followed = [entry.name for entry in entries.values() if not entry.pinned]
        self.catalog.pin(followed)

        def release() -> None:
            there = {table.name for table in self.catalog.tables()}
            self.catalog.unpin([name for name in followed if name in there])

        return Pin(self._versions(entries), at, release)

    def unpin(self, names: Sequence[str]) -> None:
        """Have tables, without names all, follow their newest versions.

        Raises:
            ConfigurationError: a name is no Delta table's.
        """
        self.catalog.unpin([entry.name for entry in self._entries(names).values()])

    def refresh(self, names: Sequence[str]) -> dict[str, int]:
        """Look for newer versions of tables, without names of all, and move those that are pinned; what is read now.

        Raises:
            ConfigurationError: a name is no Delta table's.
            dfd_native.TableError: a log can't be read; nothing is moved then.
        """
        entries = self._entries(names)
        self.catalog.refresh([entry.name for entry in entries.values()])
        return self._versions(entries)

    def _versions(self, entries: dict[str, dfd_native.CatalogTable]) -> dict[str, int]:
        read = {table.name: table.table.version for table in self.catalog.tables()}
        return {name: read[entry.name] for name, entry in entries.items() if entry.name in read}

    def staleness(self, name: str) -> Staleness:
        """How far what is read of a table is behind: one look at its log.

        Raises:
            ConfigurationError: the name is no Delta table's.
            dfd_native.TableError: its log can't be read.
        """
        (entry,) = self._entries([name]).values()
        found = self.catalog.staleness(entry.name)
        if found.version == found.newest:
            return Staleness(found.version, found.newest, 0.0)
        if found.since is None:
            return Staleness(found.version, found.newest, None)
        behind_s = datetime.now(timezone.utc).timestamp() - found.since / 1000
        return Staleness(found.version, found.newest, max(behind_s, 0.0))

    def outdate(self, uri: str) -> None:
        """Have the next query look at the log of the table at a canonical URI."""
        self.catalog.outdate(uri)

    @property
    def freshness_s(self) -> float:
        """The seconds that a look at a log may be old for a query to rely on it."""
        return self.catalog.freshness_s

    @freshness_s.setter
    def freshness_s(self, seconds: float) -> None:
        self.catalog.freshness_s = seconds

    def _has_schema(self, reference: TableReference) -> bool:
        if reference.catalog not in self._session_context.catalog_names():
            return False
        return reference.schema in self._session_context.catalog(reference.catalog).schema_names()

    def put(self, name: str, uri: str, table: dfd_native.DeltaTable, pinned: bool) -> None:
        """Register a table in place of any other of its name; all of it is done, or nothing.

        Raises:
            ConfigurationError: the session refuses it.
        """
        resolved = self.reference(name).parts
        try:
            self.catalog.register(resolved, table, pinned, label=name, uri=uri)
        except dfd_native.TableError as error:
            raise refused(name, f"the session says: {error}") from error

    def remove(self, name: str) -> bool:
        """Take a table out; False where no Delta table is registered under the name.

        Raises:
            ConfigurationError: it is no name of a table, or of a schema that isn't there.
        """
        return self.catalog.unregister(self.reference(name).parts)

    def tables(self) -> list[RegisteredTable]:
        """The tables that are registered now, sorted by the names that they were given."""
        return sorted(map(_registered, self.catalog.tables()), key=lambda table: table.name)

    def choose(self, sql: str, versions: TableVersions) -> None:
        """Choose the versions of the tables that a statement names, before it is planned."""
        self.catalog.choose(sql, self._session_context, versions.native)

    def reopen(self, open_again: Callable[[str, int], dfd_native.DeltaTable | None]) -> None:
        """Read the versions that are read now from what `open_again(uri, version)` gives; None leaves a table.

        A table that is registered anew or read at a newer version meanwhile is left as it is then.
        """
        for entry in self.catalog.tables():
            table = open_again(entry.uri, entry.table.version)
            while table is not None and not self.catalog.exchange(entry.name, entry.table, table):
                current = [t for t in self.catalog.tables() if t.name == entry.name]
                if not current:
                    break
                entry = current[0]
                table = open_again(entry.uri, entry.table.version)


def _registered(table: dfd_native.CatalogTable) -> RegisteredTable:
    return RegisteredTable(table.label, table.uri, table.table.version, table.pinned)


class TableVersions:
    """The versions that one query reads: the newest when it asks first, of each table one.

    `failed` makes the error of a table whose newest version can't be had.
    """

    def __init__(self, failed: Callable[[dfd_native.TableError], Exception]) -> None:
        self.native = dfd_native.QueryVersions()
        self._failed = failed

    def version_of(self, uri: str) -> int | None:
        """The version that was read so far of the table at `uri`; None where it wasn't, or is pinned to one."""
        return self.native.version_of(uri)

    def cause_of(self, error: BaseException) -> BaseException:
        """What a run in the session failed of: the session makes a text of every error below it."""
        return self.native.take_gone() or error

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within the block what this thread plans and runs in the session reads these versions."""
        try:
            with self.native:
                yield
        except dfd_native.TableError as error:
            failed = self._failed(error)
            raise failed from (failed.__cause__ or error)
