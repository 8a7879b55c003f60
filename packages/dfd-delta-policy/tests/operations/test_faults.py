"""Rows that deltalake would write wrong: by dfd-native they are right; without it they are refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType
from dfd_delta_policy import GuardedTable, InvalidOperation, Status, UnsupportedTable
from dfd_delta_policy.operations.nesting import from_arrow, places

Rows = list[dict[str, Any]]
ByHand = Callable[[GuardedTable], Rows]
Natives = Callable[..., Any]

UTC = timezone.utc
END = datetime(9999, 12, 31, tzinfo=UTC)


def column(name: str, kind: Any, nullable: bool = True) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": nullable, "metadata": {}}


def struct(*columns: dict[str, Any]) -> dict[str, Any]:
    return {"type": "struct", "fields": list(columns)}


def written(
    root: Path,
    columns: list[dict[str, Any]],
    files: dict[str, tuple[pa.Table, dict[str, str]]],
    **write: Any,
) -> GuardedTable:
    """A table as another writer leaves it: a log by hand, and files by pyarrow with their partition values."""
    partition_by = sorted({name for _, values in files.values() for name in values})
    metadata = {
        "id": "1",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(struct(*columns)),
        "partitionColumns": partition_by,
        "configuration": {},
        "createdTime": 1,
    }
    actions: list[dict[str, Any]] = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": metadata},
    ]
    (root / "_delta_log").mkdir(parents=True)
    for name, (rows, values) in files.items():
        pq.write_table(rows, root / name, store_schema=False, **write)
        add = {
            "path": name,
            "partitionValues": values,
            "size": (root / name).stat().st_size,
            "modificationTime": 1,
            "dataChange": True,
            "stats": json.dumps({"numRecords": rows.num_rows}),
        }
        actions.append({"add": add})
    log = "".join(json.dumps(action) + "\n" for action in actions)
    (root / "_delta_log/00000000000000000000.json").write_text(log)
    return GuardedTable(root)


def sorted_rows(rows: Rows) -> Rows:
    return sorted(rows, key=repr)


def by_deltalake(table: GuardedTable) -> GuardedTable:
    """The table as it is where dfd-native isn't installed."""
    table._native = None
    return table


def by_dfd_native(table: GuardedTable) -> GuardedTable:
    """The table, where dfd-native is installed."""
    pytest.importorskip("dfd_native")
    return table


# INT96

KINDS: dict[str, tuple[Any, pa.DataType, Callable[[Any], Any]]] = {
    "timestamp": ("timestamp", pa.timestamp("us", "UTC"), lambda at: at),
    "within": (
        struct(column("at", "timestamp")),
        pa.struct([("at", pa.timestamp("us", "UTC"))]),
        lambda at: {"at": at},
    ),
    "list": (
        {"type": "array", "elementType": "timestamp", "containsNull": True},
        pa.list_(pa.timestamp("us", "UTC")),
        lambda at: [None, at],
    ),
}


def spark_made(root: Path, kind: str = "timestamp", int96: bool = True) -> GuardedTable:
    """Two files, of which `int96` is how Spark writes timestamps by default."""
    name, arrow, of = KINDS[kind]
    files = {
        f"{n}.parquet": (
            pa.table(
                {"id": [n, n + 1], "v": pa.array([of(END), None], arrow)},
            ),
            {},
        )
        for n in (1, 3)
    }
    return written(
        root,
        [column("id", "long"), column("v", name)],
        files,
        use_deprecated_int96_timestamps=int96,
    )


ONE = pa.table({"id": [1]})
ROW_CHANGES: dict[str, Callable[[GuardedTable], Any]] = {
    "delete": lambda t: t.delete("id = 2"),
    "delete by time": lambda t: t.delete("v is null"),
    "update": lambda t: t.update({"id": "id + 10"}, "id = 2"),
    "update all": lambda t: t.update({"id": "id + 10"}),
    "overwrite": lambda t: t.overwrite(
        pa.table({"id": pa.array([], pa.int64()), "v": pa.array([], from_rows(t))}),
        predicate="id = 2",
    ),
    "merge": lambda t: t.merge(ONE, "t.id = s.id", "s", "t").when_matched_delete().execute(),
}


