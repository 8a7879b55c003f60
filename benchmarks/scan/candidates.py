"""Who reads: dfd on its routes, DataFusion on the same files as plain Parquet, and the peers.

A candidate makes its session, opens tables, and answers SQL; each answer is consumed whole, as Arrow
batches. Libraries are imported by the candidate that uses them: opening a table is measured in
processes of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.scan.data import Stored


class Unavailable(Exception):
    """A candidate that isn't there, and why."""


class Candidate(ABC):
    """A session with open tables."""

    @abstractmethod
    def register(self, table: Stored) -> None:
        """Open a table."""

    @abstractmethod
    def run(self, sql: str) -> pa.Table:
        """Answer, and consume the answer."""


def _consumed(stream: Any) -> pa.Table:
    return pa.RecordBatchReader.from_stream(stream).read_all()


class Engine(Candidate):
    """`dfd.connect()` and `runtime.sql`; as with every reader of it, each query sees the newest version."""

    def __init__(self) -> None:
        import dfd

        self.runtime = dfd.connect()

    def register(self, table: Stored) -> None:
        self.runtime.register(table.name, table.delta)

    def run(self, sql: str) -> pa.Table:
        query = self.runtime.sql(sql)
        if query.route != "engine":
            raise RuntimeError(f"it ran in the session: {query.route_reason}")
        return _consumed(query)


class PinnedEngine(Engine):
    """The same with pinned tables: no look at the log before each query."""

    def register(self, table: Stored) -> None:
        self.runtime.register(table.name, table.delta, pinned=True)


class RawEngine(Engine):
    """The same over plain Parquet: what the engine does without the scan of Delta tables."""

    def register(self, table: Stored) -> None:
        self.runtime.session.register_parquet(table.name, table.parquet)


class _Session(Candidate):
    """A plain `datafusion.SessionContext`."""

    tuned = False

    def __init__(self) -> None:
        from datafusion import SessionConfig, SessionContext

        config = SessionConfig()
        if self.tuned:
            from dfd.profile import measured_settings

            for key, value in measured_settings().items():
                config = config.set(key, value)
        self.session = SessionContext(config)

    def register(self, table: Stored) -> None:
        self.session.register_parquet(table.name, table.parquet)

    def run(self, sql: str) -> pa.Table:
        return _consumed(self.session.sql(sql))


class Leaf(_Session):
    """`dfd_native.delta_table` in a plain session that has the settings of `dfd.connect()`."""

    tuned = True

    def register(self, table: Stored) -> None:
        import dfd_native

        uri = Path(table.delta).as_uri()
        self.session.register_table(table.name, dfd_native.delta_table(uri))


class RawSession(_Session):
    """Plain Parquet in a session that has the settings of `dfd.connect()`."""

    tuned = True


class RawDefault(_Session):
    """Plain Parquet in a default session."""


class ForeignProvider(_Session):
    """deltalake's provider, over FFI, in a default session."""

    def register(self, table: Stored) -> None:
        from deltalake import DeltaTable

        self.session.register_table(table.name, DeltaTable(table.delta))


class DeltalakeQueries(Candidate):
    """deltalake's `QueryBuilder`."""

    def __init__(self) -> None:
        from deltalake import QueryBuilder

        self.builder = QueryBuilder()

    def register(self, table: Stored) -> None:
        from deltalake import DeltaTable

        self.builder.register(table.name, DeltaTable(table.delta))

    def run(self, sql: str) -> pa.Table:
        return _consumed(self.builder.execute(sql))


class Polars(Candidate):
    """polars `scan_delta` and its SQL, by its streaming engine."""

    def __init__(self) -> None:
        import polars as pl

        self.context = pl.SQLContext()

    def register(self, table: Stored) -> None:
        import polars as pl

        self.context.register(table.name, pl.scan_delta(table.delta))

    def run(self, sql: str) -> pa.Table:
        return _consumed(self.context.execute(sql).collect(engine="streaming"))


class RawDuckdb(Candidate):
    """duckdb over plain Parquet."""

    def __init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect()

    def source(self, table: Stored) -> str:
        return f"read_parquet('{table.parquet}/*.parquet')"

    def register(self, table: Stored) -> None:
        self.connection.execute(f"create view {table.name} as from {self.source(table)}")

    def run(self, sql: str) -> pa.Table:
        return _consumed(self.connection.sql(sql))


class DuckdbDelta(RawDuckdb):
    """duckdb's `delta_scan`, its extension from a package of the Python index."""

    def __init__(self) -> None:
        import duckdb

        found = find_spec("duckdb_extension_delta")
        (package,) = (found and found.submodule_search_locations) or (None,)
        files = list(Path(package).rglob("delta.duckdb_extension")) if package else []
        if not files:
            raise Unavailable("the package duckdb-extension-delta isn't installed")
        super().__init__()
        try:
            self.connection.execute(f"load '{files[0]}'")
        except duckdb.Error as error:
            raise Unavailable(
                f"duckdb {duckdb.__version__} refuses the extension: {error}"
            ) from error

    def source(self, table: Stored) -> str:
        return f"delta_scan('{table.delta}')"


CANDIDATES: dict[str, type[Candidate]] = {
    "engine": Engine,
    "leaf": Leaf,
    "session-raw": RawSession,
    "default-raw": RawDefault,
    "ffi": ForeignProvider,
    "query-builder": DeltalakeQueries,
    "polars": Polars,
    "duckdb-delta": DuckdbDelta,
    "duckdb-raw": RawDuckdb,
    "engine-pinned": PinnedEngine,
    "engine-raw": RawEngine,
}
# The last two only say where time goes: they are measured when asked for.
USUAL = tuple(name for name in CANDIDATES if name not in ("engine-pinned", "engine-raw"))


def opened(name: str, tables: Iterable[Stored]) -> Candidate:
    """A candidate with its tables open.

    Raises:
        Unavailable: it isn't installed.
    """
    try:
        candidate = CANDIDATES[name]()
    except ImportError as error:
        raise Unavailable(str(error)) from error
    for table in tables:
        candidate.register(table)
    return candidate
