"""Results as documents for other programs: CSV, JSON, NDJSON, Markdown, Arrow, Parquet. None of them loses a value.

Texts are UTF-8 whatever the locale, and values in them are as `dfd.display.values` says.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa

from dfd.display.cells import is_number
from dfd.display.json_text import RowSource, json_rows, ndjson_rows
from dfd.display.printable import printable, printable_lines
from dfd.display.values import plain_columns

TextFormat = Callable[[RowSource, "int | None"], Iterator[str]]
_CSV_QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')


def csv_rows(rows: RowSource, limit: int | None = None) -> Iterator[str]:
    """A line of names and one a row, as RFC 4180 says; NULL is nothing, and the empty text is `""`."""
    schema = rows.schema
    yield ",".join(map(_csv_text, schema.names)) + "\n"
    for row in _plain_rows(rows, limit):
        yield ",".join("" if value is None else _csv_text(_text(value)) for value in row) + "\n"


def markdown_rows(rows: RowSource, limit: int | None = None) -> Iterator[str]:
    """A table of Markdown; NULL is `NULL`, and lines within a value are parted by `<br>`."""
    schema = rows.schema
    yield _markdown_line(map(_markdown_text, schema.names))
    yield _markdown_line("--:" if is_number(kind) else "---" for kind in schema.types)
    for row in _plain_rows(rows, limit):
        yield _markdown_line(
            "NULL" if value is None else _markdown_text(_text(value)) for value in row
        )


def write_arrow(rows: RowSource, sink: BinaryIO, limit: int | None = None) -> None:
    """An Arrow IPC stream, which can be read while it is written."""
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        for batch in limited(rows, limit):
            writer.write_batch(batch)


def write_parquet(rows: RowSource, sink: BinaryIO, limit: int | None = None) -> None:
    """A Parquet file, compressed by zstd."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(sink, rows.schema, compression="zstd") as writer:
        for batch in limited(rows, limit):
            writer.write_batch(batch)


TEXT_FORMATS: dict[str, TextFormat] = {
    "csv": csv_rows,
    "json": json_rows,
    "ndjson": ndjson_rows,
    "markdown": markdown_rows,
}
BINARY_FORMATS = {"arrow": write_arrow, "parquet": write_parquet}


def export(
    rows: RowSource, format: str, sink: BinaryIO, limit: int | None = None, shown: bool = False
) -> None:
    """Write rows in one of the formats, while they come.

    - `limit`: at most so many. Default: all.
    - `shown`: it goes to a terminal, which would obey control characters: they are escaped.

    Raises:
        QueryError: the rows can't be had, or can't be said in this format.
    """
    if format in BINARY_FORMATS:
        BINARY_FORMATS[format](rows, sink, limit)
        return
    for text in TEXT_FORMATS[format](rows, limit):
        sink.write((printable_lines(text) if shown else text).encode("utf-8", "surrogatepass"))


def limited(rows: RowSource, limit: int | None) -> Iterator[pa.RecordBatch]:
    """The batches of the first rows."""
    left = limit
    for batch in rows.reader():
        yield batch if left is None else batch.slice(0, left)
        if left is not None:
            left -= min(left, batch.num_rows)
            if left == 0:
                return


def _plain_rows(rows: RowSource, limit: int | None) -> Iterator[tuple[Any, ...]]:
    batches = (zip(*plain_columns(batch), strict=True) for batch in rows.reader())
    return itertools.islice(itertools.chain.from_iterable(batches), limit)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(value).decode()
    return value if isinstance(value, str) else repr(value)


def _csv_text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _CSV_QUOTED.search(text) else text


def _markdown_text(text: str) -> str:
    lines = text.replace("\\", "\\\\").replace("|", "\\|").split("\n")
    return "<br>".join(map(printable, lines))


def _markdown_line(cells: Iterator[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
