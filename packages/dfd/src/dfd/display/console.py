"""Results and progress in a terminal."""

from __future__ import annotations

import os
from typing import Any, Literal

import msgspec
import pyarrow as pa
from dfd_native.frames import readable
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfd.display.printable import printable, printable_lines
from dfd.display.values import plain_columns

# Text that is folded can be read where it has this many cells, and takes no more lines than these.
_READABLE_CELLS, _READABLE_LINES = 16, 4
_NO_WIDTH = 1_000_000


def output(stderr: bool = False) -> Console:
    """A console of the terminal's width, or of `COLUMNS`; where there is neither, nothing is folded.

    Names and values of users are no markup.
    """
    console = Console(stderr=stderr, markup=False)
    if not (console.is_terminal or console.is_jupyter or "COLUMNS" in os.environ):
        console.width = _NO_WIDTH
    return console


def table_of(*names: str) -> Table:
    """An empty table of texts, which are folded where they don't fit, and never cut off."""
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def print_stream(
    stream: Any, limit: int, title: str | None = None, console: Console | None = None
) -> int:
    """Print at most `limit` rows of an Arrow stream and return how many were printed.

    Numbers read back to the same value, as `dfd.display.values` says, and NULL isn't the empty text. Rows that
    don't fit beside one another are printed as records, a line for each column. The stream is not read
    beyond what is printed, but for a look whether there is more; then a last line says so.
    """
    console = console or output()
    # Not through a query's Arrow stream, which would turn its QueryError into a text.
    reader = (
        stream.reader()
        if hasattr(stream, "reader")
        else pa.RecordBatchReader.from_stream(readable(stream))
    )
    rows, has_more = _head(reader, limit)
    if title is not None:
        console.print(Text(title, style="italic"))
    _print_rows(reader.schema, rows, console)
    if has_more:
        console.print(Text(f"The first {len(rows):,} rows; there are more.", style="dim"))
    return len(rows)


def _head(reader: pa.RecordBatchReader, limit: int) -> tuple[list[tuple[Text, ...]], bool]:
    """The first rows, and whether there are others."""
    rows: list[tuple[Text, ...]] = []
    for batch in reader:
        shown = batch.slice(0, limit - len(rows))
        rows += zip(*(map(cell, column) for column in plain_columns(shown)), strict=True)
        if shown.num_rows < batch.num_rows:
            return rows, True
    return rows, False


def _print_rows(schema: pa.Schema, rows: list[tuple[Text, ...]], console: Console) -> None:
    names = [Text(printable(name)) for name in schema.names]
    widths = [max(map(_width, column)) for column in zip(names, *rows, strict=True)]
    needed = (
        max(min(width, _READABLE_CELLS), width // _READABLE_LINES) if _folds(kind) else width
        for width, kind in zip(widths, schema.types, strict=True)
    )
    # Three cells a column are its border and its padding.
    if sum(needed) + 3 * len(names) + 1 <= console.width:
        _print_table(names, schema.types, rows, console)
    else:
        _print_records(names, rows, console)


def _print_table(
    names: list[Text], kinds: list[pa.DataType], rows: list[tuple[Text, ...]], console: Console
) -> None:
    table = Table()
    for name, kind in zip(names, kinds, strict=True):
        justify: Literal["left", "right"] = "right" if _is_number(kind) else "left"
        table.add_column(name, justify=justify, no_wrap=not _folds(kind), overflow="fold")
    for row in rows:
        table.add_row(*row)
    if names:
        console.print(table)


def _print_records(names: list[Text], rows: list[tuple[Text, ...]], console: Console) -> None:
    for number, row in enumerate(rows, 1):
        console.print(Text(f"row {number:,}", style="bold"))
        record = Table.grid(padding=(0, 2))
        record.add_column(overflow="fold", max_width=console.width // 3)
        record.add_column(overflow="fold")
        for name, value in zip(names, row, strict=True):
            record.add_row(name, value)
        console.print(record)
    if not rows:
        console.print(Text("No rows of ").append(Text(", ").join(names)))


def cell(value: object) -> Text:
    """The text of a plain value; lists and objects as JSON."""
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bool):
        return Text("true" if value else "false")
    if isinstance(value, (list, dict)):
        return Text(printable_lines(msgspec.json.encode(value).decode()))
    return Text(printable_lines(value if isinstance(value, str) else repr(value)))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _folds(kind: pa.DataType) -> bool:
    """Whether values may take several lines: the digits of a number there could be those of two."""
    is_moment = pa.types.is_temporal(kind) or pa.types.is_boolean(kind)
    return not (_is_number(kind) or is_moment)


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))
