"""What the matrix is for, it sees: with one safety taken out of dfd, the race that needs it comes out wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd_delta_policy.commit.ground
import dfd_delta_policy.commit.metadata
import dfd_delta_policy.operations.optimize
import pytest
from deltalake import DeltaTable
from dfd_delta_policy.operations.staged_changes import WorkedOut
from places import Entry, Place
from race import Serial, check, race

Without = Callable[[pytest.MonkeyPatch], None]


def strictness(patch: pytest.MonkeyPatch) -> None:
    """A change is committed on top of what came, whatever rows that has."""

    def unlooked(found: WorkedOut, table: DeltaTable) -> Any:
        change = found._change or found.on(table)
        paths = [action["path"] for action in change.removes.actions]
        return change, found._committer.active(table.version()).only(paths)

    patch.setattr(WorkedOut, "at", unlooked)


def revalidation(patch: pytest.MonkeyPatch) -> None:
    """Rewritten files are committed whatever became of those they replace."""
    patch.setattr(dfd_delta_policy.operations.optimize, "_is_as_it_was", lambda file, now: True)


def rules(patch: pytest.MonkeyPatch) -> None:
    """Attempts don't ask whether the table's rules are those that the files were staged under."""
    patch.setattr(dfd_delta_policy.commit.ground, "_refuse_change", lambda before, now, fatal: None)
    patch.setattr(dfd_delta_policy.commit.metadata.TableMetadata, "change", lambda then, now: None)


@pytest.mark.parametrize(
    ("without", "winner", "loser", "moment"),
    [
        pytest.param(strictness, "append", "delete-all", "staged", id="strictness"),
        pytest.param(revalidation, "delete-where", "compact", "staged", id="revalidation"),
        pytest.param(rules, "add-constraint", "append", "committing", id="rules"),
    ],
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_without_it_a_race_is_lost(
    disk: Place,
    base: Path,
    serial: Serial,
    name: str,
    without: Without,
    winner: str,
    loser: str,
    moment: str,
    is_whole: bool,
) -> None:
    place = disk.copy(base, name)
    with pytest.MonkeyPatch.context() as patch:
        if not is_whole:
            without(patch)
        raced = race(place, Entry(winner, 1), Entry(loser, 2), moment)
    if is_whole:
        check(raced, serial)
    else:
        with pytest.raises(AssertionError):
            check(raced, serial)
    place.remove()
