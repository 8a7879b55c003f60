"""Rows of texts drawn under their columns: a table as wide as the terminal, or records where hardly a column fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeVar

import pyarrow as pa
from rich.console import Console

from dfd.display.cells import folds, is_number, type_name
from dfd.display.console import NO_WIDTH, encodable, shows_styles, speaks_unicode, write_line
from dfd.display.grid import ASCII, BOXES, Grid, GridColumn, record_lines, text_width
from dfd.display.layout import Layout, lay_out
from dfd.display.printable import printable

Row = tuple["str | None", ...]
T = TypeVar("T")

# Text that is folded can be read where it has this many cells, and takes no more lines than these.
_READABLE_CELLS, _READABLE_LINES = 16, 4
# All rows together take about so many lines: longer texts are cut.
_SCREEN_LINES = 60
# What EXPLAIN gives is read as it stands.
_EXPLAINED = ["plan_type", "plan"]


def draw_rows(
    schema: pa.Schema, head: list[Row], rest: Iterator[Row], console: Console
) -> tuple[int, str]:
    """Draw rows; how many, and what is said of columns that aren't there.

    - `head`: the rows that say how wide the columns are. `rest`: those that follow, where nothing is folded.
    """
    names = [encodable(console, printable(name)) for name in schema.names]
    kinds = [encodable(console, type_name(kind)) for kind in schema.types]
    if console.width < NO_WIDTH and schema.names != _EXPLAINED:
        mark = _ellipsis(console)
        head = [tuple(_cut(cell, console.width, len(head), mark) for cell in row) for row in head]
    widths = [max(map(text_width, column)) for column in zip(names, kinds, *head, strict=True)]
    layout = _layout(schema.types, widths, console.width)
    if layout is None:
        _draw_records(names, head, console)
        return len(head), ""
    columns = [
        GridColumn(names[n], kinds[n], is_number(schema.types[n]), width)
        for n, width in zip(_drawn(range(len(names)), layout), layout.widths, strict=True)
    ]
    shown = _draw_grid(columns, layout, itertools.chain(head, rest), console)
    if not layout.dropped:
        return shown, ""
    return shown, f"{len(names) - layout.dropped} of {len(names)} columns"


def _draw_grid(
    columns: list[GridColumn], layout: Layout, rows: Iterator[Row], console: Console
) -> int:
    if layout.dropped:
        columns.insert(layout.left, _gap(layout.dropped))
    border = BOXES if speaks_unicode(console) else ASCII
    grid = Grid(columns, border, shows_styles(console))
    for line in grid.head():
        write_line(console, line)
    shown = 0
    for row in rows:
        cells = _drawn(row, layout)
        if layout.dropped:
            cells.insert(layout.left, _ellipsis(console))
        elif console.width >= NO_WIDTH:
            _widen(columns, cells)
        for line in grid.row(cells):
            write_line(console, line)
        shown += 1
    write_line(console, grid.foot())
    return shown


def _ellipsis(console: Console) -> str:
    return "…" if speaks_unicode(console) else "..."


def _cut(text: str | None, width: int, rows: int, mark: str) -> str | None:
    """A text no longer than lets all rows be seen together."""
    most = max(width * _SCREEN_LINES // max(rows, 1), width // 2)
    return text if text is None or len(text) <= most else text[: most - len(mark)] + mark


def _layout(kinds: list[pa.DataType], widths: list[int], width: int) -> Layout | None:
    # One long text isn't worth all other columns.
    half = max(width // 2 - 4, 1)
    needed = [
        min(max(min(widest, _READABLE_CELLS), widest // _READABLE_LINES), half)
        if folds(kind)
        else widest
        for widest, kind in zip(widths, kinds, strict=True)
    ]
    return lay_out(needed, widths, width, _gap(len(kinds)).width)


def _gap(dropped: int) -> GridColumn:
    """The column in place of those that are dropped."""
    title, kind = f"{dropped} more", "columns" if dropped > 1 else "column"
    return GridColumn(title, kind, False, max(len(title), len(kind)))


def _drawn(values: Sequence[T], layout: Layout) -> list[T]:
    right = len(values) - layout.right
    return [*values[: layout.left], *values[right:]]


def _widen(columns: list[GridColumn], cells: list[str | None]) -> None:
    for column, cell in zip(columns, cells, strict=True):
        column.width = max(column.width, text_width(cell))


def _draw_records(names: list[str], rows: list[Row], console: Console) -> None:
    for number, row in enumerate(rows, 1):
        write_line(console, f"row {number:,}")
        for line in record_lines(names, row, console.width):
            write_line(console, line)
    if not rows:
        write_line(console, f"No rows of {', '.join(names)}")
