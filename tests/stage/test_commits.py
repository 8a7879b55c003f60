"""Versions put into the log: what they say, and what is left where they can't be put."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import made
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_native import (
    CommitError,
    InvalidCommit,
    OperationInfo,
    TableError,
    active_files,
    commit_files,
    create_table,
    plan_restore,
    stage,
)
from readers import READERS, comparable, reads

INFO = OperationInfo(
    operation="WRITE",
    engine="tests/1",
    parameters={"mode": "Overwrite", "partitionBy": '["p"]', "auto": False, "n": 1.5, "x": None},
    metrics={"numFiles": 2, "numOutputRows": 3},
    is_blind_append=True,
    operation_id="id-1",
    metadata={"dfd.run_id": "r", "operation": "mine"},
    transactions=[("app", 7)],
)
TABLES = ["dv_delete", "dv_merge", "dv_partitioned", "mapping_dv", "mapping_id", "partitions_odd", "checkpoint"]  # fmt: skip


def log_of(uri: Path, version: int) -> list[dict[str, Any]]:
    lines = (uri / f"_delta_log/{version:020}.json").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def of(actions: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [action[kind] for action in actions if kind in action]


def test_every_action_is_as_the_protocol_has_it(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    write_deltalake(uri, pa.table({"p": ["ä b%", "z"], "a": [1, 2]}), partition_by=["p"])
    before = {add["path"]: add for add in of(log_of(uri, 0), "add")}
    files = active_files(uri.as_uri())
    assert (len(files), files.bytes) == (2, sum(add["size"] for add in before.values()))
    with stage(uri.as_uri(), pa.table({"p": ["é/ü", None], "a": [3, 4]})) as staged:
        version = commit_files(
            uri.as_uri(), read_version=0, info=INFO, adds=[staged], removes=files
        )
        staged.release()
    assert version == 1
    actions = log_of(uri, 1)
    now = actions[0]["commitInfo"]["timestamp"]
    assert actions[0]["commitInfo"] == {
        "timestamp": now,
        "readVersion": 0,
        "operation": "WRITE",
        "operationParameters": INFO.parameters,
        "isolationLevel": "Serializable",
        "isBlindAppend": True,
        "operationMetrics": {"numFiles": "2", "numOutputRows": "3"},
        "engineInfo": "tests/1",
        "txnId": "id-1",
        "dfd.run_id": "r",
    }
    assert actions[1] == {"txn": {"appId": "app", "version": 7, "lastUpdated": now}}
    removes = of(actions, "remove")
    assert len(removes) == 2
    for remove in removes:
        add = before[remove["path"]]
        assert remove == {
            "path": add["path"],
            "deletionTimestamp": now,
            "dataChange": True,
            "extendedFileMetadata": True,
            "partitionValues": add["partitionValues"],
            "size": add["size"],
        }
    adds = of(actions, "add")
    assert sorted(add["path"].partition("/")[0] for add in adds) == [
        "p=%25C3%25A9%252F%25C3%25BC",
        "p=__HIVE_DEFAULT_PARTITION__",
    ]
    assert {add["partitionValues"]["p"] for add in adds} == {"é/ü", None}
    assert all(add["dataChange"] and json.loads(add["stats"])["numRecords"] == 1 for add in adds)
    assert DeltaTable(uri).transaction_version("app") == 7
    assert DeltaTable(uri).history(1)[0]["operation"] == "WRITE"


@pytest.mark.parametrize("name", TABLES)
def test_all_files_are_removed_whoever_wrote_them(tmp_path: Path, name: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    rows = made.rows_of(name)
    files = active_files(uri.as_uri())
    known = [reader for reader in ("deltalake", "polars", "duckdb") if reads(reader, uri, rows)]
    with stage(uri.as_uri(), rows) as staged:
        commit_files(
            uri.as_uri(), read_version=files.version, info=INFO, adds=[staged], removes=files
        )
        staged.release()
    removes = of(log_of(uri, files.version + 1), "remove")
    keys = ("path", "deletionVector", "tags", "partitionValues", "size", "baseRowId")
    assert [{key: one.get(key) for key in keys} for one in removes] == [
        {key: one.get(key) for key in keys} for one in files.actions
    ]
    for reader in ["dfd", *known]:
        assert comparable(READERS[reader](uri), rows.column_names) == comparable(
            rows, rows.column_names
        ), reader


def test_times_of_commits_rise(tmp_path: Path) -> None:
    future = 4_000_000_000_000
    uri = made.table(
        tmp_path / "t",
        [made.column("a", "long")],
        configuration={"delta.enableInCommitTimestamps": "true"},
        features=["inCommitTimestamp"],
    )
    made.put(uri, 1, {"commitInfo": {"inCommitTimestamp": future}}, {"txn": {"appId": "a", "version": 1}})  # fmt: skip
    for version in (1, 2):
        commit_files(uri.as_uri(), read_version=version, info=INFO, in_commit_timestamp=True)
    stamps = [log_of(uri, version)[0]["commitInfo"]["inCommitTimestamp"] for version in (1, 2, 3)]
    assert stamps == [future, future + 1, future + 2]
    assert next(iter(log_of(uri, 3)[0]["commitInfo"])) == "inCommitTimestamp"
    made.put(uri, 4, {"commitInfo": {"operation": "WRITE"}})
    with pytest.raises(InvalidCommit, match=r"version 4 of .* no inCommitTimestamp"):
        commit_files(uri.as_uri(), read_version=4, info=INFO, in_commit_timestamp=True)
    assert not (uri / f"_delta_log/{5:020}.json").exists()


def test_a_restore_comes_alone(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    for number in range(2):
        write_deltalake(uri, pa.table({"a": [number]}), mode="append")
    planned = plan_restore(uri, read_version=1, version=0)
    assert (planned.is_empty, planned.missing) == (False, [])
    with pytest.raises(ValueError, match="leave them out"):
        commit_files(uri, read_version=1, info=INFO, removes=active_files(uri), restore=planned)
    assert DeltaTable(uri).version() == 1
    with pytest.raises(InvalidCommit, match="removes files of version 1"):
        commit_files(uri, read_version=0, info=INFO, restore=planned)
    assert commit_files(uri, read_version=1, info=INFO, restore=planned) == 2
    assert READERS["duckdb"](uri).to_pylist() == [{"a": 0}]
    with pytest.raises(TableError, match="no version 7"):
        plan_restore(uri, read_version=2, version=7)


def test_files_of_another_version_are_refused(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    for number in range(2):
        write_deltalake(uri, pa.table({"a": [number]}), mode="append")
    old = active_files(uri.as_uri(), version=0)
    with pytest.raises(InvalidCommit, match="removes files of version 0"):
        commit_files(uri.as_uri(), read_version=1, info=INFO, removes=old)
    with pytest.raises(TableError, match="version 0 of the table has no file nowhere"):
        old.only(["nowhere"])
    assert DeltaTable(uri).version() == 1


def test_a_table_is_made_with_its_files(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    rows = pa.table({"p": ["x", None], "a": pa.array([1, 2], pa.timestamp("us"))})
    with stage(uri.as_uri(), rows, partition_by=["p"]) as staged:
        made_of = {"schema_json": staged.schema_json, "partition_by": staged.partition_by}
        assert create_table(uri.as_uri(), info=INFO, adds=[staged], **made_of) == 0
        staged.release()
        with pytest.raises(FileExistsError, match="version 0"):
            create_table(uri.as_uri(), info=INFO, **made_of)
    assert [next(iter(action)) for action in log_of(uri, 0)] == [
        "commitInfo", "protocol", "metaData", "txn", "add", "add"
    ]  # fmt: skip
    protocol = DeltaTable(uri).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (3, 7)
    assert (protocol.reader_features, protocol.writer_features) == (["timestampNtz"],) * 2
    for reader in ("dfd", "deltalake", "polars", "duckdb"):
        assert comparable(READERS[reader](uri), ["p", "a"]) == comparable(rows, ["p", "a"]), reader


def test_a_taken_version_is_left_as_it_is(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    for number in range(2):
        write_deltalake(uri, pa.table({"a": [number]}), mode="append")
    text = (uri / f"_delta_log/{1:020}.json").read_bytes()
    before = made.listing(uri)
    with pytest.raises(FileExistsError, match="version 1"):
        commit_files(uri.as_uri(), read_version=0, info=INFO)
    assert (uri / f"_delta_log/{1:020}.json").read_bytes() == text
    assert made.listing(uri) == before


def test_one_of_many_wins(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    write_deltalake(uri, pa.table({"a": [1]}))
    versions, writers = 20, 4
    together = Barrier(writers)

    def write(writer: int) -> list[int]:
        won = []
        info = OperationInfo(operation="WRITE", engine=f"writer {writer}")
        for version in range(1, versions + 1):
            together.wait()
            with contextlib.suppress(FileExistsError):
                won.append(commit_files(uri.as_uri(), read_version=version - 1, info=info))
        return won

    with ThreadPoolExecutor(writers) as pool:
        outcomes = list(pool.map(write, range(writers)))
    found = {version: writer for writer, won in enumerate(outcomes) for version in won}
    assert sorted(version for won in outcomes for version in won) == list(range(1, versions + 1))
    for version, writer in found.items():
        assert log_of(uri, version)[0]["commitInfo"]["engineInfo"] == f"writer {writer}"
    assert DeltaTable(uri).version() == versions


def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("no directory")
    with pytest.raises(CommitError, match="isn't known") as raised:
        commit_files((tmp_path / "t").as_uri(), read_version=0, info=INFO)
    assert isinstance(raised.value, OSError)
    assert isinstance(raised.value, TableError)
    with pytest.raises(TableError, match="names no kind of store"):
        commit_files("nowhere://bucket/t", read_version=0, info=INFO)


@pytest.mark.parametrize("wrong", [{"x": object()}, {1: "y"}])
def test_what_json_does_not_have_is_refused(tmp_path: Path, wrong: Any) -> None:
    info = OperationInfo(operation="WRITE", engine="tests", parameters=wrong)
    with pytest.raises(TypeError):
        commit_files(tmp_path.as_uri(), read_version=0, info=info)
