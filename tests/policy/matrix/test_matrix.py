"""Each operation in the middle of each other: the table is always as the log's order makes it.

On disk the table has partitions, or deletion vectors, case by case in turn; on S3 each operation meets four
others, as the first and as the second. With DFD_LONG in the environment it is each case on both, and all others.
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
TABLES = ("partitioned", "marked")
MEETINGS = [
    (winner, loser, moment)
    for winner in OPERATIONS
    for loser, operation in OPERATIONS.items()
    for moment in moments(operation)
]
CASES = [
    pytest.param(table, *meeting, id="-".join((table, *meeting)))
    for number, meeting in enumerate(MEETINGS)
    for table in (TABLES if EVERY_NTH == 1 else [TABLES[number % 2]])
]
NAMES = ("table", "winner", "loser", "moment")
Tables = dict[str, Path]
Serials = dict[str, Serial]


@pytest.mark.parametrize(NAMES, CASES)
def test_on_disk(
    disk: Place,
    bases: Tables,
    serials: Serials,
    name: str,
    table: str,
    winner: str,
    loser: str,
    moment: str,
) -> None:
    place = disk.copy(bases[table], name)
    check(race(place, Entry(winner, 1), Entry(loser, 2), moment), serials[table])
    place.remove()


@pytest.mark.parametrize(NAMES, [c for c in CASES if OPERATIONS[str(c.values[1])].rules])
def test_under_changed_rules(
    disk: Place,
    bases: Tables,
    serials: Serials,
    name: str,
    table: str,
    winner: str,
    loser: str,
    moment: str,
) -> None:
    """Where the policy allows it, the operation is worked out again under the new rules."""
    place = disk.copy(bases[table], name)
    raced = race(place, Entry(winner, 1), Entry(loser, 2), moment, policy=REPLAN)
    check(raced, serials[table], replanned=True)
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
