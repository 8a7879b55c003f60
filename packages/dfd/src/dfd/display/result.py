"""A result as a table of text: in a terminal bounded by its width and a number of rows, in a pipe whole."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
from dfd_native.frames import readable
from rich.console import Console

from dfd.display.cells import cell_text
from dfd.display.console import (
    NO_WIDTH,
    encodable,
    output,
    shows_styles,
    speaks_unicode,
    write_line,
)
from dfd.display.drawing import Row, draw_rows
from dfd.display.footer import foot_line
from dfd.display.printable import printable
from dfd.display.values import plain_columns

# Where nothing is folded, so many rows say how wide the columns are; later ones may widen them.
_BLOCK_ROWS = 1_000


class Taken(msgspec.Struct, frozen=True):
    """What was printed of a result: rows that were shown, rows that were read, and whether these are all."""

    shown: int
    seen: int
    is_whole: bool


class _Rows:
    """The rows of a reader as cells, and a count of those that it was asked for."""

    def __init__(self, reader: pa.RecordBatchReader, console: Console) -> None:
        self._batches = iter(reader)
        self._console = console
        self._escapes = not speaks_unicode(console)
        self.seen = 0
        self.is_whole = False

    def take(self, limit: int | None) -> Iterator[Row]:
        """The first rows. The reader is read no further, but for a look whether there are more."""
        left = limit
        for batch in self._batches:
            self.seen += batch.num_rows
            shown = batch if left is None else batch.slice(0, left)
            columns = ([*map(self._cell, column)] for column in plain_columns(shown))
            yield from zip(*columns, strict=True)
            if left is not None:
                left -= shown.num_rows
            if shown.num_rows < batch.num_rows:
                return
        self.is_whole = True

    def _cell(self, value: object) -> str | None:
        text = cell_text(value)
        return encodable(self._console, text) if text and self._escapes else text

    def count_on(self, goes_on: Callable[[], bool]) -> None:
        """Count the rows that nobody takes, while `goes_on` says so."""
        while not self.is_whole and goes_on():
            batch = next(self._batches, None)
            self.is_whole = batch is None
            self.seen += 0 if batch is None else batch.num_rows


def print_stream(
    stream: Any,
    limit: int | None,
    title: str | None = None,
    console: Console | None = None,
    count_s: float = 0.0,
    foot: bool = True,
) -> Taken:
    """Print at most `limit` rows of an Arrow stream, all of them with None.

    Numbers read back to the same value, as `dfd.display.values` says. Columns that don't fit are
    dropped from the middle; where hardly one fits, rows are records, a line for each column. The stream is not
    read beyond what is printed, but for a look whether there is more, and, within `count_s` of the
    first row, to count the rest.

    - `foot`: a last line with rows, time and route: in a terminal, and wherever rows were left out.
    """
    console = console or output()
    began = time.perf_counter()
    route = _route(stream)
    # Not through a query's Arrow stream, which would turn its QueryError into a text.
    reader = (
        stream.reader()
        if hasattr(stream, "reader")
        else pa.RecordBatchReader.from_stream(readable(stream))
    )
    if title is not None:
        write_line(console, printable(title))
    rows = _Rows(reader, console)
    taken = rows.take(limit)
    head = list(itertools.islice(taken, _BLOCK_ROWS if console.width >= NO_WIDTH else None))
    shown = len(head)
    dropped = ""
    if reader.schema.names:
        shown, dropped = draw_rows(reader.schema, head, taken, console)
    deadline = began + count_s
    rows.count_on(lambda: time.perf_counter() < deadline)
    is_cut = shown < rows.seen or not rows.is_whole
    if reader.schema.names and foot and (console.is_terminal or is_cut):
        seconds = time.perf_counter() - began
        _write_foot(console, foot_line(shown, rows.seen, rows.is_whole, seconds, route, dropped))
    return Taken(shown, rows.seen, rows.is_whole)


def _route(stream: Any) -> str | None:
    try:
        found: str | None = getattr(stream, "route", None)
    except Exception:  # noqa: BLE001  The run fails of it too, and says so.
        return None
    return found


def _write_foot(console: Console, line: str) -> None:
    write_line(console, f"\x1b[2m{line}\x1b[0m" if shows_styles(console) else line)
