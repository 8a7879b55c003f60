"""Columns, constraints and properties: what can be changed, and what is refused before deltalake breaks it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType
from dfd_delta_policy import (
    CommitPlan,
    GuardedTable,
    InvalidOperation,
    Outcome,
    Status,
    UnsupportedTable,
)
from row_tables import MAPPED, VECTORS, actions, give, numbered, root

SPARK = Path(__file__).parents[4] / "tests/conformance/spark"
LONG = PrimitiveType("long")


def opened(table: GuardedTable) -> DeltaTable:
    return DeltaTable(table.uri)


@pytest.mark.parametrize(
    "fields",
    [
        Field("n", LONG),
        [Field("n", LONG)],
        Schema([Field("n", LONG)]),
        pa.field("n", pa.int64()),
        [pa.field("n", pa.int64())],
        pa.schema([pa.field("n", pa.int64())]),
    ],
)
def test_new_columns_are_null_in_the_rows_that_are_there(
    table: GuardedTable, rows: Any, fields: Any
) -> None:
    outcome = table.add_columns(fields)
    assert (outcome.status, outcome.version, outcome.operation) == (
        Status.COMMITTED,
        1,
        "add_columns",
    )
    assert table.history(1)[0]["dfd.operation_id"] == outcome.operation_id
    assert rows(table)[0] == (0, "a", None)
    again = table.add_columns(fields)
    assert (again.status, again.version, table.version()) == (Status.NOTHING_TO_DO, 1, 1)


def test_only_the_columns_that_are_missing_are_added(table: GuardedTable) -> None:
    table.add_columns([Field("s", PrimitiveType("string")), Field("n", LONG)])
    assert [field.name for field in opened(table).schema().fields] == ["id", "s", "n"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (Field("n", LONG, nullable=False), "no nulls"),
        (pa.field("n", pa.int64(), nullable=False), "no nulls"),
        (
            pa.field("r", pa.struct([pa.field("x", pa.int64(), False)])),
            r"Column r\.x would take no",
        ),
        (Field("n", LONG, metadata={"delta.generationExpression": "id + 1"}), "has delta.gener"),
        (Field("n", LONG, metadata={"CURRENT_DEFAULT": "1"}), "has CURRENT_DEFAULT"),
        (Field("s", LONG), "column s of type"),
        (Field("S", PrimitiveType("string")), "column s of type"),
        ([], "no column"),
        ("n", "fields or a schema"),
        (["n"], "a field of deltalake or pyarrow"),
        (7, "fields or a schema"),
    ],
)
def test_columns_that_would_break_the_table_are_refused(
    table: GuardedTable, fields: Any, said: str
) -> None:
    with pytest.raises(InvalidOperation, match=said):
        table.add_columns(fields)
    assert table.version() == 0


def test_deltalake_takes_a_column_without_nulls_over_rows_that_lack_it(tmp_path: Path) -> None:
    """The reason why it is refused here: the table can't be read afterwards."""
    GuardedTable(tmp_path / "t").append(pa.table({"id": [1]}))
    DeltaTable(tmp_path / "t").alter.add_columns([Field("n", LONG, nullable=False)])
    with pytest.raises(Exception, match="Non-nullable column 'n' is missing"):
        pa.table(DeltaTable(tmp_path / "t").scan())


def columns_of(table: GuardedTable) -> list[dict[str, Any]]:
    """The columns, as the log has them."""
    fields: list[dict[str, Any]] = json.loads(actions(table, "metaData")[-1]["schemaString"])[
        "fields"
    ]
    return fields


def mapped_copy(mode: str, path: Path) -> GuardedTable:
    shutil.copytree(SPARK / f"mapping_{mode}/delta", path)
    return GuardedTable(path)


def test_mapped_tables_get_no_columns_by_deltalake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dfd_native", None)
    table = mapped_copy("name", tmp_path / "t")
    before = table.version()
    with pytest.raises(UnsupportedTable, match="column mapping"):
        table.add_columns(Field("n", LONG))
    assert table.version() == before


@pytest.mark.parametrize("mode", ["name", "id"])
def test_new_columns_of_mapped_tables_have_names_in_files(tmp_path: Path, mode: str) -> None:
    pytest.importorskip("dfd_native")
    table = mapped_copy(mode, tmp_path / "t")
    known = {column["metadata"]["delta.columnMapping.id"] for column in columns_of(table)}
    rows = pa.table(DeltaTable(table.uri).scan()).num_rows
    table.add_columns([Field("n", LONG), pa.field("r", pa.struct([pa.field("x", pa.int64())]))])
    *_, n, r = columns_of(table)
    marks = [column["metadata"] for column in (n, r, *r["type"]["fields"])]
    ids = [mark["delta.columnMapping.id"] for mark in marks]
    assert len({*ids} - known) == 3
    assert min(ids) > max(known)
    properties = actions(table, "metaData")[-1]["configuration"]
    assert properties["delta.columnMapping.maxColumnId"] == str(max(ids))
    names = {mark["delta.columnMapping.physicalName"] for mark in marks}
    assert len(names) == 3
    assert not names & {"n", "r", "x"}
    table.append(pa.table({"n": [7], "r": [{"x": 8}]}), schema_mode="merge")
    found = pa.table(DeltaTable(table.uri).scan()).select(["n", "r"]).to_pylist()
    assert found.count({"n": 7, "r": {"x": 8}}) == 1
    assert found.count({"n": None, "r": None}) == rows


