"""RESTORE and SET TBLPROPERTIES by dfd's own commits, on tables that Spark wrote and as other libraries read them.

A sixth of the versions come back, all of them with DFD_LONG in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, InvalidOperation, Status, UnsupportedTable, audit

sys.path[:0] = [str(Path(__file__).parents[1] / "stage")]

from made import SUITE, column, rows_of, spark  # noqa: E402
from made import table as make_table  # noqa: E402
from readers import READERS, comparable, reads  # noqa: E402

# Features that ask more of a commit than is done.
UNWRITTEN = {"widening": "typeWidening", "writers": "rowTracking"}
EVERY_NTH = 1 if os.environ.get("DFD_LONG") else 6
PAST = sorted(
    (path.parents[1].name, int(path.stem))
    for path in SUITE.glob("*/expected/*.parquet")
    if path.parents[1].name not in UNWRITTEN and (path.parents[1] / "delta").exists()
)[::EVERY_NTH]


def log_of(root: Path, version: int) -> list[dict[str, Any]]:
    lines = (root / f"_delta_log/{version:020}.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def of_kind(root: Path, version: int, kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in log_of(root, version) if kind in action]


@pytest.mark.parametrize(("name", "version"), PAST)
def test_what_spark_wrote_is_restored(tmp_path: Path, name: str, version: int) -> None:
    """The rows are those that Spark reads at that version; the files are in the log as they were."""
    root = spark(name, tmp_path / "t")
    table = GuardedTable(root)
    newest = table.version()
    others = [other for other in ("deltalake", "duckdb") if reads(other, root, rows_of(name))]
    expected = pq.ParquetFile(SUITE / name / f"expected/{version}.parquet").read()
    wanted = comparable(expected, expected.column_names)
    before = dfd_native.active_files(root.as_uri(), version=version).actions
    outcome = table.restore(version)
    if outcome.status is Status.NOTHING_TO_DO:
        assert version == newest or wanted == comparable(
            READERS["dfd"](root), expected.column_names
        )
        return
    assert outcome.version == newest + 1
    assert comparable(READERS["dfd"](root), expected.column_names) == wanted
    for other in others:
        assert reads(other, root, expected), other
    after = dfd_native.active_files(root.as_uri()).actions
    by_path = {one["path"]: one for one in after}
    assert by_path == {one["path"]: one for one in before}
    metrics = outcome.metrics
    assert metrics["numOfFilesAfterRestore"] == len(before)
    assert metrics["numRestoredFiles"] == len(of_kind(root, newest + 1, "add"))
    assert metrics["numRemovedFiles"] == len(of_kind(root, newest + 1, "remove"))
    assert audit(root).is_sound


def test_files_come_back_with_all_that_the_log_said_of_them(tmp_path: Path) -> None:
    root = spark("dv_merge", tmp_path / "t")
    added = {
        (one["path"], json.dumps(one.get("deletionVector"))): one
        for version in range(GuardedTable(root).version() + 1)
        for one in of_kind(root, version, "add")
    }
    table = GuardedTable(root)
    before = table.version()
    table.overwrite(READERS["dfd"](root).slice(0, 0))
    version = table.restore(before).version
    assert version is not None
    again = of_kind(root, version, "add")
    assert any("deletionVector" in one for one in again)
    for one in again:
        was = added[one["path"], json.dumps(one.get("deletionVector"))]
        assert one | {"dataChange": True} == was | {"dataChange": True}


@pytest.mark.parametrize("name", sorted(UNWRITTEN))
def test_a_feature_that_asks_for_more_is_named(tmp_path: Path, name: str) -> None:
    root = spark(name, tmp_path / "t")
    for work in (
        lambda: GuardedTable(root).restore(0),
        lambda: GuardedTable(root).set_properties({"owner": "me"}),
    ):
        with pytest.raises(UnsupportedTable, match=UNWRITTEN[name]):
            work()


def test_values_of_identity_columns_are_given_once(tmp_path: Path) -> None:
    identity = column("id", "long", delta__identity__start="1", delta__identity__step="1")
    root = make_table(tmp_path / "t", [identity], features=("identityColumns",))
    GuardedTable(root).set_properties({"owner": "me"})
    with pytest.raises(UnsupportedTable, match="id is an identity column"):
        GuardedTable(root).restore(0)
    assert GuardedTable(root).version() == 1


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64())})


def test_schema_and_properties_go_back_too(tmp_path: Path) -> None:
    root = tmp_path / "t"
    table = GuardedTable(root)
    table.append(rows(1))
    table.set_properties({"owner": "me", "delta.checkpointInterval": "50"})
    table.append(pa.table({"id": [2], "more": ["x"]}), schema_mode="merge")
    table.set_properties({"owner": "you"})
    then = DeltaTable(root, version=1)
    outcome = table.restore(1)
    now = DeltaTable(root)
    assert now.schema() == then.schema()
    assert now.metadata().configuration == then.metadata().configuration
    assert now.metadata().id == then.metadata().id
    assert READERS["duckdb"](root).to_pylist() == [{"id": 1}]
    (info,) = of_kind(root, outcome.version or 0, "commitInfo")
    assert info["operation"] == "RESTORE"
    assert info["operationParameters"] == {"version": 1, "timestamp": None}
    assert info["operationMetrics"]["numRemovedFiles"] == "1"
    assert "protocol" not in [next(iter(one)) for one in log_of(root, outcome.version or 0)]


def test_a_restore_that_changes_nothing_is_none(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(rows(1))
    table.append(rows(2))
    for version in (1, 1):
        assert table.restore(version).status is Status.NOTHING_TO_DO
    assert table.restore(0).version == 2
    assert table.restore(0).status is Status.NOTHING_TO_DO


def test_a_time_stands_for_the_version_that_was_there_then(tmp_path: Path) -> None:
    root = tmp_path / "t"
    table = GuardedTable(root)
    for number in range(4):
        table.append(rows(number))
        os.utime(root / f"_delta_log/{number:020}.json", (1_000 * (number + 1),) * 2)

    def at(seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, timezone(timedelta(hours=5)))

    with pytest.raises(InvalidOperation, match=r"no version of .* the earliest .* is version 0"):
        table.restore(timestamp=at(999))
    with pytest.raises(InvalidOperation, match="has no time zone"):
        table.restore(timestamp=datetime(2026, 1, 1))
    for both in ({}, {"version": 1, "timestamp": at(2_500)}):
        with pytest.raises(InvalidOperation, match="give one of them"):
            table.restore(**both)
    table._native, native = None, table._native
    with pytest.raises(InvalidOperation, match="pip install dfd-native"):
        table.restore(timestamp=at(2_500))
    table._native = native
    assert table.version() == 3

    assert table.restore(timestamp=at(2_500)).version == 4
    assert comparable(READERS["dfd"](root), ["id"]) == comparable(
        pa.concat_tables([rows(0), rows(1)]), ["id"]
    )
    (info,) = of_kind(root, 4, "commitInfo")
    assert info["operationParameters"] == {"version": None, "timestamp": str(at(2_500))}
    assert table.restore(timestamp=datetime.now(timezone.utc)).status is Status.NOTHING_TO_DO


@pytest.mark.parametrize("version", [-1, 2, 2**63])
def test_a_version_that_is_not_there_is_refused_at_once(tmp_path: Path, version: int) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(rows(1))
    table.append(rows(2))
    with pytest.raises(InvalidOperation, match=f"There is no version {version}: the newest is 1"):
        table.restore(version)


def test_a_version_that_was_cleaned_up_is_refused_at_once(tmp_path: Path) -> None:
    root = tmp_path / "t"
    table = GuardedTable(root)
    for number in range(3):
        table.append(rows(number))
    table.create_checkpoint()
    (root / f"_delta_log/{0:020}.json").unlink()
    with pytest.raises(InvalidOperation, match=r"Nothing was changed"):
        table.restore(0)
    assert table.version() == 2


@pytest.mark.parametrize("what", ["file", "vector"])
def test_a_file_that_is_gone_is_named(tmp_path: Path, what: str) -> None:
    root = spark("dv_delete", tmp_path / "t")
    table = GuardedTable(root)
    version = table.version()
    if what == "file":
        path = dfd_native.active_files(root.as_uri()).actions[0]["path"]
    else:
        path = next(one.name for one in root.glob("deletion_vector_*.bin"))
    table.overwrite(READERS["dfd"](root).slice(0, 1))
    (root / path).unlink()
    with pytest.raises(InvalidOperation, match=rf"files are gone, {path} among them"):
        table.restore(version)
    assert table.version() == version + 1


def test_times_in_commits_go_on(tmp_path: Path) -> None:
    """A version before they were kept comes back; the log goes on keeping them."""
    root = make_table(tmp_path / "t", [column("id", "long")], features=("inCommitTimestamp",))
    table = GuardedTable(root)
    table.append(rows(1))
    enabled = {
        "delta.enableInCommitTimestamps": "true",
        "delta.inCommitTimestampEnablementVersion": "2",
        "delta.inCommitTimestampEnablementTimestamp": "4102444800000",
    }
    (metadata,) = of_kind(root, 0, "metaData")
    metadata["configuration"] = enabled
    stamped = {"commitInfo": {"inCommitTimestamp": 4102444800000}}
    lines = [stamped, {"metaData": metadata}]
    (root / f"_delta_log/{2:020}.json").write_text("".join(json.dumps(one) + "\n" for one in lines))
    table = GuardedTable(root)
    table.append(rows(2))
    version = table.restore(1).version or 0
    (info,) = of_kind(root, version, "commitInfo")
    assert (
        info["inCommitTimestamp"] > of_kind(root, version - 1, "commitInfo")[0]["inCommitTimestamp"]
    )
    assert DeltaTable(root).metadata().configuration == enabled
    assert comparable(READERS["dfd"](root), ["id"]) == comparable(rows(1), ["id"])
    table.append(rows(3))


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "me", "ä b": 'x"y'},
        {"delta.appendOnly": "true"},
        {"delta.enableChangeDataFeed": "true", "delta.checkpointInterval": "7"},
        {"delta.enableChangeDataFeed": "false"},
    ],
)
@pytest.mark.parametrize("name", ["partitions", "dv_delete", "mapping_name", "rules_checks"])
def test_properties_are_set_as_by_deltalake(
    tmp_path: Path, name: str, changes: dict[str, str]
) -> None:
    ours, theirs = spark(name, tmp_path / "ours"), spark(name, tmp_path / "theirs")
    table = GuardedTable(ours)
    version = table.set_properties(changes).version or 0
    bare = DeltaTable(theirs)
    bare.alter.set_table_properties(changes, raise_if_not_exists=False)
    found, wanted = DeltaTable(ours), DeltaTable(theirs)
    assert found.metadata().configuration == wanted.metadata().configuration
    assert found.schema() == wanted.schema()
    mine, others = found.protocol(), wanted.protocol()
    assert mine.min_writer_version == others.min_writer_version
    assert mine.min_reader_version == others.min_reader_version
    for listed, listed_too in (
        (mine.writer_features, others.writer_features),
        (mine.reader_features, others.reader_features),
    ):
        # deltalake 1.6.6 adds `variantType` to lists of features, whatever is set.
        assert set(listed or ()) == set(listed_too or ()) - {"variantType"}
    (info,) = of_kind(ours, version, "commitInfo")
    assert info["operation"] == "SET TBLPROPERTIES"
    assert json.loads(info["operationParameters"]["properties"]) == changes
    assert table.set_properties(changes).status is Status.NOTHING_TO_DO
    assert comparable(READERS["dfd"](ours), READERS["dfd"](theirs).column_names) == comparable(
        READERS["dfd"](theirs), READERS["dfd"](theirs).column_names
    )
