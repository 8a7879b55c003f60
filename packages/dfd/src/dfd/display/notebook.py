"""What a notebook shows of a query: its first rows, from a run that goes no further."""

from __future__ import annotations

import time
from typing import Protocol

import pyarrow as pa

from dfd.display.footer import foot_line
from dfd.display.html import html_table, html_text

_ROWS = 20


class RoutedRows(Protocol):
    """A `dfd.Query`."""

    @property
    def route(self) -> str: ...
    def reader(self) -> pa.RecordBatchReader: ...


def query_html(said: str, query: RoutedRows | None) -> str:
    """The first rows of a query; what it says of itself where it isn't to be run, or gives no columns."""
    if query is None:
        return html_text(said)
    began = time.perf_counter()
    route = query.route
    reader = query.reader()
    batches, shown, seen, is_whole = [], 0, 0, False
    for batch in reader:
        seen += batch.num_rows
        batches.append(batch.slice(0, _ROWS - shown))
        shown += batches[-1].num_rows
        if seen > shown:
            break
    else:
        is_whole = True
    reader.close()
    if not reader.schema.names:
        return html_text(said)
    foot = foot_line(shown, seen, is_whole, time.perf_counter() - began, route)
    return html_table(reader.schema, batches, foot)
