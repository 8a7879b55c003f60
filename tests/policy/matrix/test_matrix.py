"""Each operation in the middle of each other: the table is always as the log's order makes it.

On disk every other pair meets at one moment, on a table with partitions or with deletion vectors, in turn;
on S3 each operation meets four others, as the first and as the second. With DFD_LONG in the environment it is
every moment on both tables, and all others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from dfd_delta_policy import DeltaRetryPolicy
from operations import OPERATIONS
from places import Entry, Place
from race import Serial, check, moments, race

LONG = bool(os.environ.get("DFD_LONG"))
EVERY_NTH = 1 if LONG else 4
REPLAN = DeltaRetryPolicy(on_metadata_change="replan")
TABLES = ("partitioned", "marked")


def cases() -> Iterator[Any]:
    """Of each pair every moment on both tables, or of every other pair one of these."""
    for (row, winner), (column, loser) in product(enumerate(OPERATIONS), repeat=2):
        meetings = list(product(TABLES, moments(OPERATIONS[loser])))
        turn, is_left_out = divmod(row + column, 2)
        some = [] if is_left_out else [meetings[turn % len(meetings)]]
        for table, moment in meetings if LONG else some:
            case = table, winner, loser, moment
            yield pytest.param(*case, id="-".join(case))


CASES = list(cases())
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
