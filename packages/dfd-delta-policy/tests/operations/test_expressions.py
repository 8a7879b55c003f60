"""A text that is to be one expression is one, over columns that there are; nothing of it is passed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType
from dfd_delta_policy import GuardedTable, InvalidOperation
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.nesting import from_arrow

Rows = list[dict[str, Any]]
ByHand = Callable[[GuardedTable], Rows]

COLUMNS = pa.schema(
    [
        ("id", pa.int64()),
        ("s", pa.string()),
        ("Upper", pa.int64()),
        ("a b", pa.string()),
        ('q"q`q', pa.int64()),
        ("d.d", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("r", pa.struct([("a", pa.int64())])),
        ("l", pa.list_(pa.int64())),
        ("m", pa.map_(pa.string(), pa.int64())),
        ("nothing", pa.null()),
        ("clock", pa.time64("us")),
    ]
)
RELATION = Relation("table", from_arrow(COLUMNS))

# What there is beyond the first expression, what is none, and what names no column.
WRONG = [
    "id > 0 limit 1",
    "id > 0 order by id limit 1",
    "id > 0 id < 2",
    "id > 0; id < 2",
    "id > 0 ; drop table t",
    "id > 0, id < 2",
    "id > 0) and (id < 2",
    "id > 0) end, case when true then (id < 2",
    "id > 0 end, case when true then id < 2",
    "id > 0) from t where (true",
    "id > 0 garbage",
    "s = 'a' s = 'b'",
    "s = 'a' 'b'",
    "id > 0 when s = 'a'",
    "id > 0 then 1",
    "id > 0 end",
    "id > 0 && id < 2",
    "where id = 1",
    "id > 0 as x",
    "id > 0 union select 1",
    "id > 0 from t",
    "select 1",
    "(select max(id) from t) = id",
    "(select max(id) from dfd_table) = id",
    "id in (select id from t)",
    "exists (select 1)",
    "id = 1_000",
    "id > 0 /* never closed",
    "id > 0 and",
    "id > 0 and (s = 'a'",
    "s = 'a",
    "",
    " ",
    "-- all of it",
    "*",
    "id = $1",
    "id = @x",
    "sum(id) > 1",
    "row_number() over () > 1",
    "ident > 0",
    "ID > 0",
    "t.id > 0",
    "r.b > 0",
    "no_such_function(id) > 0",
]
RIGHT = [
    "id > 0",
    "(id > 0)",
    "id >= 2 \n-- and s = 'c'",
    "id >= 2 -- and s = 'c'",
    "id >= 2 /* and s = 'c' */",
    "/* ; */ id between 1 and 2 and s <> ') limit 1 --'",
    "case when id > 0 then true else s is null end",
    '"Upper" = 1 and "a b" like \'%;%\' and "q""q`q" = 1',
    '`Upper` = 1 and `q"q``q` = 1 and "d.d" is not null',
    "r['a'] > 0 and (r.a is distinct from 2) and l[1] = 1 and array_length(l) = 1",
    "at > '9999-12-31' or at = '2026-01-01T00:00:00Z' or at < now() - interval '1' day",
    "nothing is null and clock is not null",
    "true",
    "null",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_single_expression_is_refused(text: str) -> None:
    with over(RELATION) as expressions:
        checks = [expressions.check_predicate, expressions.check_value]
        # As a value deltalake refuses this itself.
        for check in checks[:1] if "over ()" in text else checks:
            with pytest.raises(InvalidOperation, match="The text isn't one expression") as caught:
                check(text, "The text")
            said = str(caught.value)
            assert repr(text) in said
            assert "Nothing was changed" in said
            assert "dfd_columns" not in said


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_one_is_taken(text: str) -> None:
    with over(RELATION) as expressions:
        expressions.check_predicate(text, "The text")
        expressions.check_value(text, "The text")


@pytest.mark.parametrize("text", ["id", "id + 1", "'a'", "r", "l", "m", "(id, id)", "[id]", "1"])
def test_values_are_of_any_type_and_predicates_are_boolean(text: str) -> None:
    with over(RELATION) as expressions:
        expressions.check_value(text, "The text")
        with pytest.raises(InvalidOperation, match="boolean"):
            expressions.check_predicate(text, "The text")


@pytest.mark.parametrize("text", [None, 7, True, b"id > 0", ["id > 0"]])
def test_texts_are_texts(text: Any) -> None:
    with over(RELATION) as expressions, pytest.raises(InvalidOperation, match="is SQL text"):
        expressions.check_predicate(text, "The text")


def test_the_refusal_says_where_and_what_is_near() -> None:
    with over(RELATION) as expressions:
        for text, said in (
            ("id > 0\nlimit 1", "found: limit at Line: 2, Column: 1"),
            ("idd > 0", "Did you mean 'id'?"),
            ("id > 0) and (id < 2", "closes a bracket that it didn't open"),
            ("id in (" + "7, " * 500 + "x)", "7, 7, 7..."),
        ):
            with pytest.raises(InvalidOperation, match=re.escape(said)):
                expressions.check_predicate(text, "The text")


def test_relations_have_their_aliases_and_nothing_else() -> None:
    table = Relation("table", from_arrow(COLUMNS), "T x")
    source = Relation("source", from_arrow(pa.schema([("id", pa.int32())])), "s")
    with over(table, source) as expressions:
        expressions.check_predicate('"T x".id = s.id and "Upper" > 0', "The text")
        expressions.check_value("s.id + 1", "The text", source)
        for text, among in (
            ("id = 1", (table, source)),
            ("s.id = 1", (table,)),
            ('"t x".id = s.id', (table, source)),
            ("dfd_columns_of_table.id = 1", (table, source)),
        ):
            with pytest.raises(InvalidOperation):
                expressions.check_predicate(text, "The text", *among)


def test_syntax_is_looked_at_alone() -> None:
    with over(Relation("table", [Field("id", PrimitiveType("long"))])) as expressions:
        expressions.check_syntax("trunc(no_such_column, 'MONTH')", "The text")
        for text in ("id + 1 garbage", "id) + (1", "id +", "id, id"):
            with pytest.raises(InvalidOperation):
                expressions.check_syntax(text, "The text")


WAYS: dict[str, Callable[[GuardedTable, str, pa.Table], object]] = {
    "delete": lambda t, text, _: t.delete(text),
    "update": lambda t, text, _: t.update({"s": "'z'"}, text),
    "value": lambda t, text, _: t.update({"s": text}),
    "overwrite": lambda t, text, data: t.overwrite(data.slice(0, 0), predicate=text),
    "overwrite to be made": lambda t, text, data: GuardedTable(t.uri + "-new").overwrite(
        data, predicate=text
    ),
    "merge on": lambda t, text, data: (
        t.merge(data.rename_columns(["k", "v"]), text, "x", "t").when_matched_delete().execute()
    ),
    "merge clause": lambda t, text, data: (
        t.merge(data, "t.id = x.id", "x", "t").when_not_matched_by_source_delete(text).execute()
    ),
    "merge value": lambda t, text, data: (
        t.merge(data, "t.id = x.id", "x", "t")
        .when_not_matched_by_source_update({"s": text})
        .execute()
    ),
    "constraint": lambda t, text, _: t.add_constraint({"c": text}),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_takes_half_a_text(
    table: GuardedTable, by_hand: ByHand, clock: Any, way: str
) -> None:
    """At once, and not after the attempts that a conflict would have."""
    before = by_hand(table)
    data = pa.table({"id": [1], "s": ["b"]})
    for text in ("id >= 0 limit 1", "id >= 0 s = 'a'", "id >= 0) and (s = 'a'", "nope = 1"):
        with pytest.raises(InvalidOperation, match=r"isn't one expression|can't be followed"):
            WAYS[way](table, text, data)
    assert (by_hand(table), table.version(), clock.slept) == (before, 0, [])
    assert not DeltaTable.is_deltatable(table.uri + "-new")


def test_a_column_is_generated_by_a_whole_text(tmp_path: Any) -> None:
    """deltalake keeps such a text as it is given, where it makes the table."""
    table = GuardedTable(tmp_path / "t")
    table._native = None

    def data(text: str) -> pa.Table:
        generated = pa.field("g", pa.int64(), metadata={"delta.generationExpression": text})
        return pa.table(
            {"id": [1], "g": [2]}, schema=pa.schema([pa.field("id", pa.int64()), generated])
        )

    with pytest.raises(InvalidOperation, match="What generates column g isn't one expression"):
        table.append(data("id + 1 garbage"))
    assert not DeltaTable.is_deltatable(table.uri)
    table.append(data("id + 1"))
    with pytest.raises(InvalidOperation, match="What generates column g"):
        table.overwrite(data("id + 1; id"), schema_mode="overwrite")
    assert table.version() == 0
