"""Tables made without rows: deltalake reads what they are, and others make them at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType
from dfd_delta_policy import CommitPlan, GuardedTable, InvalidOperation, Outcome, Status, audit
from row_tables import actions

pytest.importorskip("dfd_native")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("s", pa.string_view(), metadata={"comment": "said of it"}),
        pa.field("p", pa.int32()),
    ]
)
ROWS = pa.table({"id": [1, 2, 3], "s": ["a", "b", None], "p": pa.array([1, 2, 1], pa.int32())})


@pytest.fixture
def table(tmp_path: Path) -> GuardedTable:
    return GuardedTable(tmp_path / "t")


def test_a_table_is_as_it_was_asked_for(table: GuardedTable) -> None:
    outcome = table.create(
        SCHEMA,
        partition_by=["p"],
        properties={
            "delta.enableDeletionVectors": "TRUE",
            "delta.enableChangeDataFeed": "true",
            "delta.logRetentionDuration": "60 days",
            "owner": "me",
        },
        name="orders",
        description="of all shops",
    )
    assert (outcome.status, outcome.version, outcome.operation) == (Status.COMMITTED, 0, "create")
    found = DeltaTable(table.uri)
    fields = found.schema().fields
    assert [(f.name, f.type, f.nullable) for f in fields] == [
        ("id", PrimitiveType("long"), False),
        ("s", PrimitiveType("string"), True),
        ("p", PrimitiveType("integer"), True),
    ]
    assert fields[1].metadata == {"comment": "said of it"}
    metadata = found.metadata()
    assert (metadata.name, metadata.description) == ("orders", "of all shops")
    assert metadata.partition_columns == ["p"]
    assert metadata.configuration == {
        "delta.enableDeletionVectors": "true",
        "delta.enableChangeDataFeed": "true",
        "delta.logRetentionDuration": "interval 60 days",
        "owner": "me",
    }
    protocol = found.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (3, 7)
    assert {"deletionVectors", "changeDataFeed"} <= {*(protocol.writer_features or ())}
    (info,) = actions(table, "commitInfo")
    assert info["operation"] == "CREATE TABLE"
    parameters = info["operationParameters"]
    assert (parameters["description"], parameters["partitionBy"]) == ("of all shops", '["p"]')
    assert json.loads(parameters["properties"]) == metadata.configuration
    assert actions(table, "add") == []
    assert [path.name for path in (Path(table.uri[7:])).iterdir()] == ["_delta_log"]


def test_rows_come_and_go_in_it(table: GuardedTable, rows: Any) -> None:
    table.create(SCHEMA, partition_by=["p"], properties={"delta.enableDeletionVectors": "true"})
    table.append(ROWS)
    table.delete("id = 1")
    assert rows(table) == [(2, "b", 2), (3, None, 1)]
    assert [add["deletionVector"]["cardinality"] for add in actions(table, "add", 2)] == [1]
    with pytest.raises(Exception, match="id"):
        table.append(pa.table({"id": pa.array([None], pa.int64()), "s": ["x"], "p": [1]}))
    assert audit(table.uri).is_sound


@pytest.mark.parametrize(
    "schema",
    [
        Schema([Field("id", PrimitiveType("long"))]),
        pa.schema([("id", pa.int64())]),
        ROWS.select(["id"]).schema,
        [pa.field("id", pa.int64())],
    ],
)
def test_schemas_of_all_kinds(table: GuardedTable, schema: Any) -> None:
    table.create(schema)
    assert DeltaTable(table.uri).schema() == Schema([Field("id", PrimitiveType("long"))])
    protocol = DeltaTable(table.uri).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.uint8(), "short"),
        (pa.uint32(), "long"),
        (pa.timestamp("ns"), "timestamp_ntz"),
        (pa.timestamp("ns", "Europe/Berlin"), "timestamp"),
        (pa.large_string(), "string"),
        (pa.date64(), "date"),
    ],
)
def test_types_hold_all_values(table: GuardedTable, kind: pa.DataType, wanted: str) -> None:
    """deltalake's own schema of an unsigned number holds half of its values."""
    table.create(pa.schema([("c", kind)]))
    assert DeltaTable(table.uri).schema().fields[0].type == PrimitiveType(wanted)


def test_a_table_that_is_there_is_refused_or_left_as_it_is(table: GuardedTable) -> None:
    table.append(ROWS)
    with pytest.raises(InvalidOperation, match="exist_ok"):
        table.create(SCHEMA)
    outcome = table.create(pa.schema([("other", pa.int8())]), exist_ok=True)
    assert (outcome.status, outcome.version) == (Status.NOTHING_TO_DO, 0)
    assert DeltaTable(table.uri).schema().fields[0].name == "id"


class Meanwhile:
    """Another makes the table right before the commit."""

    def __init__(self, other: GuardedTable) -> None:
        self._other = other

    def before_commit(self, plan: CommitPlan) -> None:
        if plan.read_version is None:
            self._other.create(SCHEMA, description="the first")

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("exist_ok", [False, True])
def test_who_comes_second_finds_the_table(table: GuardedTable, exist_ok: bool) -> None:
    second = table.with_hooks(Meanwhile(GuardedTable(table.uri)))
    if exist_ok:
        assert second.create(SCHEMA, exist_ok=True).status is Status.NOTHING_TO_DO
    else:
        with pytest.raises(InvalidOperation, match="There is a table"):
            second.create(SCHEMA)
    assert DeltaTable(table.uri).metadata().description == "the first"
    assert table.version() == 0


def test_of_many_that_make_it_one_does(table: GuardedTable) -> None:
    def make(number: int) -> Status:
        made = GuardedTable(table.uri).create(SCHEMA, description=str(number), exist_ok=True)
        return made.status

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(make, range(8)))
    assert found == [Status.COMMITTED, *[Status.NOTHING_TO_DO] * 7]
    assert table.version() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schema": 7}, "Arrow schema"),
        ({"schema": "id long"}, "Arrow schema"),
        ({"schema": pa.schema([])}, "no column"),
        ({"schema": pa.schema([("n", pa.null())])}, "Null"),
        ({"properties": {"delta.columnMapping.mode": "name"}}, "can't be set"),
        ({"properties": {"delta.enableDeletionVectors": "yes"}}, "yes"),
        ({"partition_by": ["nope"]}, "nope"),
        (
            {"schema": pa.schema([pa.field("g", pa.int64(), metadata={"delta.x": "1"})])},
            "delta.x",
        ),
        ({"schema": pa.schema([("t", pa.time32("s"))])}, "Time32"),
        ({"schema": pa.schema([("a", pa.int8()), ("A", pa.int8())])}, "A"),
    ],
)
def test_what_is_no_table_is_refused_and_nothing_is_made(
    table: GuardedTable, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        table.create(**{"schema": SCHEMA, **given})
    assert not Path(table.uri[7:]).exists() or not [*Path(table.uri[7:]).rglob("*.json")]