def test_new_columns_keep_their_comments_and_the_history_says_them(table: GuardedTable) -> None:
    pytest.importorskip("dfd_native")
    table.add_columns(Field("n", LONG, metadata={"comment": "mine"}))
    assert columns_of(table)[-1] == {
        "name": "n",
        "type": "long",
        "nullable": True,
        "metadata": {"comment": "mine"},
    }
    commit = actions(table, "commitInfo")[-1]
    assert commit["operation"] == "ADD COLUMNS"
    (added,) = json.loads(commit["operationParameters"]["columns"])
    assert added == {"column": columns_of(table)[-1]}


def broken() -> Any:
    """By deltalake, or by dfd-native."""
    return pytest.raises((DeltaError, ValueError), match=r"failed validation|breaks the CHECK")


def test_constraints_come_and_go(table: GuardedTable, rows: Any) -> None:
    table.add_constraint({"small": "id < 100"})
    assert opened(table).metadata().configuration["delta.constraints.small"] == "id < 100"
    with pytest.raises(InvalidOperation, match=r"the constraint small as id < 100.*Drop it"):
        table.add_constraint({"Small": "id < 1000"})
    assert table.add_constraint({"small": "id < 100"}).status is Status.NOTHING_TO_DO
    with broken():
        table.add_constraint({"positive": "id > 0"})
    for wrong in ({}, {"": "id > 0"}, {"a": None}, {"a": "id > 0", "A": "id > 1"}):
        with pytest.raises(InvalidOperation):
            table.add_constraint(wrong)
    assert table.drop_constraint("SMALL").version == 2
    with pytest.raises(InvalidOperation, match=r"no constraint small.*It has none"):
        table.drop_constraint("small")
    assert len(rows(table)) == 4


@pytest.mark.parametrize("properties", [{}, VECTORS, MAPPED], ids=["plain", "vectors", "mapped"])
def test_a_constraint_is_of_the_rows_that_are_there(
    tmp_path: Path, properties: dict[str, str]
) -> None:
    """Of many files and row groups, not of those that a deletion vector takes away; and of the rows to come."""
    dfd_native = pytest.importorskip("dfd_native")
    table = GuardedTable(tmp_path / "t")
    table.create(numbered(0, 1).schema)
    give(table, properties)
    for start in range(0, 12_000, 3_000):
        table.append(numbered(start, 3_000))
    version = table.version()
    with pytest.raises(dfd_native.RuleViolation, match=r"`seventh` .*: id is 10500") as raised:
        table.add_constraint({"Seventh": "ID <> 10500 and (s is null or s like 'text %')"})
    error = raised.value
    assert (error.rule, error.row, error.values["id"]) == ("seventh", 1_500, "10500")
    assert (root(table) / unquote(error.path)).is_file()
    assert table.version() == version
    table.delete("id = 10500")
    outcome = table.add_constraint({"Seventh": "id <> 10500", "few": "p between 0 and 2"})
    assert outcome.version == version + 2
    configuration = opened(table).metadata().configuration
    assert configuration["delta.constraints.seventh"] == "id <> 10500"
    (info,) = actions(table, "commitInfo", outcome.version)
    assert info["operation"] == "ADD CONSTRAINT"
    assert {one["name"] for one in json.loads(info["operationParameters"]["constraints"])} == {
        "seventh",
        "few",
    }
    protocol = opened(table).protocol()
    features = protocol.writer_features
    assert protocol.min_writer_version >= 3
    assert features is None or "checkConstraints" in features
    with pytest.raises(dfd_native.RuleViolation, match="seventh"):
        table.append(numbered(10_500, 1))
    if not properties:
        with pytest.raises(DeltaError, match="failed validation"):
            write_deltalake(table.uri, numbered(10_500, 1), mode="append")
    table.drop_constraint("seventh")
    table.append(numbered(10_500, 1))


