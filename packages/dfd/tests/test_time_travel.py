"""Tables as they were at a time: by the times of commits, or of their files."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from deltalake import DeltaTable

DAYS = [datetime(2024, 1, day, tzinfo=timezone.utc) for day in (1, 5, 10)]


def dated(runtime: dfd.Runtime, root: Path) -> Path:
    """A table of three versions of a row each, whose commits' files are of 1, 5 and 10 January."""
    for version, day in enumerate(DAYS):
        runtime.write(root, pa.table({"id": [version]}))
        os.utime(commit(root, version), (day.timestamp(), day.timestamp()))
    return root


def commit(root: Path, version: int) -> Path:
    return root / f"_delta_log/{version:020}.json"


def stamp(root: Path) -> None:
    """Let the commits say their times as a table with in-commit timestamps does."""
    for version, day in enumerate(DAYS):
        actions = [json.loads(line) for line in commit(root, version).read_text().splitlines()]
        actions.sort(key=lambda action: "commitInfo" not in action)
        actions[0]["commitInfo"]["inCommitTimestamp"] = int(day.timestamp() * 1000)
        for action in actions:
            if "metaData" in action:
                action["metaData"]["configuration"] = {"delta.enableInCommitTimestamps": "true"}
            if "protocol" in action:
                action["protocol"] = {
                    "minReaderVersion": 1,
                    "minWriterVersion": 7,
                    "writerFeatures": ["inCommitTimestamp"],
                }
        commit(root, version).write_text("\n".join(map(json.dumps, actions)))


def ids(runtime: dfd.Runtime, root: Path, when: datetime) -> list[int]:
    runtime.register("then", root, timestamp=when)
    found = runtime.sql("select id from then order by id").to_arrow_table()
    return [int(value) for value in found["id"].to_pylist()]


@pytest.mark.parametrize("has_timestamps", [False, True])
def test_what_was_there_at_a_time(
    runtime: dfd.Runtime, tmp_path: Path, has_timestamps: bool
) -> None:
    root = dated(runtime, tmp_path / "t")
    if has_timestamps:
        stamp(root)
        # A copy, whose files are all of now.
        root = shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    second = timedelta(seconds=1)
    expected = [
        (DAYS[0], [0]),
        (DAYS[1] - second, [0]),
        (DAYS[1], [0, 1]),
        (DAYS[1].astimezone(timezone(timedelta(hours=-9))), [0, 1]),
        (DAYS[2] - second, [0, 1]),
        (DAYS[2], [0, 1, 2]),
        (datetime(2999, 1, 1, tzinfo=timezone.utc), [0, 1, 2]),
    ]
    for when, rows in expected:
        assert ids(runtime, root, when) == rows, when
    with pytest.raises(dfd.QueryError, match=r"version 0, of 2024-01-01 00:00:00 UTC"):
        runtime.register("then", root, timestamp=DAYS[0] - second)
    # What was registered before stays.
    assert runtime.sql("select count(*) n from then").to_arrow_table().to_pydict() == {"n": [3]}


def test_a_log_that_was_cleaned_up(runtime: dfd.Runtime, tmp_path: Path) -> None:
    root = dated(runtime, tmp_path / "t")
    DeltaTable(root).create_checkpoint()
    runtime.write(root, pa.table({"id": [3]}))
    for version in (0, 1):
        commit(root, version).unlink()
    assert ids(runtime, root, DAYS[2]) == [0, 1, 2]
    assert ids(runtime, root, datetime.now(timezone.utc)) == [0, 1, 2, 3]
    with pytest.raises(dfd.QueryError, match="version 2, of 2024-01-10"):
        ids(runtime, root, DAYS[1])
