"""Readers that share nothing with dfd: duckdb's delta extension, duckdb over the files alone, and polars.

Each takes a query of the table `t`, as `reading.WAYS` do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
from reading import WAYS

Read = Callable[[Path, str], pa.Table]


@cache
def _extension() -> Path:
    """The extension as its package has it: nothing is fetched."""
    found = find_spec("duckdb_extension_delta")
    (package,) = (found and found.submodule_search_locations) or ()
    (extension,) = Path(package).rglob("delta.duckdb_extension")
    return extension


def _by_duckdb(source: str, sql: str, *, with_delta: bool) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        if with_delta:
            connection.execute(f"load '{_extension()}'")
        connection.execute(f"create view t as select * from {source}")
        return connection.sql(sql).to_arrow_table()


def by_duckdb(root: Path, sql: str) -> pa.Table:
    """What duckdb gives of the table."""
    return _by_duckdb(f"delta_scan('{root}')", sql, with_delta=True)


def by_duckdb_of_files(root: Path, sql: str) -> pa.Table:
    """What duckdb gives of all the files, whatever the log says of them."""
    source = f"read_parquet('{root}/*.parquet', union_by_name = true)"
    return _by_duckdb(source, sql, with_delta=False)


def by_polars(root: Path, sql: str) -> pa.Table:
    """What polars gives of the table, which it lists by deltalake and reads itself."""
    return pl.SQLContext(t=pl.scan_delta(str(root))).execute(sql).collect().to_arrow()


JUDGED = [*WAYS, by_duckdb]
"""dfd's ways to read a table, and a judge beside them."""
