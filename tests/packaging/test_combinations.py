"""The combinations that are run: every pair in few of them, and the document has those of today's bounds."""

from __future__ import annotations

from itertools import product

import combinations
import pytest
from hypothesis import given
from hypothesis import strategies as st

AXES = st.dictionaries(
    st.sampled_from(["python", "datafusion", "deltalake", "pyarrow"]),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
    min_size=2,
)


@given(axes=AXES)
def test_every_pair_is_in_one(axes: dict[str, list[str]]) -> None:
    chosen = combinations.pairwise(axes)
    all_of_them = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    wanted = {pair for one in all_of_them for pair in combinations.pairs(one)}
    assert {pair for one in chosen for pair in combinations.pairs(one)} == wanted
    assert len(chosen) <= len(all_of_them)


def test_few_suffice() -> None:
    axes = {name: ["lowest", "newest"] for name in "abcdefgh"}
    assert len(combinations.pairwise(axes)) <= 10


def test_the_document_has_what_was_run() -> None:
    """A row for each, all of which work; a bound that has moved asks for another run."""
    text = combinations.DOCUMENT.read_text(encoding="utf-8")
    told = text.partition(combinations.BEGIN)[2].partition(combinations.END)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines() if line
    ]
    names, _, *runs = rows
    assert runs
    assert {run[-1] for run in runs} == {"works"}
    for column, name in enumerate(names[:-1]):
        if name != "Python":
            lowest = min((run[column] for run in runs), key=lambda one: [*map(int, one.split("."))])
            assert combinations.allows(name, lowest), f"{name} {lowest} is out of bounds"


@pytest.mark.parametrize(
    ("library", "version"), [("datafusion", "54.1.0"), ("datafusion", "56.0.0")]
)
def test_what_is_out_of_bounds(library: str, version: str) -> None:
    assert not combinations.allows(library, version)
