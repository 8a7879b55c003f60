"""A file in place of `aggregate_test_100.csv`, which many files read and the crate doesn't have.

Its columns have the names, types and ranges of the other's, and values of their own: results are compared with those of
a session over the same values, but not with those that the files expect.
"""

from __future__ import annotations

import csv
import random
import string
from pathlib import Path

_PATH = "testing/data/csv/aggregate_test_100.csv"
_ROWS = 100


def write(directory: Path) -> None:
    """Put it where the files look for it, when `directory` is the root of their working directory."""
    path = directory / _PATH
    path.parent.mkdir(parents=True)
    chance = random.Random(100)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f"c{number}" for number in range(1, 14))
        writer.writerows(_row(chance) for _ in range(_ROWS))


def _row(chance: random.Random) -> list[object]:
    return [
        chance.choice("abcde"),
        chance.randint(1, 5),
        chance.randint(-(2**7), 2**7 - 1),
        chance.randint(-(2**15), 2**15 - 1),
        chance.randint(-(2**31), 2**31 - 1),
        chance.randint(-(2**63), 2**63 - 1),
        chance.randint(0, 2**8 - 1),
        chance.randint(0, 2**16 - 1),
        chance.randint(0, 2**32 - 1),
        chance.randint(0, 2**64 - 1),
        round(chance.random(), 7),
        chance.random(),
        "".join(chance.choices(string.ascii_letters + string.digits, k=30)),
    ]