def moments(rows: Rows) -> set[datetime]:
    """INT96 says no zone; all of them are UTC's."""
    return {row["v"].replace(tzinfo=UTC) for row in rows if row["v"] is not None}


def from_rows(table: GuardedTable) -> pa.DataType:
    return pa.schema(DeltaTable(table.uri).schema().to_arrow()).field("v").type


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [name for name in ROW_CHANGES if name != "delete by time"])
def test_int96_is_not_rewritten(
    tmp_path: Path, by_hand: ByHand, clock: Any, kind: str, change: str
) -> None:
    table = by_deltalake(spark_made(tmp_path / "t", kind))
    before = by_hand(table)
    with pytest.raises(UnsupportedTable, match=r"v.* \(an INT96 timestamp\).* Nothing was changed"):
        ROW_CHANGES[change](table)
    assert by_hand(table) == before
    assert table.version() == 0


LEFT = {
    "delete": [1, 3, 4],
    "delete by time": [1, 3],
    "update": [1, 3, 4, 12],
    "update all": [11, 12, 13, 14],
    "overwrite": [1, 3, 4],
    "merge": [2, 3, 4],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ROW_CHANGES)
def test_by_dfd_native_it_is_what_it_was(
    tmp_path: Path, by_hand: ByHand, kind: str, change: str
) -> None:
    table = by_dfd_native(spark_made(tmp_path / "t", kind))
    ROW_CHANGES[change](table)
    zone = re.compile(r", tzinfo=(?:<UTC>|\S*'UTC'\))")
    found = {row["id"]: zone.sub("", repr(row["v"])) for row in by_hand(table)}
    left = LEFT[change]
    assert sorted(found) == left
    whole = repr(KINDS[kind][2](END.replace(tzinfo=None)))
    values = {number % 10 % 2: value for number, value in found.items()}
    assert values.pop(1) == whole
    assert all("9999" not in value for value in values.values())
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == len(left)


@pytest.mark.parametrize("change", ROW_CHANGES)
def test_other_timestamps_are(tmp_path: Path, by_hand: ByHand, change: str) -> None:
    table = spark_made(tmp_path / "t", int96=False)
    assert ROW_CHANGES[change](table).status is Status.COMMITTED
    assert moments(by_hand(table)) == {END}


def test_what_rewrites_no_file_is_done(
    tmp_path: Path, make_native: Natives, by_hand: ByHand
) -> None:
    table = make_native().on(spark_made(tmp_path / "t"))
    more = pa.table({"id": [9], "v": pa.array([END], pa.timestamp("us", "UTC"))})
    table.append(more)
    table.append(more.append_column("w", pa.array(["x"])), schema_mode="merge")
    assert (len(by_hand(table)), moments(by_hand(table))) == (6, {END})
    table.add_constraint({"positive": "id > 0"})
    if make_native.__name__ == "WatchedNative":
        table.add_constraint({"recent": "v > timestamp '2000-01-01' or id > 0"})
    else:
        with pytest.raises(UnsupportedTable, match="INT96"):
            table.add_constraint({"recent": "v > '2000-01-01' or id > 0"})
    table.delete()
    assert by_hand(table) == []


def test_constraints_of_nothing_but_timestamps(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"v": pa.array([END], pa.timestamp("us", "UTC"))}))
    assert table.add_constraint({"c": "v > '2000-01-01'", "d": "true"}).version == 1


def test_optimize_keeps_every_moment(tmp_path: Path, make_native: Natives, by_hand: ByHand) -> None:
    """And what it wrote can be changed."""
    table = make_native().on(spark_made(tmp_path / "t"))
    assert table.optimize().metrics["numFilesRemoved"] == 2
    assert (len(by_hand(table)), moments(by_hand(table))) == (4, {END})
    table.update({"id": "id + 10"}, "id > 2")
    assert sorted(row["id"] for row in by_hand(table)) == [1, 2, 13, 14]
    assert moments(by_hand(table)) == {END}


# Columns that a file spells in another case


