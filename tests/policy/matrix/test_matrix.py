"""Each operation in the middle of each other: the table is always as the log's order makes it.

On S3 each operation meets four others, as the first and as the second; all with DFD_LONG in the environment.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dfd_delta_policy import DeltaRetryPolicy
from operations import OPERATIONS
from places import Entry, Place
from race import Serial, check, moments, race

EVERY_NTH = 1 if os.environ.get("DFD_LONG") else 4
REPLAN = DeltaRetryPolicy(on_metadata_change="replan")
CASES = [
    pytest.param(winner, loser, moment, id=f"{winner}-{loser}-{moment}")
    for winner in OPERATIONS
    for loser, operation in OPERATIONS.items()
    for moment in moments(operation)
]


@pytest.mark.parametrize(("winner", "loser", "moment"), CASES)
def test_on_disk(
    disk: Place, base: Path, serial: Serial, name: str, winner: str, loser: str, moment: str
) -> None:
    place = disk.copy(base, name)
    check(race(place, Entry(winner, 1), Entry(loser, 2), moment), serial)
    place.remove()


@pytest.mark.parametrize(
    ("winner", "loser", "moment"), [c for c in CASES if OPERATIONS[str(c.values[0])].rules]
)
def test_under_changed_rules(
    disk: Place, base: Path, serial: Serial, name: str, winner: str, loser: str, moment: str
) -> None:
    """Where the policy allows it, the operation is worked out again under the new rules."""
    place = disk.copy(base, name)
    raced = race(place, Entry(winner, 1), Entry(loser, 2), moment, policy=REPLAN)
    check(raced, serial, replanned=True)
    place.remove()


LATEST = [
    pytest.param(winner, loser, id=f"{winner}-{loser}")
    for row, winner in enumerate(OPERATIONS)
    for column, loser in enumerate(OPERATIONS)
    if (row + column) % EVERY_NTH == 0
]


@pytest.mark.parametrize(("winner", "loser"), LATEST)
def test_on_s3(s3: Place, base: Path, serial: Serial, name: str, winner: str, loser: str) -> None:
    place = s3.copy(base, name)
    check(race(place, Entry(winner, 1), Entry(loser, 2), moments(OPERATIONS[loser])[-1]), serial)
    place.remove()
