"""A vacuum in the middle of each operation, and each in the middle of a vacuum: no file that is needed goes.

The table keeps nothing of what was removed (a retention of no time), so that only what dfd looks at saves a
file: the commits that a vacuum makes before it deletes, and the leases of those who stage.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from model import same
from operations import EVERY, OPERATIONS, Operation
from places import BEGINNING, Entry, Place, write_base
from race import moments, race

VACUUMS = {
    name: Operation(
        name,
        lambda table, writer, source, full=full: table.vacuum(dry_run=False, full=full),
        lambda table, writer, source: None,
        same,
    )
    for name, full in (("vacuum", False), ("vacuum-full", True))
}
BOTH = EVERY | VACUUMS
DONE = ("committed", "nothing_to_do")
REFUSED = ("OperationRefused",)
CHANGED = (
    "ConflictError: MetadataChangedException",
    "ConflictError: ProtocolChangedException",
)
CASES = [
    pytest.param(*entries, moment, id="-".join((*entries, moment)))
    for vacuum in VACUUMS
    for operation in OPERATIONS
    for entries in ((vacuum, operation), (operation, vacuum))
    for moment in moments(BOTH[entries[1]])
]


@pytest.fixture(scope="session")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table, without a retention."""
    path = tmp_path_factory.mktemp("forgetful") / "t"
    write_base(path, ["key"])
    properties = {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    DeltaTable(path).alter.set_table_properties(properties)
    return path


@pytest.mark.parametrize(("winner", "loser", "moment"), CASES)
def test_no_file_that_is_needed_goes(
    disk: Place, forgetful: Path, name: str, winner: str, loser: str, moment: str
) -> None:
    place = disk.copy(forgetful, name)
    base = place.bare().version()
    entries = Entry(winner, 1), Entry(loser, 2)
    raced = race(place, *entries, moment, operations=BOTH, base=base)
    version = BEGINNING[-1]
    for entry in raced.log:
        version = BOTH[entry.operation].apply(version, entry.writer)
    assert raced.state.rows == version.content
    results = [raced.results[entry] for entry in entries]
    vacuum, operation = results if winner in VACUUMS else reversed(results)
    assert vacuum in expected(winner, loser, moment)
    # The files of the version to restore are vacuumed, where that went first.
    is_gone = winner in VACUUMS and loser == "restore"
    assert operation == ("InvalidOperation" if is_gone else "committed")
    place.remove()


def expected(winner: str, loser: str, moment: str) -> tuple[str, ...]:
    """What may come of the vacuum."""
    if winner == "vacuum-full" and moment in ("staged", "committing"):
        return REFUSED
    if winner == "vacuum-full" and moment == "reading":
        return (*DONE, *REFUSED)  # the lease of a stage is written beside the first reading
    if loser in VACUUMS and (OPERATIONS[winner].rules or winner == "restore"):
        return (*DONE, *CHANGED)
    return DONE