@pytest.mark.parametrize("change", ["delete", "update", "merge", "overwrite", "constraint"])
def test_names_in_another_case_are_not_rewritten(
    tmp_path: Path, make_native: Natives, by_hand: ByHand, change: str
) -> None:
    """deltalake would find no `v` in the files, and make nulls of it; it checks constraints."""
    files = {f"{n}.parquet": (pa.table({"id": [n, n + 1], "V": ["x", "y"]}), {}) for n in (1, 3)}
    table = make_native().on(
        written(tmp_path / "t", [column("id", "long"), column("v", "string")], files)
    )
    changes: dict[str, Callable[[GuardedTable], Any]] = {
        **ROW_CHANGES,
        "overwrite": lambda t: t.overwrite(pa.table({"id": [2], "v": ["z"]}), predicate="id = 2"),
        "constraint": lambda t: t.add_constraint({"c": "v <> 'x'"}),
    }
    before = by_hand(table)
    if make_native.__name__ == "WatchedNative" and change == "constraint":
        with pytest.raises(ValueError, match="v is x"):
            changes[change](table)
        assert table.add_constraint({"c": "v <> 'z'"}).version == 1
        return
    if make_native.__name__ == "WatchedNative":
        changes[change](table)
        found = sorted(tuple(row.values()) for row in by_hand(table))
        assert (
            found
            == {
                "delete": [(1, "x"), (3, "x"), (4, "y")],
                "update": [(1, "x"), (3, "x"), (4, "y"), (12, "y")],
                "merge": [(2, "y"), (3, "x"), (4, "y")],
                "overwrite": [(1, "x"), (2, "z"), (3, "x"), (4, "y")],
            }[change]
        )
        return
    with pytest.raises(UnsupportedTable, match=r"(v|V) \(.*\b(case|V)\b.* Nothing was changed"):
        changes[change](table)
    assert (by_hand(table), table.version()) == (before, 0)
    assert table.add_constraint({"d": "id > 0"}).version == 1


# Partition columns of decimals


def decimals(root: Path, *values: str) -> GuardedTable:
    """A file of two rows to each partition value; a table as others write it."""
    return written(
        root,
        [column("id", "long"), column("p", "decimal(10,2)"), column("q", "decimal(5,0)")],
        {
            f"{n}.parquet": (pa.table({"id": [2 * n, 2 * n + 1]}), {"p": value, "q": "-3"})
            for n, value in enumerate(values)
        },
    )


def row(number: int, value: str) -> pa.Table:
    return pa.table(
        {
            "id": [number],
            "p": pa.array([Decimal(value)], pa.decimal128(10, 2)),
            "q": pa.array([Decimal(-3)], pa.decimal128(5, 0)),
        }
    )


COMPUTED: dict[str, Callable[[GuardedTable], Any]] = {
    "update of it": lambda t: t.update({"P": "p - 10"}, "id = 0"),
    "overwrite": lambda t: t.overwrite(row(0, "2.00"), predicate="id = 0"),
    "schema_mode": lambda t: t.append(row(9, "2.00"), schema_mode="merge"),
    "merge": lambda t: (
        t.merge(row(9, "2.00"), "t.id = s.id", "s", "t").when_not_matched_insert_all().execute()
    ),
}
CARRIED: dict[str, Callable[[GuardedTable], Any]] = {
    "update": lambda t: t.update({"id": "id + 10"}, "id = 0"),
    "delete": lambda t: t.delete("id = 0"),
}


@pytest.mark.parametrize("change", COMPUTED)
def test_decimal_partitions_are_not_computed(tmp_path: Path, by_hand: ByHand, change: str) -> None:
    table = by_deltalake(decimals(tmp_path / "t", "1.00", "2.50"))
    before = by_hand(table)
    with pytest.raises(UnsupportedTable, match=r"negative values of p, .* Nothing was changed"):
        COMPUTED[change](table)
    assert (by_hand(table), table.version()) == (before, 0)


