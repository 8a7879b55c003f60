"""MERGE: columns are found as Delta-Spark finds them, texts are whole, or nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, InvalidOperation, MergeBuilder, Status

Rows = list[dict[str, Any]]
ByHand = Callable[[GuardedTable], Rows]
Make = Callable[..., GuardedTable]


@pytest.fixture
def make(tmp_path: Path, clock: Any) -> Make:
    def made(columns: dict[str, Any], **more: Any) -> GuardedTable:
        table = GuardedTable(tmp_path / "t", clock=clock.as_clock())
        table.append(pa.table(columns), **more)
        return table

    return made


def upsert(table: GuardedTable, source: Any, on: str = "t.id = s.id", **more: Any) -> MergeBuilder:
    return (
        table.merge(source, on, "s", "t")
        .when_matched_update_all(**more)
        .when_not_matched_insert_all(**more)
    )


def sorted_rows(rows: Rows) -> Rows:
    return sorted(rows, key=repr)


def test_names_of_the_source_differ_in_case(make: Make, by_hand: ByHand) -> None:
    table = make({"Id": [1, 2], "Value": ["a", "b"], "straße": [1, 2]})
    source = pa.table({"id": [2, 9], "VALUE": ["B", "Z"], "STRAßE": [20, 90]})
    upsert(table, source, "t.Id = s.id").execute()
    assert sorted_rows(by_hand(table)) == [
        {"Id": 1, "Value": "a", "straße": 1},
        {"Id": 2, "Value": "B", "straße": 20},
        {"Id": 9, "Value": "Z", "straße": 90},
    ]


ODD = ["a b", "Upper", "9x", 'q"q', "k`k", "d.d", "ü", "select", "id"]


@pytest.mark.parametrize("aliases", [("s", "t"), ("my s", 'T"'), ("Äs", "select"), ("t", "T")])
def test_all_columns_of_odd_names(make: Make, by_hand: ByHand, aliases: tuple[str, str]) -> None:
    """The source's in another order, and one more."""
    table = make({name: [1, 2] for name in ODD})
    source = pa.table({"more": [7, 7], **{name: [20, 30] for name in ODD[:-1]}, "id": [2, 3]})
    s, t = ('"' + alias.replace('"', '""') + '"' for alias in aliases)
    (
        table.merge(source, f"{t}.id = {s}.id", *aliases)
        .when_matched_update_all()
        .when_not_matched_insert_all(f'{s}."d.d" = 30')
        .execute()
    )
    assert sorted_rows(by_hand(table)) == [
        dict.fromkeys(ODD, 1),
        {**dict.fromkeys(ODD, 20), "id": 2},
        {**dict.fromkeys(ODD, 30), "id": 3},
    ]


@pytest.mark.parametrize("name", ODD)
def test_one_column_of_an_odd_name(make: Make, by_hand: ByHand, name: str) -> None:
    table = make({one: [1, 2] for one in ODD})
    quoted = "`" + name.upper().replace("`", "``") + "`"
    (
        table.merge(pa.table({"k": [2, 3]}), "t.id = s.k", "s", "t")
        .when_matched_update({name: "s.k * 10"})
        .when_not_matched_insert({f"t.{quoted}": "s.k"})
        .when_not_matched_by_source_update({quoted: "t.id * 100"})
        .execute()
    )
    assert sorted_rows(by_hand(table)) == sorted_rows(
        [
            {**dict.fromkeys(ODD, 1), name: 100},
            {**dict.fromkeys(ODD, 2), name: 20},
            {**dict.fromkeys(ODD), name: 3},
        ]
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": [2, 9], "valeu": ["B", "Z"]}, "no column value: its columns are id, valeu"),
        ({"id": [2, 9]}, "no column value"),
        ({"key": [2, 9], "val": ["B", "Z"], "id_": [1, 2]}, "no column id, value"),
        ({"id": [2, 9], "VALUE": ["B", "Z"], "vALUE": ["B", "Z"]}, "'VALUE' or 'vALUE'"),
    ],
)
def test_a_source_without_the_tables_columns_is_refused(
    make: Make, by_hand: ByHand, clock: Any, columns: dict[str, Any], said: str
) -> None:
    table = make({"id": [1, 2], "value": ["a", "b"]})
    before = by_hand(table)
    on = f"t.id = s.{next(iter(columns))}"
    for verb in ("when_matched_update_all", "when_not_matched_insert_all"):
        merge = table.merge(pa.table(columns), on, "s", "t")
        with pytest.raises(InvalidOperation, match=said):
            getattr(merge, verb)().execute()
    assert (by_hand(table), table.version(), clock.slept) == (before, 0, [])


