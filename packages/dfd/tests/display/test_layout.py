"""Columns in a width."""

from __future__ import annotations

from dfd.display.layout import lay_out
from hypothesis import given
from hypothesis import strategies as st


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 200), st.integers(3, 12)
)
def test_what_is_laid_out_fits_and_is_most_of_it(
    needed: list[int], width: int, gap_cells: int
) -> None:
    wanted = [cells * 2 for cells in needed]
    found = lay_out(needed, wanted, width, gap_cells)
    if found is None:
        # A first and a last column don't fit beside the gap.
        ends = needed[0] + (needed[-1] if len(needed) > 1 else 0)
        assert ends + 3 * min(len(needed), 2) + 1 + gap_cells + 3 > width
        return
    drawn = [*range(found.left), *range(len(needed) - found.right, len(needed))]
    assert len(drawn) + found.dropped == len(needed)
    assert len(found.widths) == len(drawn)
    gap = gap_cells + 3 if found.dropped else 0
    assert sum(found.widths) + 3 * len(drawn) + 1 + gap <= width
    for cells, column in zip(found.widths, drawn, strict=True):
        assert needed[column] <= cells <= wanted[column]


def test_room_that_is_left_goes_to_who_wants_it() -> None:
    found = lay_out([5, 5, 5], [5, 20, 100], 60, 8)
    assert found is not None
    assert found.widths == (5, 20, 25)