@pytest.mark.parametrize("change", CARRIED)
@pytest.mark.parametrize("negative", ["-1.50", "-0.05"])
def test_nor_are_negative_ones_written_again(
    tmp_path: Path, by_hand: ByHand, change: str, negative: str
) -> None:
    """Wherever the rows are that would be changed."""
    table = by_deltalake(decimals(tmp_path / "t", "1.00", negative))
    before = by_hand(table)
    with pytest.raises(UnsupportedTable, match="negative values of p"):
        CARRIED[change](table)
    assert (by_hand(table), table.version()) == (before, 0)
    table.delete()
    assert by_hand(table) == []


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("update of it", [(0, "-11.50"), (1, "-1.50"), (2, "2.00"), (3, "2.00")]),
        ("overwrite", [(0, "2.00"), (1, "-1.50"), (2, "2.00"), (3, "2.00")]),
        ("merge", [(0, "-1.50"), (1, "-1.50"), (2, "2.00"), (3, "2.00"), (9, "2.00")]),
        ("update", [(1, "-1.50"), (2, "2.00"), (3, "2.00"), (10, "-1.50")]),
        ("delete", [(1, "-1.50"), (2, "2.00"), (3, "2.00")]),
    ],
)
def test_by_dfd_native_decimals_are_those_of_sql(
    tmp_path: Path, by_hand: ByHand, change: str, left: list[tuple[int, str]]
) -> None:
    table = by_dfd_native(decimals(tmp_path / "t", "-1.50", "2.00"))
    {**COMPUTED, **CARRIED}[change](table)
    assert sorted((row["id"], row["p"]) for row in by_hand(table)) == left
    found = pa.table(DeltaTable(table.uri).scan()).select(["id", "p"]).to_pylist()
    assert sorted((row["id"], str(row["p"])) for row in found) == left


@pytest.mark.parametrize("change", CARRIED)
def test_other_decimals_are_carried_over(tmp_path: Path, by_hand: ByHand, change: str) -> None:
    """Negative whole numbers pass too: it is the fraction that is written wrong."""
    table = decimals(tmp_path / "t", "1.05", "-2.00")
    assert CARRIED[change](table).status is Status.COMMITTED
    found = {(row["p"], row["q"]) for row in by_hand(table)}
    assert found == {("1.05", "-3"), ("-2.00", "-3")}
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == len(by_hand(table))


def test_without_dfd_native_rows_are_looked_at(tmp_path: Path, by_hand: ByHand) -> None:
    table = GuardedTable(tmp_path / "t")
    table._native = None
    with pytest.raises(UnsupportedTable, match="negative values of p"):
        table.append(row(0, "-1.50"), partition_by=["p"])
    assert not DeltaTable.is_deltatable(table.uri)
    table.append(pa.concat_tables([row(0, "1.50"), row(1, "-2.00")]), partition_by=["p", "q"])
    before = by_hand(table)
    late = pa.concat_tables([row(2, "3.00"), row(3, "-0.50")])
    for write in (table.append, table.overwrite):
        with pytest.raises(UnsupportedTable, match="negative values of p"):
            write(late.to_reader(1))
    assert (by_hand(table), table.version()) == (before, 0)


def test_with_dfd_native_all_are_written(tmp_path: Path, by_hand: ByHand) -> None:
    pytest.importorskip("dfd_native")
    table = GuardedTable(tmp_path / "t")
    table.append(pa.concat_tables([row(0, "-1.50"), row(1, "2.00")]), partition_by=["p"])
    assert sorted(row["p"] for row in by_hand(table)) == ["-1.50", "2.00"]


def test_binary_partitions_are_not_made_without_dfd_native(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table._native = None
    with pytest.raises(UnsupportedTable, match="p is binary"):
        table.append(pa.table({"id": [1], "p": [b"a"]}), partition_by=["p"])
    assert not DeltaTable.is_deltatable(table.uri)


# Structs that may be null, of fields that may not

STRICT = struct(column("a", "long", nullable=False), column("b", "string"))
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
ARROW = pa.struct([("a", pa.int64()), ("b", pa.string())])
SHAPES: dict[str, tuple[Any, pa.DataType, list[Any], Any, str]] = {
    "struct": (STRICT, ARROW, ROWS, None, "r"),
    "within": (
        struct(column("q", STRICT)),
        pa.struct([("q", ARROW)]),
        [{"q": one} for one in ROWS],
        {"q": None},
        "r.q",
    ),
    "list": (
        {"type": "array", "elementType": STRICT, "containsNull": True},
        pa.list_(ARROW),
        [[ROWS[0]], []],
        [None],
        "r.element",
    ),
    "map": (
        {"type": "map", "keyType": "string", "valueType": STRICT, "valueContainsNull": True},
        pa.map_(pa.string(), ARROW),
        [[("k", ROWS[0])], None],
        [("k", None)],
        "r.value",
    ),
}


def strict(root: Path, shape: str) -> tuple[GuardedTable, pa.Table]:
    """A table of two rows, and a row with the null that it can't have."""
    kind, arrow, values, null, _ = SHAPES[shape]
    rows = pa.table({"id": [1, 2], "r": pa.array(values, arrow)})
    table = written(root, [column("id", "long"), column("r", kind)], {"1.parquet": (rows, {})})
    return table, pa.table({"id": [2], "r": pa.array([null], arrow)})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "change",
    [
        lambda t, data: t.update({"r": "null"}, "id = 2"),
        lambda t, data: t.update({"id": "10"}, "id = 2"),
        lambda t, data: t.overwrite(data, predicate="id = 2"),
        lambda t, data: t.append(data, schema_mode="merge"),
        lambda t, data: t.merge(data, "t.id = s.id", "s", "t").when_matched_update_all().execute(),
        lambda t, data: t.merge(data, "false", "s", "t").when_not_matched_insert_all().execute(),
    ],
    ids=["update", "update of another", "overwrite", "schema_mode", "merge", "insert"],
)
def test_null_structs_are_not_written(
    tmp_path: Path, by_hand: ByHand, shape: str, change: Any
) -> None:
    table, null = strict(tmp_path / "t", shape)
    by_deltalake(table)
    before = by_hand(table)
    said = rf"{SHAPES[shape][-1]} may be null and its field a may not.* Nothing was changed"
    with pytest.raises(UnsupportedTable, match=said):
        change(table, null)
    assert (by_hand(table), table.version()) == (before, 0)
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == 2


