"""The terminal: how wide it is, what it can show, and tables of short texts in it."""

from __future__ import annotations

import os

from rich.box import SQUARE
from rich.console import Console
from rich.table import Table

NO_WIDTH = 1_000_000
"""The width of what is no terminal: nothing is folded, cut or left out."""


def output(stderr: bool = False) -> Console:
    """A console of the terminal's width, or of `COLUMNS`; where there is neither, nothing is folded.

    Names and values of users are no markup.
    """
    console = Console(stderr=stderr, markup=False)
    if not (console.is_terminal or console.is_jupyter or "COLUMNS" in os.environ):
        console.width = NO_WIDTH
    return console


def shows_styles(console: Console) -> bool:
    """Whether colours and the like are wanted and understood there."""
    return console.is_terminal and not console.no_color and console.color_system is not None


def speaks_unicode(console: Console) -> bool:
    """Whether characters that draw lines can be written there."""
    return console.encoding.lower().startswith("utf")


def encodable(console: Console, text: str) -> str:
    """The text with escapes, like `\\u20ac`, of what the encoding there hasn't got."""
    if speaks_unicode(console):
        return text
    return text.encode(console.encoding, "backslashreplace").decode(console.encoding)


def write_line(console: Console, line: str) -> None:
    """Write a line as it is, with escapes of what the encoding hasn't got."""
    console.file.write(encodable(console, line) + "\n")


def table_of(*names: str) -> Table:
    """An empty table of texts, which are folded where they don't fit, and never cut off."""
    table = Table(box=SQUARE)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
