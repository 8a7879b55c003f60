"""Readers that share nothing with dfd: duckdb's delta extension, duckdb over the files alone, and polars.

Each takes a query of the table `t`, as `reading.WAYS` do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
from reading import WAYS

Read = Callable[[Path, str], pa.Table]
# What DataFusion spells otherwise than duckdb; a quotient of whole numbers is a whole number there.
_SPELLINGS = {
    r"\bX'([0-9A-F]*)'": r"unhex('\1')",
    r"\b(\w+) / (\d+)(?![\d.])": r"\1 // \2",
    r"\barrow_cast\((\w+), 'Int8'\)": r"cast(\1 as tinyint)",
    r"\bmake_array\(([^()]*)\)": r"[\1]",
    r"\bdate_bin\(": "time_bucket(",
    r"\bregexp_like\(": "regexp_matches(",
    r"\bto_char\(": "strftime(",
}


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
        return connection.sql(_spelt(sql)).to_arrow_table()


def _spelt(sql: str) -> str:
    for datafusion, duckdb_has in _SPELLINGS.items():
        sql = re.sub(datafusion, duckdb_has, sql)
    return sql


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


def days(read: Read, column: str) -> str:
    """The days since 1970 of a date, in the words of the reader."""
    if read is by_duckdb:
        return f"datediff('day', date '1970-01-01', {column})"
    return f"cast({column} as int)"


def micros(read: Read, column: str) -> str:
    """The microseconds since 1970 of a timestamp, in the words of the reader."""
    return f"epoch_us({column})" if read is by_duckdb else f"cast({column} as bigint)"


JUDGED = [*WAYS, by_duckdb]
"""dfd's ways to read a table, and a judge beside them."""
