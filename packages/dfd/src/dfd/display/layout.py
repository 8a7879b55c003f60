"""Columns in a given width: which of them are drawn, and how wide."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# A border and two blanks stand with each column, and one border more with the last.
_FRAME_CELLS = 3


class Layout(msgspec.Struct, frozen=True):
    """The columns that are drawn: so many from the left, and so many from the right.

    - `widths`: of those from the left and then of those from the right, in cells.
    - `dropped`: how many in between aren't.
    """

    left: int
    right: int
    widths: tuple[int, ...]
    dropped: int


def lay_out(
    needed: Sequence[int], wanted: Sequence[int], width: int, gap_cells: int
) -> Layout | None:
    """The most columns that fit into `width`, dropped from the middle; None where not even two do.

    - `needed`: the fewest cells that each column can be read with. `wanted`: the most it can use.
    - `gap_cells`: what is drawn in place of dropped columns takes so many.
    """
    total = len(needed)
    space = width - 1
    if sum(needed) + _FRAME_CELLS * total <= space:
        spare = space - _FRAME_CELLS * total
        return Layout(total, 0, tuple(_spread(needed, wanted, spare)), 0)
    left, right = _ends(needed, space - gap_cells - _FRAME_CELLS)
    if left == 0 or right == 0:
        return None
    drawn = [*range(left), *range(total - right, total)]
    spare = space - gap_cells - _FRAME_CELLS * (len(drawn) + 1)
    widths = _spread([needed[n] for n in drawn], [wanted[n] for n in drawn], spare)
    return Layout(left, right, tuple(widths), total - len(drawn))


def _ends(needed: Sequence[int], space: int) -> tuple[int, int]:
    """How many columns from the left and from the right fit, taken in turns."""
    taken = [0, 0]
    while sum(taken) < len(needed) - 1:
        side = 0 if taken[0] <= taken[1] else 1
        column = taken[0] if side == 0 else len(needed) - 1 - taken[1]
        space -= needed[column] + _FRAME_CELLS
        if space < 0:
            break
        taken[side] += 1
    return taken[0], taken[1]


def _spread(needed: Sequence[int], wanted: Sequence[int], space: int) -> list[int]:
    """The widths of columns, what `needed` leaves of `space` shared by those that want more."""
    widths = list(needed)
    spare = space - sum(widths)
    while spare > 0:
        hungry = [n for n, width in enumerate(widths) if width < wanted[n]]
        if not hungry:
            break
        share = max(spare // len(hungry), 1)
        for n in hungry:
            more = min(share, wanted[n] - widths[n], spare)
            widths[n] += more
            spare -= more
    return widths
