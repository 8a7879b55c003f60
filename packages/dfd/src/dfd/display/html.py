"""A result as HTML, for notebooks: escaped, bounded, and readable on light and on dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import pyarrow as pa

from dfd.display.cells import cell_text, is_number, type_name
from dfd.display.printable import printable, printable_lines
from dfd.display.values import plain_columns

# Colours are those of the page, so that a dark one stays dark.
_STYLE = """
.dfd-result{overflow-x:auto;color:inherit;font-size:13px}
.dfd-result table{font-size:inherit;border-collapse:collapse;font-variant-numeric:tabular-nums;color:inherit;background:transparent}
.dfd-result th,.dfd-result td{padding:3px 10px;text-align:left;vertical-align:top;white-space:pre;border:0;border-bottom:1px solid rgba(128,128,128,.25);background:transparent;color:inherit}
.dfd-result thead th{border-bottom:1px solid rgba(128,128,128,.7);font-weight:600}
.dfd-result thead small{display:block;font-weight:400;opacity:.65}
.dfd-result .n{text-align:right}
.dfd-result .long{white-space:pre-wrap;overflow-wrap:anywhere;min-width:24em;max-width:40em}
.dfd-result .null,.dfd-result .gap,.dfd-result .foot{opacity:.6}
.dfd-result .null{font-style:italic}
.dfd-result .foot{margin:4px 0 0}
.dfd-result pre{margin:0;font-size:12px;line-height:1.35;color:inherit;background:transparent}
""".replace("\n", "")
_MOST_CHARACTERS = 500
_MOST_COLUMNS = 40
_LINE_CHARACTERS = 60


def html_table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], foot: str) -> str:
    """Rows under the names and types of their columns; long texts are cut, columns dropped from the middle."""
    drawn = _drawn(len(schema.names))
    head = "".join(_title(schema, number) for number in drawn)
    body = "".join(
        f"<tr>{''.join(_cell(row, schema, number) for number in drawn)}</tr>"
        for batch in batches
        for row in zip(*plain_columns(batch), strict=True)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return html_block(f'{table}<p class="foot">{escape(foot)}</p>')


def html_text(text: str) -> str:
    """Lines of text, as they are."""
    return html_block(f"<pre>{escape(printable_lines(text))}</pre>")


def html_block(inside: str) -> str:
    """A part of a page with the style of all that dfd shows."""
    return f'<div class="dfd-result"><style>{_STYLE}</style>{inside}</div>'


def _drawn(columns: int) -> list[int | None]:
    """The columns that are drawn by number; None stands for those in between."""
    if columns <= _MOST_COLUMNS:
        return list(range(columns))
    half = _MOST_COLUMNS // 2
    return [*range(half), None, *range(columns - half, columns)]


def _title(schema: pa.Schema, number: int | None) -> str:
    if number is None:
        return (
            f'<th class="gap">{len(schema.names) - _MOST_COLUMNS} more<small>columns</small></th>'
        )
    kind = schema.types[number]
    name, shown = escape(printable(schema.names[number])), escape(type_name(kind))
    return f"<th{_side(kind)}>{name}<small>{shown}</small></th>"


def _cell(row: tuple[object, ...], schema: pa.Schema, number: int | None) -> str:
    if number is None:
        return '<td class="gap">…</td>'
    text = cell_text(row[number])
    if text is None:
        return f'<td{_side(schema.types[number])}><span class="null">NULL</span></td>'
    if len(text) > _MOST_CHARACTERS:
        text = text[: _MOST_CHARACTERS - 1] + "…"
    # What is short stands in a line; in a page nothing says how wide it may be.
    place = ' class="long"' if len(text) > _LINE_CHARACTERS else _side(schema.types[number])
    return f"<td{place}>{escape(text)}</td>"


def _side(kind: pa.DataType) -> str:
    return ' class="n"' if is_number(kind) else ""
