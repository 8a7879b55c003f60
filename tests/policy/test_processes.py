"""Several processes on one table, and processes that are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable

APPENDER = """
import sys, pyarrow as pa
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
uri, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = GuardedTable(uri, policy=DeltaRetryPolicy(attempts=200))
attempts = 0
for n in range(count):
    batch = pa.record_batch({"n": [n] * 3, "by": [name] * 3})
    stream = pa.RecordBatchReader.from_batches(batch.schema, iter([batch]))
    attempts += table.append(stream, app_id=name, app_version=n).attempts
print(attempts)
"""

OVERWRITER = """
import sys, pyarrow as pa
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
uri, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = GuardedTable(uri, policy=DeltaRetryPolicy(attempts=200))
for n in range(count):
    batch = pa.record_batch({"n": [n] * 2, "by": [name] * 2})
    table.overwrite(pa.RecordBatchReader.from_batches(batch.schema, iter([batch])))
"""


def added(root: Path) -> list[list[str]]:
    """The files that each commit added."""
    return [
        [
            json.loads(line)["add"]["path"]
            for line in path.read_text().splitlines()
            if line.startswith('{"add"')
        ]
        for path in sorted((root / "_delta_log").glob("*.json"))
    ]


def test_concurrent_appends_from_nothing(
    tmp_path: Path, together: Any, rows: Any, files: Any
) -> None:
    """They make the table at once; each append is one staging and one commit, however many conflicts."""
    root = tmp_path / "t"
    printed = together(APPENDER, *([str(root), f"p{n}", "6"] for n in range(4)))
    assert rows(root) == sorted(
        ((n, f"p{p}") for n in range(6) for p in range(4) for _ in range(3)), key=repr
    )
    commits = added(root)
    assert [len(paths) for paths in commits] == [1] * 24
    assert files(root) == {path for (path,) in commits}
    assert sum(map(int, printed)) >= 24
    assert [path for path in (root / "_dfd").rglob("*") if path.is_file()] == []
    history = DeltaTable(root).history()
    assert [commit["operation"] for commit in history] == ["WRITE"] * 23 + ["CREATE TABLE"]


def test_overwrites_among_appends_are_serial(tmp_path: Path, together: Any, rows: Any) -> None:
    """Every version holds what its commit makes of the version before."""
    root = tmp_path / "t"
    GuardedTable(root).append(pa.table({"n": [-1], "by": ["first"]}))
    scripts = [(APPENDER, "a"), (APPENDER, "b"), (OVERWRITER, "c"), (OVERWRITER, "d")]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), name, "5"], stdout=subprocess.DEVNULL
        )
        for script, name in scripts
    ]
    assert [process.wait() for process in running] == [0] * 4
    before = rows(root, 0)
    kinds = []
    for commit in reversed(DeltaTable(root).history()[:-1]):
        now = rows(root, commit["version"])
        kinds.append(commit["dfd.operation"])
        if kinds[-1] == "OVERWRITE":
            assert len(now) == 2
            assert len(set(now)) == 1
        else:
            gained = list(now)
            for row in before:
                gained.remove(row)
            assert len(gained) == 3
            assert len(set(gained)) == 1
        before = now
    assert sorted(kinds) == ["APPEND"] * 10 + ["OVERWRITE"] * 10


# Between staging and commit the ids of the commit are asked for: there it stays.
STOPPED = """
import sys, time, pyarrow as pa
from dfd_delta_policy import GuardedTable
def ids():
    if asked:
        print("staged", flush=True)
        time.sleep(600)
    asked.append(True)
    return {}
asked = []
GuardedTable(sys.argv[1], commit_metadata=ids).append(pa.table({"n": [7], "by": ["killed"]}))
"""


@pytest.fixture
def abandoned(tmp_path: Path) -> Path:
    """A table beside whose rows a process, killed after it had staged, left a file."""
    root = tmp_path / "t"
    GuardedTable(root).append(
        pa.table({"n": [1], "by": ["first"]}),
    )
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "staged\n"
        assert dfd_native.abandoned_stages(root.as_uri()) == []
        process.kill()
        process.wait()
    return root


def test_killed_between_staging_and_commit(
    abandoned: Path, rows: Any, files: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """No row of it is there, and its files are found."""
    from dfd.cli import main

    assert DeltaTable(abandoned).version() == 0
    assert rows(abandoned) == [(1, "first")]
    with dfd.connect() as runtime:
        (stage,) = runtime.abandoned_stages(abandoned)
    (left,) = (
        files(abandoned)
        - set(DeltaTable(abandoned).file_uris())
        - {path for paths in added(abandoned) for path in paths}
    )
    assert stage.files == (left,)
    assert stage.bytes == (abandoned / left).stat().st_size
    assert main(["doctor", "--table", str(abandoned), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["abandoned_stages"][str(abandoned)]
    assert found["files"] == [left]
    assert main(["doctor", "--table", str(abandoned)]) == 0
    shown = capsys.readouterr().out
    assert stage.stage_id in shown
    assert "1 file(s)" in shown


def test_what_was_left_goes_with_a_full_vacuum(abandoned: Path, rows: Any, files: Any) -> None:
    (stage,) = dfd_native.abandoned_stages(abandoned.as_uri())
    table = GuardedTable(abandoned)
    table.append(pa.table({"n": [7], "by": ["again"]}))
    before = files(abandoned)
    assert table.vacuum().metrics["files"] == []
    # It may be a writer's at work until it is older than the retention.
    assert table.vacuum(dry_run=False, full=True).metrics["files"] == []
    DeltaTable(abandoned).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    )
    assert table.vacuum(full=True).metrics["files"] == list(stage.files)
    assert files(abandoned) == before
    table.vacuum(dry_run=False, full=True)
    assert files(abandoned) == before - {*stage.files}
    assert dfd_native.abandoned_stages(abandoned.as_uri()) == []
    assert rows(abandoned) == [(1, "first"), (7, "again")]


def test_killed_writers_sent_again_land_once(tmp_path: Path, rows: Any) -> None:
    """SIGKILL at whatever moment; the same batches again, until all are there."""
    root = tmp_path / "t"
    command = [sys.executable, "-c", APPENDER, str(root), "p0", "4"]
    for versions in range(1, 4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        log = root / "_delta_log"
        while process.poll() is None and len(list(log.glob("*.json"))) < versions:
            time.sleep(0.001)
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert rows(root) == sorted((n, "p0") for n in range(4) for _ in range(3))
