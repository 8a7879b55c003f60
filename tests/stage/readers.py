"""The libraries that read what was staged, and their rows made comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

import dfd
import dfd_native
import polars as pl
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, QueryBuilder


def with_dfd(uri: Path) -> pa.Table:
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        return runtime.sql("select * from t").to_arrow_table()


def with_datafusion(uri: Path) -> pa.Table:
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    return session.sql("select * from t").to_arrow_table()


def with_deltalake(uri: Path) -> pa.Table:
    builder = QueryBuilder().register("t", DeltaTable(str(uri)))
    return pa.table(builder.execute("select * from t"))


def with_polars(uri: Path) -> pa.Table:
    return pl.scan_delta(str(uri)).collect().to_arrow()


def with_duckdb(uri: Path) -> pa.Table:
    duckdb = pytest.importorskip("duckdb")
    found = find_spec("duckdb_extension_delta")
    (package,) = (found and found.submodule_search_locations) or (None,)
    if package is None:
        pytest.skip("duckdb-extension-delta isn't installed")
    (extension,) = Path(package).rglob("delta.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"load '{extension}'; set timezone = 'UTC'")
        return connection.sql(f"select * from delta_scan('{uri}')").to_arrow_table()


Read = Callable[[Path], pa.Table]
READERS: dict[str, Read] = {
    "dfd": with_dfd,
    "datafusion": with_datafusion,
    "deltalake": with_deltalake,
    "polars": with_polars,
    "duckdb": with_duckdb,
}


def plain(value: object) -> object:
    """A value without what libraries show in ways of their own: maps, time zones, orders of fields."""
    if isinstance(value, dict):
        if value.keys() == {"key", "value"}:
            return [plain(value["key"]), plain(value["value"])]
        return sorted((name, plain(inner)) for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).isoformat()
    return value


def reads(reader: str, uri: Path, rows: pa.Table) -> bool:
    """Whether a library finds these rows."""
    try:
        found = comparable(READERS[reader](uri), rows.column_names)
    except Exception:  # noqa: BLE001  what a library can't read it says in ways of its own
        return False
    return found == comparable(rows, rows.column_names)


def comparable(table: pa.Table, names: Iterable[str]) -> list[str]:
    """The rows of these columns, whatever their order; NaN is NaN, and zeros keep their sign."""
    return sorted(repr(plain(row)) for row in table.select(list(names)).to_pylist())
