"""Results and progress in a terminal."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_stream(
    stream: Any, limit: int, title: str | None = None, console: Console | None = None
) -> int:
    """Print at most `limit` rows of an Arrow stream and return how many were printed.

    The stream is not read beyond what is printed.
    """
    reader = pa.RecordBatchReader.from_stream(stream)
    rows = list(
        itertools.islice(
            (
                row
                for batch in reader
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
            ),
            limit,
        )
    )
    table = Table(title=title, title_justify="left")
    for field in reader.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        table.add_column(Text(field.name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    (console or Console()).print(table)
    return len(rows)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)
