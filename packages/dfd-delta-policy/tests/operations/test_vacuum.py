"""VACUUM: it takes what nobody needs, and stops where a writer at work has staged for long."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from dfd_delta_policy import (
    ConflictError,
    GuardedTable,
    InvalidOperation,
    OperationRefused,
    UnsupportedTable,
)
from dfd_delta_policy.backend.protocol import LiveStage
from dfd_delta_policy.backend.pyarrow import PlainTables
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.operations.vacuum import Vacuum

RETENTION = "delta.deletedFileRetentionDuration"
HOUR_MS = 3_600_000
IDS = CommitProperties(custom_metadata={"dfd.operation_id": "mine"}, max_commit_retries=0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two rows in two files, and one that an overwrite removed, of which nothing is kept."""
    uri = tmp_path / "t"
    write_deltalake(uri, pa.table({"id": [0]}), configuration={RETENTION: "interval 0 hours"})
    write_deltalake(uri, pa.table({"id": [1]}), mode="overwrite")
    write_deltalake(uri, pa.table({"id": [2]}), mode="append")
    return uri


def keep(table: Path, interval: str) -> None:
    DeltaTable(table).alter.set_table_properties({RETENTION: interval})


def orphan(table: Path, stage_id: str = "nobody", age_hours: float = 0) -> Path:
    """A data file that is in no version, as a stage names it."""
    path = table / f"part-00000-{stage_id}-c000.zstd.parquet"
    pq.write_table(pa.table({"id": [9]}), path)
    at = time.time() - age_hours * 3600
    os.utime(path, (at, at))
    return path


def vacuum(table: Path, handle: DeltaTable | None = None, **settings: Any) -> Done:
    made = Vacuum(table.as_uri(), lambda: DeltaTable(table), at_work(table), **settings)
    return made.attempt(Attempt(handle or DeltaTable(table), IDS))


def at_work(table: Path) -> Callable[[], Sequence[LiveStage]]:
    """The stages at work, as they are known without dfd-native."""
    return lambda: PlainTables().live_stages(table.as_uri())


def ids(table: Path) -> list[int]:
    return sorted(pa.table(DeltaTable(table).scan())["id"].to_pylist())


def files(table: Path) -> set[str]:
    return {path.name for path in table.glob("*.parquet")}


def test_takes_what_no_version_within_the_retention_needs(table: Path) -> None:
    removed = files(table) - {Path(path).name for path in DeltaTable(table).file_uris()}
    left = orphan(table)
    before = files(table)
    listed = vacuum(table)
    assert listed == Done(None, {"files": sorted(removed), "dry_run": True})
    assert (files(table), DeltaTable(table).version()) == (before, 2)
    done = vacuum(table, dry_run=False)
    assert done == Done(4, {"files": sorted(removed), "dry_run": False})
    assert files(table) == before - removed
    assert left.exists()
    assert ids(table) == [1, 2]
    end, start = DeltaTable(table).history(2)
    assert (start["operation"], end["operation"]) == ("VACUUM START", "VACUUM END")
    assert start["dfd.operation_id"] == end["dfd.operation_id"] == "mine"


def test_nothing_to_take(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [0]}))
    for full in (False, True):
        found = vacuum(tmp_path, dry_run=False, full=full)
        assert found == Done(None, {"files": [], "dry_run": False})
    assert DeltaTable(tmp_path).version() == 0


def test_full_takes_what_was_never_committed_too(table: Path) -> None:
    left = orphan(table)
    before = files(table)
    assert left.name in vacuum(table, full=True).metrics["files"]
    assert files(table) == before
    assert left.name in vacuum(table, full=True, dry_run=False).metrics["files"]
    assert files(table) == {Path(path).name for path in DeltaTable(table).file_uris()}


def test_without_a_table() -> None:
    made = Vacuum("file:///nowhere", lambda: DeltaTable("/nowhere"), list)
    with pytest.raises(InvalidOperation):
        made.attempt(Attempt(None, IDS))


def test_the_retention_of_the_table_is_the_least(table: Path) -> None:
    keep(table, "interval 30 days")
    before = files(table)
    for dry_run in (True, False):
        with pytest.raises(OperationRefused, match="719 hours is below"):
            vacuum(table, retention_hours=719, dry_run=dry_run)
    assert vacuum(table, retention_hours=720).metrics["files"] == []
    assert files(table) == before