@pytest.mark.parametrize("shape", SHAPES)
def test_by_dfd_native_null_structs_are_told_from_others(
    tmp_path: Path, by_hand: ByHand, shape: str
) -> None:
    """Spark takes a null struct for one of nulls, unless it is in a list or a map."""
    table, null = strict(tmp_path / "t", shape)
    by_dfd_native(table)
    before = by_hand(table)
    table.update({"id": "10"}, "id = 2")
    assert sorted_rows(by_hand(table)) == sorted_rows([before[0], {**before[1], "id": 10}])
    table.update({"id": "2"}, "id = 10")
    now = table.version()
    changes: list[Callable[[], object]] = [
        lambda: table.overwrite(null, predicate="id = 2"),
        lambda: upserted(table, null),
    ]
    for change in changes:
        if shape in ("list", "map"):
            change()
            assert sorted_rows(by_hand(table)) == sorted_rows([before[0], *null.to_pylist()])
            continue
        with pytest.raises(ValueError, match=r"column `r.*\.a` is null and may not be"):
            change()
        assert (sorted_rows(by_hand(table)), table.version()) == (sorted_rows(before), now)


def upserted(table: GuardedTable, data: pa.Table) -> object:
    merge = table.merge(data, "t.id = s.id", "s", "t").when_matched_update_all()
    return merge.when_not_matched_insert_all().execute()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_delete_leaves_the_others_as_they_were(
    tmp_path: Path, by_hand: ByHand, shape: str
) -> None:
    table, _ = strict(tmp_path / "t", shape)
    left = by_hand(table)[1:]
    table.delete("id = 1")
    assert by_hand(table) == left
    found = pa.table(DeltaTable(table.uri).scan())
    assert found.select(["id", "r"]).to_pylist() == left


@pytest.mark.parametrize("shape", SHAPES)
def test_appends_without_dfd_native_are_refused_too(
    tmp_path: Path, by_hand: ByHand, shape: str
) -> None:
    table, null = strict(tmp_path / "t", shape)
    table._native = None
    before = by_hand(table)
    for write in (table.append, table.overwrite):
        with pytest.raises(UnsupportedTable, match="may be null and its field a may not"):
            write(null)
    made = GuardedTable(tmp_path / "new")
    made._native = None
    schema = pa.schema(DeltaTable(table.uri).schema().to_arrow())
    with pytest.raises(UnsupportedTable, match="may be null and its field a may not"):
        made.append(pa.table({"id": [1], "r": [None]}, schema=schema))
    assert not DeltaTable.is_deltatable(made.uri)
    assert (by_hand(table), table.version()) == (before, 0)


def test_structs_that_are_never_null_are_no_reason(tmp_path: Path, by_hand: ByHand) -> None:
    rows = pa.table({"id": [1, 2], "r": pa.array(ROWS, ARROW)})
    columns = [column("id", "long"), column("r", STRICT, nullable=False)]
    table = written(tmp_path / "t", columns, {"1.parquet": (rows, {})})
    table.update({"id": "id + 10"}, "id = 2")
    assert sorted(row["id"] for row in by_hand(table)) == [1, 12]


