"""A table of texts, drawn line by line, so that who reads needn't wait for the last row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.cells import cell_len

NULL = "NULL"
_DIM, _BOLD, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Border(msgspec.Struct, frozen=True):
    """The characters of a table's lines: left end, filling, join and right end of each, and what parts columns."""

    top: str
    middle: str
    bottom: str
    upright: str


BOXES = Border("┌─┬┐", "├─┼┤", "└─┴┘", "│")
ASCII = Border("+-++", "+-++", "+-++", "|")


class GridColumn(msgspec.Struct):
    """A column: its title and type, where its values stand, and its width in cells."""

    title: str
    kind: str
    is_right: bool
    width: int


class Grid:
    """The lines of a table. Values wider than their column are folded."""

    def __init__(self, columns: Sequence[GridColumn], border: Border, styled: bool) -> None:
        self._columns = columns
        self._border = border
        self._styled = styled

    def head(self) -> Iterator[str]:
        """The titles, and the types beneath them."""
        yield self._rule(self._border.top)
        yield from self._lines([column.title for column in self._columns], _BOLD)
        yield from self._lines([column.kind for column in self._columns], _DIM)
        yield self._rule(self._border.middle)

    def row(self, cells: Sequence[str | None]) -> Iterator[str]:
        """The lines of a row; NULL is dim where styles are shown."""
        yield from self._lines(cells, "")

    def foot(self) -> str:
        """The last line."""
        return self._rule(self._border.bottom)

    def _rule(self, line: str) -> str:
        left, fill, join, right = tuple(line)
        return left + join.join(fill * (column.width + 2) for column in self._columns) + right

    def _lines(self, cells: Sequence[str | None], style: str) -> Iterator[str]:
        folded = [
            _fold(NULL if cell is None else cell, column.width)
            for cell, column in zip(cells, self._columns, strict=True)
        ]
        styles = [_DIM if cell is None else style for cell in cells]
        for number in range(max(map(len, folded), default=0)):
            parts = (
                self._padded(lines[number] if number < len(lines) else "", column, shown)
                for lines, column, shown in zip(folded, self._columns, styles, strict=True)
            )
            upright = self._border.upright
            yield f"{upright} " + f" {upright} ".join(parts) + f" {upright}"

    def _padded(self, text: str, column: GridColumn, style: str) -> str:
        blanks = " " * (column.width - text_width(text))
        shown = f"{style}{text}{_PLAIN}" if style and self._styled and text else text
        return blanks + shown if column.is_right else shown + blanks


def text_width(text: str | None) -> int:
    """The cells of a text's widest line."""
    if text is None:
        return len(NULL)
    if _is_plain(text):
        return len(text)
    return max(map(cell_len, text.split("\n")))


def _is_plain(text: str) -> bool:
    """Whether it is one line of characters of one cell each, as nearly all are."""
    return text.isascii() and "\n" not in text


def record_lines(names: Sequence[str], row: Sequence[str | None], width: int) -> Iterator[str]:
    """A row as lines of a name and a value each, where its columns don't fit beside one another."""
    left = min(max(map(text_width, names)), max(width // 3, 1))
    right = max(width - left - 2, 1)
    for name, value in zip(names, row, strict=True):
        titles, values = _fold(name, left), _fold(NULL if value is None else value, right)
        for number in range(max(len(titles), len(values))):
            title = titles[number] if number < len(titles) else ""
            text = values[number] if number < len(values) else ""
            yield f"{title}{' ' * (left - cell_len(title))}  {text}".rstrip()


def _fold(text: str, width: int) -> list[str]:
    if len(text) <= width and _is_plain(text):
        return [text]
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _chopped(line, width) if cell_len(line) > width else [line]
    return lines


def _chopped(line: str, width: int) -> list[str]:
    """A line in pieces of at most `width` cells; rich's own has them in another order before 13.7."""
    pieces, taken = [""], 0
    for character in line:
        cells = cell_len(character)
        if taken + cells > width and pieces[-1]:
            pieces.append("")
            taken = 0
        pieces[-1] += character
        taken += cells
    return pieces