def test_what_is_left_out_is_named(make: Make, by_hand: ByHand) -> None:
    """By the table's columns, as they are spelt; or by the source's own."""
    table = make({"id": [1, 2], "value": ["a", "b"], "n": [1, 2]})
    source = pa.table({"id": [2, 9], "value": ["B", "Z"], "op": ["u", "i"]})
    upsert(table, source, except_cols=["n", "op"]).execute()
    assert sorted_rows(by_hand(table)) == [
        {"id": 1, "value": "a", "n": 1},
        {"id": 2, "value": "B", "n": 2},
        {"id": 9, "value": "Z", "n": None},
    ]
    with pytest.raises(InvalidOperation, match=r"'valeu' is no column of the table.*'value'"):
        upsert(table, source, except_cols=["n", "valeu"]).execute()
    with pytest.raises(InvalidOperation, match=r"'Value' is no column of the table.*'value'"):
        upsert(table, source, except_cols=["n", "Value"]).execute()
    assert table.version() == 1


def test_generated_columns_are_generated(tmp_path: Path, by_hand: ByHand) -> None:
    table = GuardedTable(tmp_path / "t")
    table._native = None
    generated = pa.field("g", pa.int64(), metadata={"delta.generationExpression": "id * 10"})
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("v", pa.int64()), generated])
    table.append(pa.table({"id": [1, 2], "v": [1, 2], "g": [10, 20]}, schema=schema))
    upsert(table, pa.table({"id": [2, 3], "v": [22, 33]})).execute()
    assert sorted_rows(by_hand(table)) == [
        {"id": 1, "v": 1, "g": 10},
        {"id": 2, "v": 22, "g": 20},
        {"id": 3, "v": 33, "g": 30},
    ]


def test_nulls_without_a_type_take_the_tables(make: Make, by_hand: ByHand) -> None:
    table = make({"id": [1, 2], "v": ["a", "b"], "l": [[1], [2]]})
    nulls = pa.array([None, None], pa.null())
    upsert(table, pa.table({"id": [2, 3], "v": nulls, "l": nulls})).execute()
    assert sorted_rows(by_hand(table)) == [
        {"id": 1, "v": "a", "l": [1]},
        {"id": 2, "v": None, "l": None},
        {"id": 3, "v": None, "l": None},
    ]
    assert "void" not in DeltaTable(table.uri).schema().to_json()


SOURCE = pa.table({"k": [2, 9], "w": ["B", "Z"]})