# Columns without a type

VOID: dict[str, pa.DataType] = {
    "v": pa.null(),
    "v.a": pa.struct([("a", pa.null())]),
    "v.element": pa.list_(pa.null()),
    "v.value": pa.map_(pa.string(), pa.null()),
    "v.element.a": pa.list_(pa.struct([("a", pa.null()), ("b", pa.int64())])),
}


@pytest.mark.parametrize("path", VOID)
def test_no_table_gets_a_column_without_a_type(
    table: GuardedTable, by_hand: ByHand, make_native: Natives, path: str
) -> None:
    before = by_hand(table)
    by_deltalake(table)
    new = GuardedTable(table.uri + "-new")
    by_deltalake(new)
    void = pa.table({"id": [9], "s": ["x"], "v": pa.array([None], VOID[path])})
    said = rf"^{path} holds nulls and has no type.* Nothing was changed"
    for change in (
        lambda: table.append(void, schema_mode="merge"),
        lambda: table.overwrite(void, schema_mode="overwrite"),
        lambda: table.overwrite(void, predicate="id = 9", schema_mode="merge"),
        lambda: table.add_columns(void.schema.field("v")),
        lambda: new.append(void, schema_mode="merge"),
        lambda: new.append(void),
    ):
        with pytest.raises(InvalidOperation, match=said):
            change()
    staged = make_native().on(GuardedTable(table.uri + "-new"))
    with pytest.raises(Exception, match="v"):
        staged.append(void)
    assert staged._native.files == []
    assert not DeltaTable.is_deltatable(new.uri)
    assert (by_hand(table), table.version()) == (before, 0)
    table.append(pa.table({"id": [9], "s": ["x"]}))
    assert table.optimize().status is Status.COMMITTED


def test_nulls_for_a_column_that_is_there_are_taken(table: GuardedTable, by_hand: ByHand) -> None:
    by_deltalake(table)
    nulls = pa.table({"id": [9], "s": pa.array([None], pa.null()), "w": [1.5]})
    table.append(nulls, schema_mode="merge")
    assert {"id": 9, "s": None, "w": 1.5} in by_hand(table)
    assert "void" not in DeltaTable(table.uri).schema().to_json()
    with pytest.raises(InvalidOperation, match="s holds nulls"):
        table.overwrite(nulls.append_column("x", pa.array([1])), schema_mode="overwrite")


# deltalake's own


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="deltalake 1.6.6 reads INT96 as nanoseconds"
)
def test_deltalakes_own_delete_keeps_moments(tmp_path: Path, by_hand: ByHand) -> None:
    table = spark_made(tmp_path / "t")
    DeltaTable(table.uri).delete("id = 2")
    assert moments(by_hand(table)) == {END}


@pytest.mark.xfail(
    strict=True, raises=DeltaError, reason="deltalake 1.6.6 writes a sign before the fraction"
)
def test_deltalakes_own_update_keeps_decimals(tmp_path: Path, by_hand: ByHand) -> None:
    table = decimals(tmp_path / "t", "-1.50")
    DeltaTable(table.uri).update({"id": "id + 10"})
    assert {row["p"] for row in by_hand(table)} == {"-1.50"}


# Types at any depth


def test_places_are_all_that_is_within() -> None:
    kind = pa.map_(pa.string(), pa.list_(pa.struct([pa.field("a", pa.int8(), nullable=False)])))
    found = {place.path: place.nullable for place in places(from_arrow(pa.schema([("m", kind)])))}
    assert found == {
        "m": True,
        "m.key": False,
        "m.value": True,
        "m.value.element": True,
        "m.value.element.a": False,
    }


def test_types_that_delta_lacks_are_text() -> None:
    schema = pa.schema([("t", pa.time64("us")), ("d", pa.duration("s")), ("n", pa.uint8())])
    assert [field.type.type for field in from_arrow(schema)] == ["string", "string", "byte"]  # type: ignore[union-attr]
    assert from_arrow(pa.schema([])) == []
    assert Field("n", PrimitiveType("byte")) == from_arrow(schema)[2]
