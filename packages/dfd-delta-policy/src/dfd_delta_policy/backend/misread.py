"""Columns that deltalake carries over wrong when it writes files anew, found in the footers of files.

Timestamps as Spark writes them by default, Parquet's INT96, it takes for nanoseconds; a column that a
file spells in another case than the table, for a missing one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

_READ_AT_ONCE = 8


def misread_columns(
    files: pyarrow.fs.FileSystem, paths: Iterable[str], names: Iterable[str]
) -> dict[str, str]:
    """The columns of Parquet files that are read wrong, by their paths within the schema, and why.

    `names` are the table's columns. A file that is gone or broken is passed by: whoever needs its rows will
    say so.
    """
    spelled = {name.lower(): name for name in names}

    def columns_of(path: str) -> dict[str, str]:
        with (
            contextlib.suppress(FileNotFoundError, pa.ArrowInvalid),
            files.open_input_file(path) as opened,
        ):
            schema = pq.ParquetFile(opened).schema
            columns = (schema.column(index) for index in range(len(schema.names)))
            return {
                column.path: reason for column in columns if (reason := _reason(column, spelled))
            }
        return {}

    found: dict[str, str] = {}
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        for columns in pool.map(columns_of, paths):
            found.update(columns)
    return found


def _reason(column: pq.ColumnSchema, spelled: dict[str, str]) -> str | None:
    if column.physical_type == "INT96":
        return "an INT96 timestamp"
    name = column.path.partition(".")[0]
    known = spelled.get(name.lower(), name)
    return None if known == name else f"the table's {known} in another case"
