"""The same races through bare deltalake, in its default settings: what it gets wrong is known, cell by cell.

It shows that the matrix sees what is wrong, and when a release of deltalake changes that. `golden/` has a grid
for each release that differs from the one before: a row for the operation that commits first, in it a sign for each
operation that was planned on the version before, both in the order of `OPERATIONS`. Every third row is made;
every one with DFD_LONG in the environment.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest
from operations import OPERATIONS
from packaging.version import Version
from places import Entry, Place
from race import Serial

GOLDEN = Path(__file__).parent / "golden"
EVERY_NTH = 1 if os.environ.get("DFD_LONG") else 3

AS_LOGGED = "."
CONFLICT = "c"
REFUSED = "r"
"""As one after the other would be."""
OTHER_ORDER = "o"
"""As if the second had come first, which the log doesn't say."""
WRONG = "X"
"""As neither order makes it."""


def done(place: Place, entry: Entry, planned_on: int | None = None) -> str:
    """Do an operation on a handle of a version; whether it succeeded, or what it raised."""
    operation = OPERATIONS[entry.operation]
    table = place.bare(planned_on)
    rows = operation.brought(entry.writer)
    try:
        operation.bare(table, entry.writer, lambda: rows)
    except Exception as error:  # noqa: BLE001  whatever refuses it
        return type(error).__name__
    return "done"


def sign(place: Place, serial: Serial, first: Entry, second: Entry) -> str:
    """What comes of a race."""
    before = place.bare().version()
    done(place, first)
    result, state = done(place, second, before), place.state()
    results, wanted = serial(first, second)
    if result == "done":
        if state == wanted and results[1] == "done":
            return AS_LOGGED
        return OTHER_ORDER if state == serial(second, first)[1] else WRONG
    if state != serial(first)[1]:
        return WRONG
    return CONFLICT if results[1] == "done" else REFUSED


def golden(release: Version) -> Path:
    """The file with the grid of a release, or of the newest before it."""
    grids = {Version(path.stem): path for path in GOLDEN.glob("*.txt")}
    return grids[max(known for known in grids if known <= release)]


def test_what_bare_deltalake_gets_wrong_is_known(
    disk: Place, base: Path, tmp_path: Path, name: str
) -> None:
    serial = Serial(Place(tmp_path, str(tmp_path)), base, done)
    lines = []
    for first in list(OPERATIONS)[::EVERY_NTH]:
        signs = ""
        for second in OPERATIONS:
            place = disk.copy(base, name)
            signs += sign(place, serial, Entry(first, 1), Entry(second, 2))
            place.remove()
        lines.append(f"{first:<16}{signs}\n")
    release = Version(version("deltalake"))
    grid = golden(release)
    is_known = lines == grid.read_text(encoding="utf-8").splitlines(keepends=True)[::EVERY_NTH]
    assert is_known, f"deltalake {release} makes another grid than {grid} has:\n{''.join(lines)}"
    assert any(WRONG in line for line in lines)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_the_grids_are_of_these_operations(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    of_others = "The grid is of other operations; the test above prints that of these"
    assert [line[:16].strip() for line in lines] == list(OPERATIONS), of_others
    assert {len(line) for line in lines} == {16 + len(OPERATIONS)}, of_others