def say(table: Path, retention: str | None) -> None:
    """Put a retention into the log as any writer may; deltalake's own check is another."""
    commit = table / f"_delta_log/{0:020}.json"
    text = commit.read_text()
    said = "{}" if retention is None else json.dumps({RETENTION: retention})
    commit.write_text(text.replace(f'{{"{RETENTION}":"interval 0 hours"}}', said))
    found = {} if retention is None else {RETENTION: retention}
    assert DeltaTable(table).metadata().configuration == found


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("interval 1 week", 168),
        ("interval 2 days", 48),
        ("interval  5  hours ", 5),
        ("interval 180 minutes", 3),
        ("interval 7200 seconds", 2),
        ("interval 3600000 milliseconds", 1),
        (None, 168),
        # As Delta-Spark takes them, and deltalake doesn't.
        ("30 days", 720),
        ("INTERVAL 1 DAY", 24),
        ("interval 1 week 2 days", 216),
        ("interval 90 minutes 1 second", 2),
    ],
)
def test_keeps_the_retention_as_delta_spark_reads_it(
    table: Path, said: str | None, hours: int
) -> None:
    say(table, said)
    handle = DeltaTable(table)
    old = Path((files(table) - {Path(path).name for path in handle.file_uris()}).pop())
    age(table, old.name, hours - 0.1)
    assert vacuum(table).metrics["files"] == []
    with pytest.raises(OperationRefused, match=f"{hours - 1} hours is below the table's retention"):
        vacuum(table, retention_hours=hours - 1)
    assert vacuum(table, retention_hours=hours).metrics["files"] == []
    age(table, old.name, hours + 0.1)
    assert vacuum(table).metrics["files"] == [old.name]
    assert vacuum(table, retention_hours=hours, dry_run=False).metrics["files"] == [old.name]
    assert ids(table) == [1, 2]