@pytest.mark.parametrize("text", ["rlike(s, 'x')", "id + 1", "other > 0", "id >", "id > 0; true"])
def test_a_constraint_is_a_condition_that_every_writer_can_follow(
    table: GuardedTable, text: str
) -> None:
    pytest.importorskip("dfd_native")
    with pytest.raises(InvalidOperation, match=r"`c` .* can't be followed.*Nothing was changed"):
        table.add_constraint({"c": text})
    assert table.version() == 0


def test_no_row_slips_in_beside_a_new_constraint(table: GuardedTable, rows: Any) -> None:
    """deltalake alone lets this race through: the table then holds a row that violates it."""

    class Meddle:
        def before_commit(self, plan: CommitPlan) -> None:
            if plan.attempt == 1:
                table.append(pa.table({"id": [1_000], "s": ["x"]}))

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    late = GuardedTable(table.uri, hooks=[Meddle()], clock=table._loop.clock)
    with broken():
        late.add_constraint({"small": "id < 100"})
    assert "delta.constraints.small" not in opened(table).metadata().configuration
    assert 1_000 in [row[0] for row in rows(table)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("delta.appendOnly", "true"),
        ("delta.checkpointInterval", "20"),
        ("delta.dataSkippingNumIndexedCols", "-1"),
        ("delta.deletedFileRetentionDuration", "interval 14 days"),
        ("delta.enableChangeDataFeed", "true"),
        ("delta.isolationLevel", "Serializable"),
        ("delta.logRetentionDuration", "interval 60 days"),
        ("owner", "the fleet team"),
    ],
)
def test_properties_are_set_once(table: GuardedTable, rows: Any, key: str, value: str) -> None:
    assert table.set_properties({key: value}).version == 1
    assert opened(table).metadata().configuration[key] == value
    assert table.set_properties({key: value}).status is Status.NOTHING_TO_DO
    table.append(pa.table({"id": [7], "s": ["x"]}))
    assert len(rows(table)) == 5


def test_deletion_vectors_are_switched_on_and_off(table: GuardedTable, rows: Any) -> None:
    """The protocol has them from then on; files get them while the property is on."""
    pytest.importorskip("dfd_native")
    vectors = "delta.enableDeletionVectors"
    assert table.set_properties({vectors: "TRUE"}).version == 1
    protocol = opened(table).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (3, 7)
    assert protocol.reader_features == ["deletionVectors"]
    assert protocol.writer_features is not None
    assert {*protocol.writer_features} == {"deletionVectors", "appendOnly", "invariants"}
    assert table.delete("id = 0").metrics["num_deletion_vectors_added"] == 1
    assert table.set_properties({vectors: "false"}).status is Status.COMMITTED
    assert opened(table).protocol() == protocol
    outcome = table.delete("id = 1")
    assert outcome.metrics["num_deletion_vectors_added"] == 0
    assert outcome.metrics["num_copied_rows"] > 0
    assert rows(table) == [(2, "c"), (3, "d")]


def test_deletion_vectors_need_dfd_native(table: GuardedTable) -> None:
    table._native = None
    with pytest.raises(InvalidOperation, match="pip install dfd-native"):
        table.set_properties({"delta.enableDeletionVectors": "true"})
    assert table.version() == 0


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({}, "no property"),
        ({"delta.appendOnly": "maybe"}, "true or false"),
        ({"delta.appendOnly": True}, "texts"),
        ({"delta.checkpointInterval": "0"}, "from 1"),
        ({"delta.columnMapping.mode": "name"}, "can't be set"),
        ({"delta.constraints.c": "id > 0"}, "add_constraint"),
        ({"delta.enableDeletionVectors": "on"}, "true or false"),
        ({"delta.enablerowtracking": "true"}, "can't be set"),
        ({"delta.isolationLevel": "WriteSerializable"}, "Serializable"),
        ({"delta.logRetentionDuration": "yesterday"}, "interval"),
        ({"delta.minWriterVersion": "7"}, "can't be set"),
        ({"Delta.appendOnly": "true"}, "can't be set"),
    ],
)
def test_properties_that_nobody_would_keep_are_refused(
    table: GuardedTable, properties: Any, said: str
) -> None:
    with pytest.raises(InvalidOperation, match=said):
        table.set_properties(properties)
    assert table.version() == 0


def test_deltalake_takes_any_text_for_a_property(table: GuardedTable) -> None:
    """The reason why it is refused here."""
    opened(table).alter.set_table_properties({"delta.isolationLevel": "banana"})
    assert opened(table).metadata().configuration["delta.isolationLevel"] == "banana"


def test_a_checkpoint_is_of_the_newest_version(table: GuardedTable) -> None:
    table.append(pa.table({"id": [7], "s": ["x"]}))
    outcome = table.create_checkpoint()
    assert (outcome.status, outcome.version, table.version()) == (Status.COMMITTED, 1, 1)
    log = Path(table.uri.removeprefix("file://")) / "_delta_log"
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == 1