def merge(table: GuardedTable, on: str = "t.id = s.k") -> MergeBuilder:
    return table.merge(SOURCE, on, "s", "t")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda t: merge(t, "t.id = s.k limit 1").when_matched_delete(), "predicate of the MERGE"),
        (lambda t: merge(t, "t.id = s.nope").when_matched_delete(), "No field named s.nope"),
        (lambda t: merge(t, "t.id").when_matched_delete(), "predicate of the MERGE"),
        (
            lambda t: merge(t).when_matched_delete("t.v = 'a' s.w = 'B'"),
            "clause 1 of the MERGE (when_matched_delete)",
        ),
        (
            lambda t: (
                merge(t).when_matched_delete("t.id = 1").when_matched_update({"v": "s.w garbage"})
            ),
            "The value of v in clause 2 of the MERGE (when_matched_update)",
        ),
        (lambda t: merge(t).when_matched_update({"nope": "1"}), "'nope' is no column of the table"),
        (lambda t: merge(t).when_matched_update({"s.v": "1"}), "'s.v' is no column of the table"),
        (lambda t: merge(t).when_not_matched_insert({"w": "s.w"}), "'w' is no column"),
        # In rows without a match the columns of the other side are null.
        (
            lambda t: merge(t).when_not_matched_insert({"id": "t.id", "v": "s.w"}),
            "No field named t.id",
        ),
        (lambda t: merge(t).when_not_matched_insert({"id": "s.k"}, "t.v is null"), "t.v"),
        (lambda t: merge(t).when_not_matched_by_source_delete("s.w is null"), "s.w"),
        (lambda t: merge(t).when_not_matched_by_source_update({"v": "s.w"}), "s.w"),
    ],
)
def test_half_a_text_or_a_column_that_has_no_value_is_refused(
    make: Make, by_hand: ByHand, clock: Any, work: Any, said: str
) -> None:
    table = make({"id": [1, 2], "v": ["a", "b"]})
    with pytest.raises(InvalidOperation) as caught:
        work(table).execute()
    assert said in str(caught.value)
    assert sorted_rows(by_hand(table)) == [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
    assert (table.version(), clock.slept) == (0, [])


def test_updates_of_nothing_are_refused(make: Make) -> None:
    """deltalake inserts rows of nulls for them."""
    table = make({"id": [1]})
    for verb in ("when_matched_update", "when_not_matched_insert"):
        with pytest.raises(InvalidOperation, match="names no column"):
            getattr(merge(table), verb)({})


def test_names_need_no_alias_where_they_are_one_sides(make: Make, by_hand: ByHand) -> None:
    table = make({"id": [1, 2], "v": ["a", "b"]})
    table.merge(SOURCE, "id = s.k", source_alias="s").when_matched_update({"V": "w"}).execute()
    assert sorted_rows(by_hand(table)) == [{"id": 1, "v": "a"}, {"id": 2, "v": "B"}]
    same = pa.table({"id": [2], "v": ["c"]})
    with pytest.raises(InvalidOperation, match="Ambiguous"):
        table.merge(same, "id = s.id", "s", "t").when_matched_update_all().execute()


def test_partitions_are_told_apart(make: Make, by_hand: ByHand) -> None:
    """Predicates without a column within the partitions, in every place."""
    data = {"id": [1, 2, 3, 4], "year": [2024, 2024, None, 2026], "month": [1, 12, 1, 6]}
    for n, (on, clause, left) in enumerate(
        [
            ("t.id = s.k and t.year * 100 + t.month < 202402", None, [2, 3, 4]),
            ("t.id = s.k", "t.year + 1 = 2025", [3, 4]),
            ("t.id = s.k", "case when t.year = 2024 then true else false end", [3, 4]),
            ("t.id = s.k and t.year = null", None, [1, 2, 3, 4]),
            ("t.year = s.y and t.month = 6", None, [1, 2, 3]),
        ]
    ):
        table = GuardedTable(f"{make({'id': [0]}).uri}-{n}")
        table.append(pa.table(data), partition_by=["year", "month"])
        source = pa.table({"k": [1, 2, 3, 4], "y": [2026, None, 9999, 1]})
        table.merge(source, on, "s", "t").when_matched_delete(clause).execute()
        assert sorted(row["id"] for row in by_hand(table)) == left


def test_a_refusal_reads_nothing_of_a_stream(make: Make, clock: Any) -> None:
    """Nor does it spool one: the schema is known before the first batch."""
    table = make({"id": [1, 2], "v": ["a", "b"]})
    read: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        read.append(1)
        yield pa.record_batch({"id": [2], "v": ["B"]})

    def stream() -> pa.RecordBatchReader:
        schema = pa.schema([("id", pa.int64()), ("v", pa.string())])
        return pa.RecordBatchReader.from_batches(schema, batches())

    for source in (stream(), stream):
        with pytest.raises(InvalidOperation):
            upsert(table, source, "t.id = s.id limit 1").execute()
    assert (read, clock.slept) == ([], [])
    for n, source in enumerate((stream(), stream)):
        outcome = upsert(table, source).execute()
        assert (outcome.status, outcome.metrics["num_source_rows"]) == (Status.COMMITTED, 1)
        assert len(read) == n + 1