def age(table: Path, path: str, hours: float) -> None:
    """Let a file have been removed from the table so many hours ago."""
    for commit in (table / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if action.get("remove", {}).get("path") == path:
                action["remove"]["deletionTimestamp"] = int((time.time() - hours * 3600) * 1000)
        commit.write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize("said", ["interval 3 months", "soon", "interval -1 days", ""])
def test_a_retention_that_means_nothing_is_no_week(table: Path, said: str) -> None:
    say(table, said)
    before = files(table)
    for hours in (None, 10_000):
        with pytest.raises(UnsupportedTable, match=r"interval in weeks.*set_properties"):
            vacuum(table, retention_hours=hours, dry_run=False)
    assert (files(table), DeltaTable(table).version()) == (before, 2)
    GuardedTable(table).set_properties({RETENTION: "0 days"})
    assert len(vacuum(table).metrics["files"]) == 1


# Who stages


def lease(table: Path, stage_id: str = "abc", hours: float = 0, **fields: Any) -> Path:
    """A lease begun so many hours ago and just renewed, as dfd-native writes it elsewhere."""
    now = int(time.time() * 1000)
    said = {
        "stage_id": stage_id,
        "host": "elsewhere",
        "namespace": "another",
        "pid": 1,
        "process_start": 1,
        "started_ms": now - int(hours * HOUR_MS),
        "expires_ms": now + 600_000,
    }
    path = table / f"_dfd/stages/{stage_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**said, **fields}))
    return path


def refused(table: Path, **settings: Any) -> None:
    before = files(table)
    for dry_run in (True, False):
        with pytest.raises(OperationRefused, match=r"stage abc.*since .* UTC\. Nothing"):
            vacuum(table, full=True, dry_run=dry_run, **settings)
    assert files(table) == before


def taken(table: Path, left: Path, **settings: Any) -> None:
    assert left.exists()
    assert left.name in vacuum(table, full=True, dry_run=False, **settings).metrics["files"]
    assert not left.exists()
    assert ids(table) == [1, 2]


def test_a_stage_at_work_is_in_the_way_of_a_full_vacuum_alone(table: Path) -> None:
    left, held = orphan(table, "abc"), lease(table)
    refused(table)
    assert len(vacuum(table, dry_run=False).metrics["files"]) == 1
    assert left.exists()
    held.unlink()
    taken(table, left)


def test_a_stage_is_believed_until_its_lease_ends(table: Path) -> None:
    left = orphan(table, "abc")
    lease(table)
    refused(table)
    lease(table, expires_ms=int(time.time() * 1000) - 1)
    taken(table, left)


def test_what_is_staged_within_the_retention_is_in_nobodys_way(table: Path) -> None:
    keep(table, "interval 24 hours")
    old, new = orphan(table, age_hours=25), orphan(table, "abc", age_hours=12)
    lease(table, hours=12)
    assert vacuum(table, full=True, dry_run=False).metrics["files"] == [old.name]
    assert new.exists()
    # An hour is left for clocks that differ.
    lease(table, hours=22.9)
    vacuum(table, full=True)
    lease(table, hours=23.1)
    refused(table)
    vacuum(table, full=True, retention_hours=25)
    lease(table, hours=30)
    refused(table, retention_hours=25)


def test_what_is_no_lease_is_nobodys(table: Path) -> None:
    left = orphan(table)
    for name, text in {"a.json": "{", "b.json": '{"stage_id": 1}', "c.txt": "x"}.items():
        lease(table, "of another kind").with_name(name).write_text(text)
    (table / "_dfd/stages/of another kind.json").unlink()
    taken(table, left)


def test_what_was_committed_since_the_handle_was_read_stays(table: Path) -> None:
    """A stage that commits gives up its lease then, so that only the newest version knows of its files."""
    handle = DeltaTable(table)
    write_deltalake(table, pa.table({"id": [3]}), mode="append")
    assert vacuum(table, handle, full=True, dry_run=False).metrics["files"]
    assert ids(table) == [1, 2, 3]


def test_a_commit_in_between_is_in_nobodys_way(table: Path) -> None:
    handle = DeltaTable(table)
    write_deltalake(table, pa.table({"id": [3]}), mode="append")
    done = vacuum(table, handle, dry_run=False)
    assert (done.version, len(done.metrics["files"])) == (5, 1)
    assert ids(table) == [1, 2, 3]


@pytest.fixture
def staged(table: Path) -> Iterator[Any]:
    """Files that dfd-native has staged, and not released."""
    dfd_native = pytest.importorskip("dfd_native")
    with dfd_native.stage(table.as_uri(), pa.table({"id": [7]})) as found:
        yield found


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_dfd_native_stages_stays(table: Path, staged: Any, is_installed: bool) -> None:
    guarded = GuardedTable(table)
    if not is_installed:
        guarded._native = None
    with pytest.raises(OperationRefused, match=staged.stage_id):
        guarded.vacuum(full=True, dry_run=False)
    assert {action["path"] for action in staged.actions} <= files(table)
    staged.drop()
    assert len(guarded.vacuum(full=True, dry_run=False).metrics["files"]) == 1


# What can't be removed


def blocked(table: Path) -> tuple[Path, Callable[[], None]]:
    """A directory where a removed file was, which nobody can remove as a file; and its end."""
    (name,) = files(table) - {Path(path).name for path in DeltaTable(table).file_uris()}
    path = table / name
    path.unlink()
    (path / "inside").mkdir(parents=True)

    def clear() -> None:
        (path / "inside").rmdir()
        path.rmdir()

    return path, clear


def test_a_removal_that_fails_is_told_and_goes_on_later(table: Path) -> None:
    path, clear = blocked(table)
    made = Vacuum(table.as_uri(), lambda: DeltaTable(table), list, dry_run=False)
    with pytest.raises(OSError, match=path.name):
        made.attempt(Attempt(DeltaTable(table), IDS))
    assert [commit["operation"] for commit in DeltaTable(table).history(1)] == ["VACUUM START"]
    clear()
    done = made.attempt(Attempt(DeltaTable(table), IDS))
    assert (done.version, done.metrics["files"]) == (5, [path.name])
    assert ids(table) == [1, 2]


def tombstones(table: Path, count: int) -> None:
    """Files that were added and removed, so that their removal takes a while."""
    for version, verb in ((3, "add"), (4, "remove")):
        said: dict[str, Any] = {"dataChange": True, "deletionTimestamp": 1}
        if verb == "add":
            said |= {"partitionValues": {}, "size": 1, "modificationTime": 1}
        lines = (json.dumps({verb: {"path": f"gone-{n}.parquet", **said}}) for n in range(count))
        (table / f"_delta_log/{version:020}.json").write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("operation", "operations"),
    [
        # deltalake refuses its second commit then; the files are gone, and that is what counts.
        pytest.param("SET TBLPROPERTIES", [], id="metadata"),
        pytest.param("WRITE", ["VACUUM END"], id="append"),
    ],
)
def test_a_commit_while_the_files_go(table: Path, operation: str, operations: list[str]) -> None:
    tombstones(table, 20_000)
    log = table / "_delta_log"
    if operation == "WRITE":
        write_deltalake(table, pa.table({"id": [2]}), mode="append")
    else:
        DeltaTable(table).alter.set_table_properties({"delta.appendOnly": "false"})
    commit = (log / f"{5:020}.json").rename(table / "_commit.json")

    def meddle() -> None:
        while not (log / f"{5:020}.json").exists():
            pass
        os.link(commit, log / f"{6:020}.json")

    meddler = threading.Thread(target=meddle)
    meddler.start()
    done = vacuum(table, dry_run=False)
    meddler.join()
    found = [commit["operation"] for commit in DeltaTable(table).history(2 + len(operations))]
    assert found == [*operations, operation, "VACUUM START"]
    assert len(done.metrics["files"]) == 20_001
    assert done.version == 5 + 2 * len(operations)
    assert ids(table) == ([1, 2, 2] if operation == "WRITE" else [1, 2])
    assert not [path for path in done.metrics["files"] if (table / path).exists()]


