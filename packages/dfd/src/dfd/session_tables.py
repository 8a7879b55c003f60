"""The Delta tables of a runtime's session, by their names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import dfd_native
import msgspec
from datafusion import SessionContext

from dfd.errors import ConfigurationError
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
        self._catalog = dfd_native.SessionCatalog(session_context)

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
            parts = self.reference(name).parts
        except ConfigurationError:
            return None
        for table in self._catalog.tables():
            if table.name == parts:
                return RegisteredTable(table.label, table.uri, table.table.version, table.pinned)
        return None

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
            self._catalog.register(resolved, table, pinned, label=name, uri=uri)
        except dfd_native.TableError as error:
            raise refused(name, f"the session says: {error}") from error

    def remove(self, name: str) -> bool:
        """Take a table out; False where no Delta table is registered under the name.

        Raises:
            ConfigurationError: it is no name of a table, or of a schema that isn't there.
        """
        return self._catalog.unregister(self.reference(name).parts)

    def tables(self) -> list[RegisteredTable]:
        """The tables that are registered now, sorted by the names that they were given."""
        found = [
            RegisteredTable(t.label, t.uri, t.table.version, t.pinned)
            for t in self._catalog.tables()
        ]
        return sorted(found, key=lambda table: table.name)

    def choose(self, sql: str, versions: TableVersions) -> None:
        """Choose the versions of the tables that a statement names, before it is planned."""
        self._catalog.choose(sql, self._session_context, versions.native)

    def reopen(self, open_again: Callable[[str, int], dfd_native.DeltaTable | None]) -> None:
        """Read the versions that are read now from what `open_again(uri, version)` gives; None leaves a table.

        A table that is registered anew or read at a newer version meanwhile is left as it is then.
        """
        for entry in self._catalog.tables():
            table = open_again(entry.uri, entry.table.version)
            while table is not None and not self._catalog.exchange(entry.name, entry.table, table):
                current = [t for t in self._catalog.tables() if t.name == entry.name]
                if not current:
                    break
                entry = current[0]
                table = open_again(entry.uri, entry.table.version)


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

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within the block what this thread plans and runs in the session reads these versions."""
        try:
            with self.native:
                yield
        except dfd_native.TableError as error:
            failed = self._failed(error)
            raise failed from (failed.__cause__ or error)
