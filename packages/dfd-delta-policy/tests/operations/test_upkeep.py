"""What a table wants of its upkeep."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, UpkeepTask, UpkeepThresholds
from dfd_delta_policy.log.reader import Log
from dfd_delta_policy.operations.upkeep import due_by

pytest.importorskip("dfd_native")
ROW = pa.table({"id": [9], "s": ["z"]})


def test_what_is_counted_and_what_is_due(table: GuardedTable) -> None:
    for _ in range(4):
        table.append(ROW)
    found = table.upkeep()
    assert (found.version, found.files_to_compact, found.commits_since_checkpoint) == (4, 5, 5)
    assert (found.unneeded_files, found.is_sound, found.due) == (0, True, ())
    assert found.uri == table.uri
    low = UpkeepThresholds(optimize_files=5, checkpoint_commits=5, vacuum_files=1)
    assert table.upkeep(low).due == (UpkeepTask.OPTIMIZE, UpkeepTask.CHECKPOINT)
    assert DeltaTable(table.uri).version() == 4


def test_what_is_run_is_no_longer_due(table: GuardedTable) -> None:
    table.set_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})
    for _ in range(3):
        table.append(ROW)
    low = UpkeepThresholds(optimize_files=2, checkpoint_commits=2, vacuum_files=1)
    done = [table.run_upkeep(task).operation for task in table.upkeep(low).due]
    assert done == ["optimize", "create_checkpoint"]
    after = table.upkeep(low)
    assert (after.files_to_compact, after.commits_since_checkpoint) == (0, 0)
    assert (after.unneeded_files, after.due) == (4, (UpkeepTask.VACUUM,))
    assert len(table.run_upkeep(UpkeepTask.VACUUM).metrics["files"]) == 4
    assert table.upkeep(low).unneeded_files == 0
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == 7


def test_what_no_threshold_asks_for_is_not_looked_at(table: GuardedTable) -> None:
    none = UpkeepThresholds(
        optimize_files=None, checkpoint_commits=None, vacuum_files=None, audit=False
    )
    found = table.upkeep(none)
    assert (found.files_to_compact, found.commits_since_checkpoint) == (None, None)
    assert (found.unneeded_files, found.is_sound, found.due) == (None, None, ())


def test_a_log_that_is_not_sound(table: GuardedTable) -> None:
    for _ in range(3):
        table.append(ROW)
    one, other = DeltaTable(table.uri), DeltaTable(table.uri)
    one.optimize.compact()
    other.optimize.compact()
    assert table.upkeep().is_sound is False


class Listed:
    """A log's files by their names."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def list(self, folder: str = "") -> list[str]:
        return [name for name in self._names if name.startswith(folder)]

    def open(self, path: str) -> BinaryIO:
        raise AssertionError(f"{path} needn't be read")


def commits_since_checkpoint(names: list[str]) -> int:
    return Log(Listed(names), "t").commits_since_checkpoint


def test_commits_are_counted_from_the_newest_checkpoint() -> None:
    def commit(version: int) -> str:
        return f"_delta_log/{version:020}.json"

    names = [commit(version) for version in range(8)]
    assert commits_since_checkpoint(names) == 8
    names += ["_delta_log/_last_checkpoint", f"_delta_log/{3:020}.checkpoint.parquet"]
    # A part alone is no checkpoint.
    names += [f"_delta_log/{5:020}.checkpoint.0000000001.0000000002.parquet"]
    names += [f"_delta_log/{5:020}.crc", "part-0.parquet", f"_delta_log/_sidecars/{7:020}.json"]
    assert commits_since_checkpoint(names) == 4
    names += [f"_delta_log/{5:020}.checkpoint.0000000002.0000000002.parquet"]
    assert commits_since_checkpoint(names) == 2
    v2 = f"_delta_log/{6:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet"
    assert commits_since_checkpoint([*names, v2]) == 1


def test_a_threshold_is_reached_by_its_own_count() -> None:
    asked = UpkeepThresholds(optimize_files=3, checkpoint_commits=None, vacuum_files=3)
    assert list(due_by(asked, 3, 1000, 2)) == [UpkeepTask.OPTIMIZE]
    assert list(due_by(asked, None, 1000, 3)) == [UpkeepTask.VACUUM]