def test_through_the_loop(table: Path) -> None:
    outcome = GuardedTable(table).vacuum(dry_run=False)
    assert (outcome.version, len(outcome.metrics["files"])) == (4, 1)
    assert {c["dfd.operation_id"] for c in DeltaTable(table).history(2)} == {outcome.operation_id}


SPARK = Path(__file__).parents[4] / "tests/conformance/spark"


def aged(name: str, tmp_path: Path) -> Path:
    """A table of Spark's, whose files and removals are older than any retention."""
    shutil.copytree(SPARK / name / "delta", tmp_path / "t")
    for commit in (tmp_path / "t/_delta_log").glob("*.json"):
        actions = commit.read_text()
        commit.write_text(re.sub(r'"deletionTimestamp":\d+', '"deletionTimestamp":1', actions))
    for path in (tmp_path / "t").rglob("*"):
        os.utime(path, (0, 0))
    return tmp_path / "t"


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "name",
    # deltalake reads neither of the last two.
    sorted({path.parent.name for path in SPARK.glob("*/delta")} - {"vacuum_protocol", "widening"}),
)
def test_every_row_that_spark_wrote_outlives_it(tmp_path: Path, name: str, full: bool) -> None:
    root = aged(name, tmp_path)
    before = pa.table(DeltaTable(root).scan()).num_rows
    table = GuardedTable(root)
    features = DeltaTable(root).protocol().reader_features or ()
    if full and "deletionVectors" in features:
        for dry_run in (True, False):
            with pytest.raises(UnsupportedTable, match="deletion vectors"):
                table.vacuum(dry_run=dry_run, full=True)
    elif name == "writers":
        with pytest.raises(ConflictError, match="features deltalake can't write"):
            table.vacuum(dry_run=False)
    else:
        table.vacuum(dry_run=False, full=full)
    assert pa.table(DeltaTable(root).scan()).num_rows == before


def test_deltalakes_full_vacuum_removes_deletion_vectors_in_use(tmp_path: Path) -> None:
    """The reason why it is refused here."""
    root = aged("dv_delete", tmp_path)
    removed = DeltaTable(root).vacuum(dry_run=False, full=True)
    assert [path for path in removed if path.endswith(".bin")]
    with pytest.raises(Exception, match="File not found"):
        pa.table(DeltaTable(root).scan())
