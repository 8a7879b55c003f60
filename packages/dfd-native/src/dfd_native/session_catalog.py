"""Delta tables by name in a DataFusion session: pinned to a version, or each planning's newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dfd_native import _native
from dfd_native._native import DeltaTable, LogTable, QueryVersions
from dfd_native.handshake import ensure_compatible

if TYPE_CHECKING:
    from datafusion import SessionContext

__all__ = ["CatalogTable", "QueryVersions", "SessionCatalog", "TableStaleness"]

Name = tuple[str, str, str]


class CatalogTable(NamedTuple):
    """A Delta table of a session.

    - `name`: catalog, schema and table, as the session has them.
    - `label`: the name as it was given; `uri` the location as it was given.
    - `table`: the version that is read; of a table that isn't pinned, the one that was seen last.
    """

    name: Name
    label: str
    uri: str
    table: DeltaTable
    pinned: bool


class TableStaleness(NamedTuple):
    """How far what is read of a table is behind the newest version.

    - `version`: the one that is read; `newest` the newest there is.
    - `since`: when the first version was committed that isn't read, by the time of its file, in
      milliseconds since 1970; None where the newest is read, or the log no longer has that commit.
    """

    version: int
    newest: int
    since: int | None


class SessionCatalog:
    """The Delta tables of a session, laid over the catalogs that it has.

    A name is given to another table in one step: no thread finds neither. Each planning has the
    schema of the newest version of a table that isn't pinned, and each run its rows: of SQL,
    DataFrames that were kept, views and prepared statements alike. A plan whose columns the
    newest version no longer has fails, and says so. Within `QueryVersions` a table has one version;
    without it, each planning and each run looks at the log for itself.

    In the session everything else is as it was: `DROP TABLE` and `CREATE OR REPLACE` of a table
    here take it out.

    Raises:
        IncompatibleInstallation: the installed datafusion is not the one this was built for.
    """

    def __init__(self, session_context: SessionContext) -> None:
        ensure_compatible()
        self._native = _native.SessionCatalog()
        names = sorted(session_context.catalog_names())
        catalogs = [(name, session_context.catalog(name)) for name in names]
        session_context.register_catalog_provider_list(self._native)
        for name, catalog in catalogs:
            session_context.register_catalog_provider(name, catalog)

    def register(
        self, name: Name, table: DeltaTable, pinned: bool, label: str = "", uri: str = ""
    ) -> None:
        """Give the name to `table`, in place of whatever has it: all of it is done, or nothing.

        Raises:
            TableError: there is no such schema, or it doesn't let go of the table that it has.
        """
        self._native.put(name, label, uri, table, pinned)

    def unregister(self, name: Name) -> bool:
        """Take a table out; False where no Delta table has the name."""
        return self._native.remove(name)

    def exchange(self, name: Name, before: DeltaTable, table: DeltaTable) -> bool:
        """Read the version `before` from `table` from now on, the same one over another store; False where
        it isn't what is read any more.

        Plans that are made already read a table that isn't pinned from there too.
        """
        return self._native.exchange(name, before, table)

    def listing(self) -> LogTable:
        """The tables that are registered now, as a table: `catalog`, `schema`, `table`, `uri`, `version`, `pinned`."""
        return self._native.listing()

    def pin(self, names: list[Name]) -> None:
        """Have every query read the versions that are the newest now; those that are pinned stay as they are.

        All logs are looked at at once. Kept DataFrames and views read them too.

        Raises:
            TableError: a name is no Delta table's, or a log can't be read; nothing is pinned then.
        """
        self._native.pin(names)

    def unpin(self, names: list[Name]) -> None:
        """Have every query read the newest version again.

        Raises:
            TableError: a name is no Delta table's.
        """
        self._native.unpin(names)

    def refresh(self, names: list[Name]) -> None:
        """Look for the newest versions, all at once, and pin those tables to them that are pinned.

        Raises:
            TableError: a name is no Delta table's, or a log can't be read; all stays as it is then.
        """
        self._native.refresh(names)

    def staleness(self, name: Name) -> TableStaleness:
        """How far what is read of a table is behind: one look at its log.

        Raises:
            TableError: the name is no Delta table's, or its log can't be read.
        """
        return TableStaleness(*self._native.staleness(name))

    @property
    def freshness_s(self) -> float:
        """The seconds that a look at a log may be old for a query to rely on it; 0: each query looks for itself."""
        return self._native.freshness()

    @freshness_s.setter
    def freshness_s(self, seconds: float) -> None:
        self._native.set_freshness(seconds)

    def outdate(self, uri: str) -> None:
        """Have the next query look at the log of the table at a canonical URI, however young the last look is."""
        self._native.outdate(uri)

    def choose(self, sql: str, session_context: SessionContext, versions: QueryVersions) -> None:
        """Choose the versions of the tables that a statement names all at once, before it is planned.

        A planner asks for one after the other; this spares that where several are behind a network.
        """
        self._native.choose(sql, session_context, versions)

    def tables(self) -> list[CatalogTable]:
        """The tables that are registered now, sorted by name."""
        return sorted(CatalogTable(*table) for table in self._native.tables())
