"""What dfd's own commits say, action by action, read from the log by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, UnsupportedTable
from dfd_delta_policy.commit.operation import OPERATION_ID

pytest.importorskip("dfd_native")

ROWS = pa.table({"p": ["ä b%", "z"], "a": [1, 2]})
TEXT, NUMBER, FLAG = str, int, bool
INFO = {
    "timestamp": NUMBER,
    "readVersion": NUMBER,
    "operation": TEXT,
    "isolationLevel": TEXT,
    "isBlindAppend": FLAG,
    "engineInfo": TEXT,
    "txnId": TEXT,
    OPERATION_ID: TEXT,
    "dfd.operation": TEXT,
}
WRITTEN = {"numFiles": TEXT, "numOutputRows": TEXT, "numOutputBytes": TEXT}
ADD = {
    "path": TEXT,
    "partitionValues": {"p": TEXT},
    "size": NUMBER,
    "modificationTime": NUMBER,
    "dataChange": FLAG,
    "stats": TEXT,
}
REMOVE = {
    "path": TEXT,
    "deletionTimestamp": NUMBER,
    "dataChange": FLAG,
    "extendedFileMetadata": FLAG,
    "partitionValues": {"p": TEXT},
    "size": NUMBER,
}


def shape(value: Any) -> Any:
    """The names in an action, and the types of its values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value)


