"""What a table wants of its upkeep: which of OPTIMIZE, a checkpoint and VACUUM are due by thresholds, and whether its log is sound."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Annotated

import msgspec

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class UpkeepThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on an operation is due. None: never.

    - `optimize_files`: so many files would be made into fewer. Default: 16.
    - `checkpoint_commits`: so many commits came since the last checkpoint. Default: 100.
    - `vacuum_files`: so many files are needed by no version within the table's retention. Default: 100.
    - `audit`: whether the log is audited, all that there is of it. Default: true.
    """

    optimize_files: _AtLeastOne | None = 16
    checkpoint_commits: _AtLeastOne | None = 100
    vacuum_files: _AtLeastOne | None = 100
    audit: bool = True


class UpkeepTask(str, Enum):
    """An operation that is due. RESTORE isn't one: what is lost by it, people decide."""

    OPTIMIZE = "optimize"
    CHECKPOINT = "checkpoint"
    VACUUM = "vacuum"

    def __str__(self) -> str:
        return self.value


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at a version of a table, and what is due. None is what wasn't looked at.

    - `files_to_compact`, `commits_since_checkpoint`, `unneeded_files`: what the thresholds are of.
    - `is_sound`: whether the newest version is right, by its log (`GuardedTable.audit`).
    - `due`: in the order in which they are run.
    """

    uri: str
    version: int
    files_to_compact: int | None
    commits_since_checkpoint: int | None
    unneeded_files: int | None
    is_sound: bool | None
    due: tuple[UpkeepTask, ...]


def due_by(
    thresholds: UpkeepThresholds,
    files_to_compact: int | None,
    commits_since_checkpoint: int | None,
    unneeded_files: int | None,
) -> Iterator[UpkeepTask]:
    """The operations that are due: OPTIMIZE first, whose commit the checkpoint has, and whose old files VACUUM leaves."""
    counts = (
        (UpkeepTask.OPTIMIZE, files_to_compact, thresholds.optimize_files),
        (UpkeepTask.CHECKPOINT, commits_since_checkpoint, thresholds.checkpoint_commits),
        (UpkeepTask.VACUUM, unneeded_files, thresholds.vacuum_files),
    )
    for task, counted, least in counts:
        if counted is not None and least is not None and counted >= least:
            yield task
