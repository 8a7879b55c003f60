"""Each statement in the middle of each other: every version of the table is as the log's order makes it.

The laws of statements are plain Python's, and deltalake reads the versions. Every third pair meets at one moment
on one table, with partitions or with deletion vectors, in turn. With DFD_LONG in the environment it is every pair at
every moment on both tables.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from dfd.sql import row_statements
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
from operations import SCHEMA
from places import Place, write_base
from raced import FEED, STATEMENTS, Entry, Races, check

LONG = bool(os.environ.get("DFD_LONG"))
TABLES = {"partitioned": (["key"], False), "marked": (None, True)}


def cases() -> Iterator[Any]:
    """Of each pair every moment on both tables, or of every third pair one of these."""
    for (row, winner), (column, loser) in product(enumerate(STATEMENTS), repeat=2):
        meetings = list(product(TABLES, STATEMENTS[loser].moments()))
        turn, left_out = divmod(row + column, 3)
        some = [] if left_out else [meetings[turn % len(meetings)]]
        for table, moment in meetings if LONG else some:
            case = table, winner, loser, moment
            yield pytest.param(*case, id="-".join(case))


CASES = list(cases())
NAMES = ("table", "winner", "loser", "moment")
PATIENT = DeltaRetryPolicy(base_s=0, cap_s=0)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, (partition_by, vectors) in TABLES.items():
        made[name] = tmp_path_factory.mktemp(name) / "t"
        write_base(made[name], partition_by, vectors)
    return made


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("feed") / "feed"
    for row in FEED:
        GuardedTable(path).append(pa.Table.from_pylist([row], SCHEMA))
    return path


@pytest.fixture(scope="module")
def races(feed: Path) -> Iterator[Races]:
    with contextlib.closing(Races(feed, PATIENT)) as made:
        yield made


@pytest.fixture(scope="module")
def replanning(feed: Path) -> Iterator[Races]:
    replan = msgspec.structs.replace(PATIENT, on_metadata_change="replan")
    with contextlib.closing(Races(feed, replan)) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, bases: dict[str, Path], table: str) -> Place:
    return Place(tmp_path, str(tmp_path)).copy(bases[table], uuid.uuid4().hex)


@pytest.mark.parametrize(NAMES, CASES)
def test_every_version_is_as_the_log_says(
    place: Place, races: Races, winner: str, loser: str, moment: str
) -> None:
    results = races.race(place, Entry(winner, 1), Entry(loser, 2), moment)
    check(place, results)
    place.remove()


@pytest.mark.parametrize(NAMES, [c for c in CASES if STATEMENTS[str(c.values[1])].rules])
def test_under_changed_rules(
    place: Place, replanning: Races, winner: str, loser: str, moment: str
) -> None:
    """Where the policy allows it, the statement is worked out again under the new rules."""
    results = replanning.race(place, Entry(winner, 1), Entry(loser, 2), moment)
    check(place, results, is_replanned=True)
    place.remove()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("winner", "loser", "moment"),
    [
        ("insert", "insert-next", "planned"),
        ("insert-next", "merge-next", "planned"),
        ("update", "update-to-greatest", "planned"),
        ("truncate", "overwrite-from-itself", "staged"),
    ],
)
def test_without_its_safety_a_race_is_lost(
    place: Place, races: Races, winner: str, loser: str, moment: str
) -> None:
    """What has read the table itself is committed on whatever came since."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_statements._StandsOnWhatWasRead, "before_commit", lambda self, plan: None)
        results = races.race(place, Entry(winner, 1), Entry(loser, 2), moment)
    with pytest.raises(AssertionError):
        check(place, results)
    place.remove()