def newest(table: GuardedTable) -> list[dict[str, Any]]:
    root = Path(table.uri.removeprefix("file://"))
    text = (root / f"_delta_log/{table.version():020}.json").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def shapes(actions: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """By kind of action its shapes, each once."""
    found: dict[str, list[Any]] = {}
    for action in actions:
        for kind, value in action.items():
            of_kind = found.setdefault(kind, [])
            if shape(value) not in of_kind:
                of_kind.append(shape(value))
    return found


def changed(
    root: Path,
    version: int,
    features: list[str],
    *,
    properties: Mapping[str, str] | None = None,
    column: Mapping[str, Any] | None = None,
) -> None:
    """Put a version that gives the table writer features, properties, and its first column metadata."""
    log = root / "_delta_log"
    actions = [json.loads(line) for line in (log / f"{0:020}.json").read_text().splitlines()]
    (metadata,) = [action["metaData"] for action in actions if "metaData" in action]
    schema = json.loads(metadata["schemaString"])
    schema["fields"][0]["metadata"] = dict(column or {})
    metadata |= {"schemaString": json.dumps(schema), "configuration": dict(properties or {})}
    protocol = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}
    lines = ({"protocol": protocol}, {"metaData": metadata})
    (log / f"{version:020}.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def table(tmp_path: Path) -> GuardedTable:
    made = GuardedTable(tmp_path / "t")
    made.append(ROWS, partition_by=["p"])
    return made


def test_an_append(table: GuardedTable) -> None:
    outcome = table.append(ROWS, app_id="app", app_version=3)
    actions = newest(table)
    assert shapes(actions) == {
        "commitInfo": [
            {
                **INFO,
                "operationParameters": {"mode": TEXT, "partitionBy": TEXT},
                "operationMetrics": WRITTEN,
            }
        ],
        "txn": [{"appId": TEXT, "version": NUMBER, "lastUpdated": NUMBER}],
        "add": [ADD],
    }
    info = actions[0]["commitInfo"]
    assert info["operationParameters"] == {"mode": "Append", "partitionBy": '["p"]'}
    assert (info["operation"], info["isolationLevel"], info["isBlindAppend"]) == (
        "WRITE", "Serializable", True
    )  # fmt: skip
    assert (info["readVersion"], info["txnId"]) == (0, outcome.operation_id)
    assert info["operationMetrics"]["numOutputRows"] == "2"
    assert all(line["add"]["dataChange"] for line in actions if "add" in line)


def test_an_overwrite(table: GuardedTable) -> None:
    before = {line["add"]["path"]: line["add"] for line in newest(table) if "add" in line}
    table.overwrite(ROWS)
    actions = newest(table)
    assert shapes(actions) == {
        "commitInfo": [
            {
                **INFO,
                "operationParameters": {"mode": TEXT, "partitionBy": TEXT},
                "operationMetrics": {**WRITTEN, "numRemovedFiles": TEXT, "numRemovedBytes": TEXT},
            }
        ],
        "remove": [REMOVE],
        "add": [ADD],
    }
    info = actions[0]["commitInfo"]
    assert (info["operationParameters"]["mode"], info["isBlindAppend"]) == ("Overwrite", False)
    assert info["operationMetrics"]["numRemovedBytes"] == str(
        sum(add["size"] for add in before.values())
    )
    removes = [line["remove"] for line in actions if "remove" in line]
    assert {one["path"]: one["size"] for one in removes} == {
        path: add["size"] for path, add in before.items()
    }


@pytest.mark.parametrize("z_order", [False, True])
def test_an_optimize(table: GuardedTable, z_order: bool) -> None:
    table.append(ROWS)
    table.z_order(["a"]) if z_order else table.optimize()
    actions = newest(table)
    parameters = {"predicate": TEXT, "zOrderBy": TEXT, "clusterBy": TEXT, "auto": FLAG}
    counts = ("RemovedFiles", "RemovedBytes", "AddedFiles", "AddedBytes", "DeletionVectorsRemoved")
    sizes = ("minFileSize", "p25FileSize", "p50FileSize", "p75FileSize", "maxFileSize")
    metrics = dict.fromkeys((*(f"num{count}" for count in counts), *sizes), TEXT)
    assert shapes(actions) == {
        "commitInfo": [{**INFO, "operationParameters": parameters, "operationMetrics": metrics}],
        "remove": [REMOVE],
        "add": [ADD],
    }
    info = actions[0]["commitInfo"]
    assert info["operationParameters"]["zOrderBy"] == ('["a"]' if z_order else "[]")
    assert (info["operation"], info["isolationLevel"]) == ("OPTIMIZE", "SnapshotIsolation")
    files = [line.get("add") or line["remove"] for line in actions[1:]]
    assert len(files) == 6
    assert not any(file["dataChange"] for file in files)


def test_the_first_version(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    outcome = table.append(ROWS, partition_by=["p"], app_id="app", app_version=1)
    actions = newest(table)
    found = shapes(actions)
    assert [*found] == ["commitInfo", "protocol", "metaData", "txn", "add"]
    assert found["add"] == [ADD]
    assert actions[0]["commitInfo"]["txnId"] == outcome.operation_id
    metadata = next(line["metaData"] for line in actions if "metaData" in line)
    assert metadata["partitionColumns"] == ["p"]
    assert metadata["configuration"] == {}
    assert table.append(ROWS, app_id="app", app_version=1).status == "already_committed"
    assert DeltaTable(table.uri).to_pyarrow_table().num_rows == 2


def test_a_commit_without_a_time_before_is_refused(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"a": [1]}))
    changed(
        tmp_path / "t",
        1,
        ["inCommitTimestamp"],
        properties={"delta.enableInCommitTimestamps": "true"},
    )
    with pytest.raises(UnsupportedTable, match="no inCommitTimestamp"):
        table.append(pa.table({"a": [2]}))
    assert table.version() == 1
    assert len([*(tmp_path / "t").glob("*.parquet")]) == 1


def test_identity_columns_are_left_as_they_are(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    rows = pa.table({"id": [1, 2], "a": [3, 4]})
    for _ in range(2):
        table.append(rows)
    changed(tmp_path / "t", 2, ["identityColumns"])
    table.append(rows)
    identity = {"delta.identity.start": 1, "delta.identity.step": 1}
    changed(tmp_path / "t", 4, ["identityColumns"], column=identity)
    before = sorted(map(str, DeltaTable(table.uri).to_pyarrow_table().to_pylist()))
    assert table.optimize().version == 5
    assert sorted(map(str, DeltaTable(table.uri).to_pyarrow_table().to_pylist())) == before
    with pytest.raises(ValueError, match="identity column `id`"):
        table.append(rows)
    assert table.version() == 5


@pytest.mark.parametrize("feature", ["clustering", "inCommitTimestamp-preview", "someday"])
def test_features_that_a_commit_does_not_honour_are_named(tmp_path: Path, feature: str) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"a": [1]}))
    changed(tmp_path / "t", 1, ["appendOnly", feature])
    for work in (lambda: table.append(pa.table({"a": [2]})), table.optimize):
        with pytest.raises(UnsupportedTable, match=f"The table has {feature}, which dfd can't"):
            work()
    assert len([*(tmp_path / "t").glob("*.parquet")]) == 1
