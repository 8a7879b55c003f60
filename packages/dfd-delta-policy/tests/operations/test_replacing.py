"""Tables that take the place of others, with the others' history; deltalake reads what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import (
    CommitPlan,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    Outcome,
    Status,
    audit,
)
from row_tables import CHANGES, MAPPED, VECTORS, actions, left_over, rows_of

pytest.importorskip("dfd_native")

Make = Callable[..., GuardedTable]

SCHEMA = pa.schema(
    [
        pa.field("s", pa.int32(), nullable=False, metadata={"comment": "a number now"}),
        pa.field("day", pa.date32()),
    ]
)
TIMES = {"delta.enableInCommitTimestamps": "true"}


def metadata(table: GuardedTable) -> dict[str, Any]:
    return actions(table, "metaData")[-1]


@pytest.mark.parametrize(
    "properties",
    [{}, VECTORS, CHANGES, MAPPED, MAPPED | VECTORS | CHANGES],
    ids=["plain", "vectors", "feed", "mapped", "all"],
)
def test_nothing_of_the_table_stays_but_its_history(
    make_rows: Make, properties: dict[str, str]
) -> None:
    table = make_rows(properties, files=2, rows=9, partition_by=["p"])
    table.set_properties({"owner": "me", "delta.dataSkippingNumIndexedCols": "1"})
    table.add_constraint({"known": "id >= 0"})
    table.delete("id = 1")
    before, was = rows_of(table), metadata(table)
    versions = table.version()
    features = {*(DeltaTable(table.uri).protocol().writer_features or ())}

    outcome = table.create(
        SCHEMA, properties={"team": "a"}, name="days", description="of all shops", or_replace=True
    )

    assert (outcome.status, outcome.version) == (Status.COMMITTED, versions + 1)
    found = metadata(table)
    assert found["id"] != was["id"]
    assert found["createdTime"] > was["createdTime"]
    assert (found["name"], found["description"]) == ("days", "of all shops")
    assert found["partitionColumns"] == []
    mapping = {name: was["configuration"][name] for name in MAPPED if properties.get(name)}
    if mapping:
        mapping["delta.columnMapping.maxColumnId"] = "5"
    assert found["configuration"] == {"team": "a", **mapping}
    fields = json.loads(found["schemaString"])["fields"]
    assert [(f["name"], f["type"], f["nullable"]) for f in fields] == [
        ("s", "integer", False),
        ("day", "date", True),
    ]
    comments = [field["metadata"].get("comment") for field in fields]
    assert comments == ["a number now", None]
    if mapping:
        assert [field["metadata"]["delta.columnMapping.id"] for field in fields] == [4, 5]
    assert features <= {*(DeltaTable(table.uri).protocol().writer_features or ())}
    (info,) = actions(table, "commitInfo", table.version())
    assert info["operation"] == "CREATE OR REPLACE TABLE"
    assert json.loads(info["operationParameters"]["properties"]) == {"team": "a"}
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == 0
    assert rows_of(table, versions) == before

    # A row that neither the columns nor the constraint of before would have taken.
    table.append(pa.table({"s": [-1], "day": pa.array([3], pa.date32())}))
    (row,) = pa.table(DeltaTable(table.uri).scan()).to_pylist()
    assert row == {"s": -1, "day": date(1970, 1, 4)}
    assert audit(table.uri).is_sound
    assert not left_over(table)


def test_rows_come_with_it(make_rows: Make) -> None:
    """In one commit, under the properties that the table has then."""
    table = make_rows(VECTORS, files=2, rows=9, partition_by=["p"])
    data = pa.table({"k": [3, 1, 2], "v": ["c", "a", None]})
    outcome = table.create(
        data.schema,
        data=data,
        partition_by=["v"],
        properties={**CHANGES, "delta.dataSkippingNumIndexedCols": "0"},
        or_replace=True,
    )
    assert outcome.metrics["rows"] == 3
    assert table.history(1)[0]["operation"] == "CREATE OR REPLACE TABLE AS SELECT"
    read = pa.table(DeltaTable(table.uri).scan()).to_pylist()
    assert sorted(read, key=str) == sorted(data.to_pylist(), key=str)
    added = actions(table, "add", table.version())
    assert {add["partitionValues"]["v"] for add in added} == {"a", "c", None}
    assert not any(json.loads(add["stats"])["minValues"] for add in added)
    assert len(actions(table, "remove", table.version())) == 6


def test_where_there_is_none_one_is_made(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    outcome = table.create(SCHEMA, description="new", properties=VECTORS, or_replace=True)
    assert (outcome.status, outcome.version) == (Status.COMMITTED, 0)
    assert table.history()[0]["operation"] == "CREATE OR REPLACE TABLE"
    assert (metadata(table)["description"], metadata(table)["configuration"]) == ("new", VECTORS)


def test_times_of_commits_go_on(make_rows: Make) -> None:
    table = make_rows({}, files=1, rows=3)
    log = Path(table.uri.removeprefix("file://")) / "_delta_log"
    found = metadata(table)
    found["configuration"] = TIMES
    features = {
        "minReaderVersion": 1,
        "minWriterVersion": 7,
        "writerFeatures": ["inCommitTimestamp"],
    }
    lines = [
        {"commitInfo": {"inCommitTimestamp": 2_000_000_000_000}},
        {"protocol": features},
        {"metaData": found},
    ]
    text = "\n".join(map(json.dumps, lines))
    (log / f"{table.version() + 1:020}.json").write_text(text + "\n")
    table.create(SCHEMA, or_replace=True)
    assert metadata(table)["configuration"] == TIMES
    (info,) = actions(table, "commitInfo", table.version())
    assert info["inCommitTimestamp"] == 2_000_000_000_001


class Meanwhile:
    """Another changes the table right before the first commit."""

    def __init__(self, change: Callable[[], Any]) -> None:
        self._change: Callable[[], Any] | None = change

    def before_commit(self, plan: CommitPlan) -> None:
        change, self._change = self._change, None
        if change is not None:
            change()

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.append(pa.table({"id": [1], "p": [1], "s": ["x"]})),
        lambda t: t.delete("id = 2"),
        lambda t: t.set_properties({"owner": "another"}),
    ],
    ids=["append", "delete", "properties"],
)
def test_what_came_meanwhile_is_replaced_too(
    make_rows: Make, change: Callable[[GuardedTable], Any]
) -> None:
    table = make_rows({}, files=2, rows=9)
    version = table.version()
    replanning = GuardedTable(table.uri, policy=DeltaRetryPolicy(on_metadata_change="replan"))
    hooked = replanning.with_hooks(Meanwhile(lambda: change(table)))
    data = pa.table({"k": [1]})
    outcome = hooked.create(data.schema, data=data, properties={"team": "a"}, or_replace=True)
    assert outcome.version == version + 2
    assert pa.table(DeltaTable(table.uri).scan()).to_pylist() == [{"k": 1}]
    assert metadata(table)["configuration"] == {"team": "a"}
    assert metadata(table).get("description") is None
    assert audit(table.uri).is_sound
    assert not left_over(table)


def test_a_table_that_came_meanwhile_is_replaced(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    other = Meanwhile(lambda: GuardedTable(table.uri).create(SCHEMA))
    outcome = table.with_hooks(other).create(SCHEMA, description="mine", or_replace=True)
    assert outcome.version == 1
    assert metadata(table)["description"] == "mine"


def test_by_default_rules_that_another_made_meanwhile_stay(make_rows: Make) -> None:
    table = make_rows({}, files=1, rows=3)
    hooked = table.with_hooks(
        Meanwhile(lambda: table.create(SCHEMA, description="theirs", or_replace=True))
    )
    data = pa.table({"k": [1]})
    with pytest.raises(ConflictError, match="CREATE OR REPLACE TABLE"):
        hooked.create(data.schema, data=data, or_replace=True)
    assert metadata(table)["description"] == "theirs"
    assert not left_over(table)


def test_who_is_at_work_on_the_table_learns_that_it_is_another(make_rows: Make) -> None:
    """With the same columns too: what it read isn't there any more."""
    table = make_rows({}, files=1, rows=3)
    same = pa.schema(DeltaTable(table.uri).schema())
    replanning = GuardedTable(table.uri, policy=DeltaRetryPolicy(on_metadata_change="replan"))
    hooked = replanning.with_hooks(Meanwhile(lambda: table.create(same, or_replace=True)))
    with pytest.raises(ConflictError, match="made the table anew"):
        hooked.delete("id = 2")
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == 0
    assert not left_over(table)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"exist_ok": True}, "`exist_ok` keeps"),
        ({"partition_by": ["nope"]}, "nope"),
        ({"properties": {"delta.columnMapping.mode": "name"}}, "can't be set"),
        ({"data": pa.table({"n": pa.nulls(1)})}, "Null"),
    ],
)
def test_what_can_t_be_leaves_the_table(make_rows: Make, given: dict[str, Any], said: str) -> None:
    table = make_rows({}, files=1, rows=3)
    before, version = rows_of(table), table.version()
    with pytest.raises(ValueError, match=said):
        table.create(SCHEMA, **{"or_replace": True, **given})
    assert (table.version(), rows_of(table)) == (version, before)
    assert not left_over(table)


def test_a_table_that_takes_rows_alone_isn_t_replaced(make_rows: Make) -> None:
    table = make_rows({}, files=1, rows=3)
    table.set_properties({"delta.appendOnly": "true"})
    with pytest.raises(ConflictError, match="takes appends only"):
        table.create(SCHEMA, or_replace=True)
    assert metadata(table)["configuration"] == {"delta.appendOnly": "true"}
