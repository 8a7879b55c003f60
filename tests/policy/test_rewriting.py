"""dfd's own commits and rewrites, on tables that Spark wrote and as other libraries read them.

On a quarter of these tables; on all with DFD_LONG in the environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import CommitPlan, ConflictError, GuardedTable, Outcome, Status

sys.path[:0] = [str(Path(__file__).parents[1] / "stage")]

from made import SUITE, rows_of, spark  # noqa: E402
from readers import READERS, comparable, reads  # noqa: E402

# Features that ask more of a commit than is done (typeWidening, rowTracking, identityColumns) and a type that
# isn't staged.
UNWRITTEN = {"widening", "writers", "variant"}
EVERY_NTH = 1 if os.environ.get("DFD_LONG") else 4
TABLES = sorted(
    path.parent.name for path in SUITE.glob("*/delta") if path.parent.name not in UNWRITTEN
)[::EVERY_NTH]


def log_of(root: Path, version: int) -> list[dict[str, Any]]:
    lines = (root / f"_delta_log/{version:020}.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def kinds(root: Path, version: int) -> list[str]:
    return [next(iter(action)) for action in log_of(root, version)]


class Others:
    """The libraries that read a table right before it is changed; they must afterwards."""

    def __init__(self, root: Path, rows: pa.Table) -> None:
        self.root = root
        self.names = [n for n in ("deltalake", "polars", "duckdb") if reads(n, root, rows)]

    def find(self, *rows: pa.Table) -> None:
        for name in self.names:
            found = comparable(READERS[name](self.root), rows[0].column_names)
            assert found == sorted_rows(*rows), name


def read_back(root: Path, *rows: pa.Table) -> None:
    assert comparable(READERS["dfd"](root), rows[0].column_names) == sorted_rows(*rows)


def sorted_rows(*tables: pa.Table) -> list[str]:
    return sorted(row for one in tables for row in comparable(one, one.column_names))


def ordered_column(root: Path) -> str:
    table = DeltaTable(root)
    partition_by = table.metadata().partition_columns
    return next(
        field.name
        for field in table.schema().fields
        if field.name not in partition_by and isinstance(json.loads(field.type.to_json()), str)
    )


@pytest.mark.parametrize("name", TABLES)
def test_what_spark_wrote_is_rewritten_appended_to_and_overwritten(
    tmp_path: Path, name: str
) -> None:
    root, rows = spark(name, tmp_path / "t"), rows_of(name)
    table, others = GuardedTable(root), Others(root, rows)
    assert ("deltalake" in others.names) is (name not in ("int96", "vacuum_protocol"))

    optimized = table.optimize()
    if optimized.status is Status.COMMITTED:
        (commit,) = table.history(1)
        assert commit["operation"] == "OPTIMIZE"
        assert set(kinds(root, table.version())) <= {"commitInfo", "remove", "add"}
        read_back(root, rows)
    assert table.optimize().status is Status.NOTHING_TO_DO

    column = ordered_column(root)
    table.z_order([column])
    (commit,) = table.history(1)
    assert commit["operationParameters"]["zOrderBy"] == json.dumps([column])
    read_back(root, rows)
    others.find(rows)

    data = READERS["dfd"](root)
    outcome = table.append(data)
    assert (outcome.metrics["rows"], outcome.version) == (rows.num_rows, table.version())
    assert table.optimize().metrics["numFilesRemoved"] > 0
    read_back(root, rows, rows)

    table.overwrite(data)
    read_back(root, rows)
    if name == "partitions":  # polars can't parse a timestamp of a partition in ISO 8601
        others.names.remove("polars")
    others.find(rows)
    table.overwrite(data.slice(0, 0))
    assert DeltaTable(root).file_uris() == []


@pytest.mark.parametrize("name", ["partitions", "partitions_odd", "partitions_binary"])
def test_an_overwrite_removes_files_as_the_log_names_them(tmp_path: Path, name: str) -> None:
    root = spark(name, tmp_path / "t")
    there = {file["path"] for file in dfd_native.active_files(root.as_uri()).actions}
    data = READERS["dfd"](root)
    outcome = GuardedTable(root).overwrite(data)
    actions = log_of(root, outcome.version)
    assert {one["remove"]["path"] for one in actions if "remove" in one} == there
    assert len(DeltaTable(root).file_uris()) == sum("add" in one for one in actions)
    assert comparable(READERS["dfd"](root), data.column_names) == comparable(
        data, data.column_names
    )


@pytest.mark.parametrize("name", ["dv_delete", "dv_partitioned", "mapping_dv", "dv_restore"])
@pytest.mark.parametrize("work", ["overwrite", "z_order"])
def test_removes_carry_the_deletion_vectors(tmp_path: Path, name: str, work: str) -> None:
    root = spark(name, tmp_path / "t")
    vectors = {
        file["path"]: file.get("deletionVector")
        for file in dfd_native.active_files(root.as_uri()).actions
    }
    assert any(vectors.values())
    table = GuardedTable(root)
    if work == "overwrite":
        outcome = table.overwrite(READERS["dfd"](root))
    else:
        outcome = table.z_order([ordered_column(root)])
        assert outcome.metrics["numDeletionVectorsRemoved"] == sum(map(bool, vectors.values()))
    removes = [one["remove"] for one in log_of(root, outcome.version) if "remove" in one]
    assert {one["path"]: one.get("deletionVector") for one in removes} == vectors
    assert {one["dataChange"] for one in removes} == {work == "overwrite"}


def test_many_deleted_rows_make_a_file_worth_rewriting(tmp_path: Path) -> None:
    """A large file is purged of its deletion vector above one row in twenty, as by Delta-Spark."""
    for name, is_purged in (("dv_delete", True), ("dv_large", None)):
        root = spark(name, tmp_path / name)
        (file,) = dfd_native.active_files(root.as_uri()).actions
        (rows,) = pa.table(DeltaTable(root).get_add_actions())["num_records"].to_pylist()
        many = file["deletionVector"]["cardinality"] > 0.05 * rows
        assert is_purged is None or many is is_purged
        outcome = GuardedTable(root).optimize(target_file_bytes=1)
        assert (outcome.status is Status.COMMITTED) is many
        left = dfd_native.active_files(root.as_uri()).actions
        assert any("deletionVector" in one for one in left) is not many


def test_the_commit_is_as_delta_spark_writes_it(tmp_path: Path) -> None:
    ids = {"dfd.run_id": "nightly"}
    root = tmp_path / "t"
    table = GuardedTable(root, commit_metadata=lambda: ids)
    table.append(pa.table({"n": [1], "p": ["x"]}), partition_by=["p"])
    appended = table.append(pa.table({"n": [2], "p": ["y"]}), app_id="loader", app_version=7)
    info, txn, add = log_of(root, 1)
    info = info["commitInfo"]
    assert {key: info[key] for key in ("operation", "readVersion", "isolationLevel", "isBlindAppend")} == {
        "operation": "WRITE", "readVersion": 0, "isolationLevel": "Serializable", "isBlindAppend": True,
    }  # fmt: skip
    assert info["operationParameters"] == {"mode": "Append", "partitionBy": '["p"]'}
    assert info["operationMetrics"]["numOutputRows"] == "1"
    assert info["txnId"] == info["dfd.operation_id"] == appended.operation_id
    assert info["dfd.run_id"] == "nightly"
    assert (txn["txn"]["appId"], txn["txn"]["version"]) == ("loader", 7)
    assert (add["add"]["partitionValues"], add["add"]["dataChange"]) == ({"p": "y"}, True)
    assert DeltaTable(root).transaction_version("loader") == 7
    again = table.append(pa.table({"n": [2], "p": ["y"]}), app_id="loader", app_version=7)
    assert again.status is Status.ALREADY_COMMITTED

    table.overwrite(pa.table({"n": [3], "p": ["x"]}))
    info = log_of(root, 2)[0]["commitInfo"]
    assert (info["operationParameters"]["mode"], info["isBlindAppend"]) == ("Overwrite", False)
    assert info["operationMetrics"]["numRemovedFiles"] == "2"

    table.append(pa.table({"n": [4], "p": ["x"]}))
    optimized = table.optimize(partition_filters=[("p", "=", "x")])
    info = log_of(root, 4)[0]["commitInfo"]
    assert info["operationParameters"] == {
        "predicate": '["(p = x)"]', "zOrderBy": "[]", "clusterBy": "[]", "auto": False,
    }  # fmt: skip
    assert info["isolationLevel"] == "SnapshotIsolation"
    assert [commit["operation"] for commit in table.history(2)] == ["OPTIMIZE", "WRITE"]
    assert table.history(1)[0]["dfd.operation_id"] == optimized.operation_id


def test_a_query_of_the_table_is_no_blind_append(tmp_path: Path) -> None:
    with dfd.connect() as runtime:
        runtime.write(tmp_path / "t", pa.table({"n": [1]}))
        runtime.register("t", tmp_path / "t")
        runtime.write(tmp_path / "t", runtime.sql("select n + 1 as n from t"))
    assert DeltaTable(tmp_path / "t").history(1)[0]["isBlindAppend"] is False


def test_checkpoints_and_the_clean_up_of_the_log(tmp_path: Path) -> None:
    root = tmp_path / "t"
    table = GuardedTable(root)
    for n in range(101):
        table.append(pa.table({"n": [n]}))
    log = root / "_delta_log"
    assert [path.name[:20] for path in log.glob("*.checkpoint.parquet")] == [f"{99:020}"]
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == 99
    assert len(list(log.glob("*.json"))) == 101
    for path in log.glob("*.json"):
        past = path.stat().st_mtime - timedelta(days=60).total_seconds()
        os.utime(path, (past, past))
    DeltaTable(root).alter.set_table_properties({"delta.checkpointInterval": "2"})
    table.append(pa.table({"n": [101]}))
    assert table.version() == 102
    table.append(pa.table({"n": [102]}))
    assert not (log / f"{0:020}.json").exists()
    assert READERS["dfd"](root).num_rows == pa.table(DeltaTable(root).scan()).num_rows == 103


def test_a_checkpoint_that_cannot_be_written_fails_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: DeltaTable) -> None:
        raise OSError("disk full")

    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"n": [0]}))
    DeltaTable(tmp_path / "t").alter.set_table_properties({"delta.checkpointInterval": "3"})
    monkeypatch.setattr(DeltaTable, "create_checkpoint", refuse)
    assert table.append(pa.table({"n": [1]})).status is Status.COMMITTED
    assert "No checkpoint" in caplog.text


def test_changes_are_those_of_the_rows(tmp_path: Path) -> None:
    """Of a table with a change data feed: appends insert, overwrites delete, rewrites change nothing."""
    root = tmp_path / "t"
    configuration = {"delta.enableChangeDataFeed": "true"}
    DeltaTable.create(root, pa.schema([("n", pa.int64())]), configuration=configuration)
    table = GuardedTable(root)
    table.append(pa.table({"n": [1, 2]}))
    table.append(pa.table({"n": [3]}))
    assert table.optimize().version == 3
    table.z_order(["n"])
    table.overwrite(pa.table({"n": [9]}))
    changes = pa.table(DeltaTable(root).load_cdf(starting_version=0).read_all())
    found = sorted(
        zip(
            *(changes[c].to_pylist() for c in ("_commit_version", "_change_type", "n")), strict=True
        )
    )
    assert found == [
        (1, "insert", 1), (1, "insert", 2), (2, "insert", 3),
        (5, "delete", 1), (5, "delete", 2), (5, "delete", 3), (5, "insert", 9),
    ]  # fmt: skip


def test_what_takes_appends_only_is_rewritten_and_not_overwritten(tmp_path: Path) -> None:
    root = tmp_path / "t"
    configuration = {"delta.appendOnly": "true"}
    DeltaTable.create(root, pa.schema([("n", pa.int64())]), configuration=configuration)
    table = GuardedTable(root)
    for n in range(3):
        table.append(pa.table({"n": [n]}))
    assert table.optimize().metrics["numFilesRemoved"] == 3
    assert table.z_order(["n"]).status is Status.COMMITTED
    with pytest.raises(ConflictError, match="appends only"):
        table.overwrite(pa.table({"n": [9]}))
    assert sorted(READERS["dfd"](root)["n"].to_pylist()) == [0, 1, 2]


def test_in_commit_timestamps_go_up_and_domains_stay(tmp_path: Path) -> None:
    root = tmp_path / "t"
    GuardedTable(root).append(pa.table({"n": [0]}))
    future = int(time.time() * 1000) + 3_600_000
    (metadata,) = [one for one in log_of(root, 0) if "metaData" in one]
    metadata["metaData"]["configuration"] = {
        "delta.enableInCommitTimestamps": "true",
        "delta.checkpointInterval": "4",
    }
    features = ["inCommitTimestamp", "domainMetadata"]
    domain = {"domain": "of.another", "configuration": "kept", "removed": False}
    actions = [
        {"commitInfo": {"operation": "SET TBLPROPERTIES", "inCommitTimestamp": future}},
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}},
        metadata,
        {"domainMetadata": domain},
    ]
    lines = "\n".join(map(json.dumps, actions))
    (root / f"_delta_log/{1:020}.json").write_text(lines)
    table = GuardedTable(root)
    table.append(pa.table({"n": [1]}))
    table.optimize()
    stamps = [next(iter(log_of(root, n)[0].values()))["inCommitTimestamp"] for n in (1, 2, 3)]
    assert stamps == [future, future + 1, future + 2]
    assert READERS["dfd"](root).num_rows == 2
    (checkpoint,) = (root / "_delta_log").glob("*.checkpoint.parquet")
    kept = [one for one in pq.read_table(checkpoint)["domainMetadata"].to_pylist() if one]
    assert kept == [domain]


def delete(root: Path) -> None:
    DeltaTable(root).delete("n = 0")


def overwrite(root: Path) -> None:
    write_deltalake(root, pa.table({"n": [0, 100], "p": ["x", "y"]}), mode="overwrite")


def append(root: Path) -> None:
    write_deltalake(root, pa.table({"n": [100], "p": ["x"]}), mode="append")


def compact(root: Path) -> None:
    DeltaTable(root).optimize.compact()


@pytest.mark.parametrize("work", ["optimize", "z_order", "append", "overwrite"])
@pytest.mark.parametrize("rival", [delete, overwrite, append, compact])
def test_who_comes_between_staging_and_commit_loses_nothing(
    tmp_path: Path, rows: Any, files: Any, work: str, rival: Callable[[Path], None]
) -> None:
    """The rival commits first, so that the result is as if it had run before."""
    root, other = tmp_path / "t", tmp_path / "other"
    for path in (root, other):
        made = GuardedTable(path)
        for n in range(3):
            made.append(pa.table({"n": [n, 10 + n], "p": ["x", "y"]}), partition_by=["p"])
    rival(other)

    class Rival:
        def before_commit(self, plan: CommitPlan) -> None:
            """Nothing."""

        def after_stage(self, plan: CommitPlan, staged: Any) -> None:
            rival(root)

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    def run(table: GuardedTable) -> Outcome:
        if work == "z_order":
            return table.z_order(["n"])
        if work == "optimize":
            return table.optimize()
        return getattr(table, work)(pa.table({"n": [50], "p": ["x"]}))

    run(GuardedTable(other))
    outcome = run(GuardedTable(root, hooks=[Rival()]))
    assert rows(root) == rows(other)
    if outcome.status is Status.COMMITTED:
        known = {
            one["path"]
            for path in (root / "_delta_log").glob("*.json")
            for action in map(json.loads, path.read_text().splitlines())
            for kind, one in action.items()
            if kind in ("add", "remove")
        }
        assert files(root) == known
    assert not list((root / "_dfd/stages").glob("*"))


REWRITE = """
import sys
from dfd_delta_policy import GuardedTable
class Wait:
    def before_commit(self, plan): pass
    def after_stage(self, plan, staged):
        print("staged", flush=True)
        sys.stdin.read()
    def after_commit(self, outcome): pass
GuardedTable(sys.argv[1], hooks=[Wait()]).optimize()
"""


def test_a_killed_rewrite_is_found(tmp_path: Path, files: Any) -> None:
    root = tmp_path / "t"
    for n in range(3):
        GuardedTable(root).append(pa.table({"n": [n]}))
    before = files(root)
    process = subprocess.Popen(
        [sys.executable, "-c", REWRITE, str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "staged\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = files(root) - before
    assert left
    with dfd.connect() as runtime:
        (found,) = runtime.abandoned_stages(root)
    assert set(found.files) == left
    doctor = subprocess.run(
        [sys.executable, "-m", "dfd", "doctor", "--table", str(root)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert found.stage_id in doctor.stdout
    assert GuardedTable(root).optimize().metrics["numFilesRemoved"] == 3
    assert sorted(READERS["dfd"](root)["n"].to_pylist()) == [0, 1, 2]
