"""Writes and merges that give a table other columns: by dfd-native, in the commit of the rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import (
    AppendOnly,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    OperationRefused,
    Status,
    UnsupportedTable,
)
from row_tables import CHANGES, VECTORS, actions, left_over, numbered, root

dfd_native = pytest.importorskip("dfd_native")
duckdb = pytest.importorskip("duckdb")
extension = pytest.importorskip("duckdb_extension_delta")

Make = Callable[..., GuardedTable]
WAYS = pytest.mark.parametrize(
    "properties",
    [{}, VECTORS, CHANGES, VECTORS | CHANGES],
    ids=["copies", "vectors", "feed", "both"],
)


def new_rows(*ids: int) -> pa.Table:
    """Rows as those of `numbered`, with two columns more, in another order."""
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "x": pa.array([n / 2 for n in ids], pa.float64()),
            "s": pa.array(["new"] * len(ids)),
            "p": pa.array([7] * len(ids), pa.int64()),
            "w": pa.array([{"k": n, "l": [n]} for n in ids]),
        }
    )


def told(row: dict[str, Any]) -> str:
    """A row, whatever the order of its columns."""
    return repr(sorted(row.items()))


def judged(table: GuardedTable, sql: str) -> Any:
    """A query over `t`, the table as duckdb reads it."""
    (found,) = (
        found for path in extension.__path__ for found in Path(path).rglob("delta.duckdb_extension")
    )
    connection = duckdb.connect()
    connection.execute(f"load '{found}'; set timezone = 'UTC'")
    connection.execute(f"create view t as from delta_scan('{table.uri}')")
    return connection.sql(sql)


def read(table: GuardedTable, version: int | None = None) -> Counter[str]:
    """Rows as duckdb reads them; of an older version, as deltalake does."""
    if version is None:
        found = judged(table, "select * from t").to_arrow_table()
    else:
        found = pa.table(DeltaTable(table.uri, version=version).scan())
    return Counter(map(told, found.to_pylist()))


def columns_of(table: GuardedTable) -> dict[str, tuple[str, bool]]:
    """Types as the log has them, and whether they may be null."""
    schema = json.loads(actions(table, "metaData")[-1]["schemaString"])
    return {
        field["name"]: (json.dumps(field["type"]), field["nullable"]) for field in schema["fields"]
    }


@WAYS
@pytest.mark.parametrize("partition_by", [None, ["p"]])
def test_an_append_adds_columns(
    make_rows: Make, properties: dict[str, str], partition_by: list[str] | None
) -> None:
    table = make_rows(properties, partition_by=partition_by)
    before = pa.table(DeltaTable(table.uri).scan()).to_pylist()
    outcome = table.append(new_rows(-1, -2), schema_mode="merge")
    assert (outcome.status, outcome.metrics["rows"]) == (Status.COMMITTED, 2)
    assert list(columns_of(table)) == ["id", "p", "s", "x", "w"]
    assert columns_of(table)["x"] == ('"double"', True)
    wanted = [{**row, "x": None, "w": None} for row in before] + new_rows(-1, -2).to_pylist()
    assert read(table) == Counter(map(told, wanted))
    # Once they are there, no commit changes the table again.
    table.append(new_rows(-3), schema_mode="merge")
    assert not actions(table, "metaData", table.version())
    assert not left_over(table)


def test_fields_inside_are_added_at_every_depth(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    narrow = pa.struct([("a", pa.int32())])
    wide = pa.struct([("a", pa.int32()), ("b", pa.struct([("c", pa.string())]))])
    before = pa.table(
        {
            "r": pa.array([{"a": 1}, None], narrow),
            "l": pa.array([[{"a": 2}, None], None], pa.list_(narrow)),
            "m": pa.array([[("k", {"a": 3})], []], pa.map_(pa.string(), narrow)),
        }
    )
    table.append(before)
    b = {"c": "x"}
    after = pa.table(
        {
            "l": pa.array([[{"a": 5, "b": b}]], pa.large_list(wide)),
            "m": pa.array([[("k", {"a": 6, "b": b})]], pa.map_(pa.string(), wide)),
            "r": pa.array([{"a": 4, "b": b}], wide),
        }
    )
    table.append(after, schema_mode="merge")
    found = judged(table, "select r, l, m from t order by r.a nulls last")
    assert found.fetchall() == [
        ({"a": 1, "b": None}, [{"a": 2, "b": None}, None], {"k": {"a": 3, "b": None}}),
        ({"a": 4, "b": b}, [{"a": 5, "b": b}], {"k": {"a": 6, "b": b}}),
        (None, None, {}),
    ]
    # What is narrower than the table is written as nulls, and changes nothing.
    table.append(before.slice(0, 1), schema_mode="merge")
    assert not actions(table, "metaData", table.version())


@pytest.mark.parametrize("partition_by", [None, ["p"]])
def test_an_overwrite_replaces_columns(make_rows: Make, partition_by: list[str] | None) -> None:
    table = make_rows({"owner": "me"}, partition_by=partition_by)
    then, before = table.version(), read(table, table.version())
    data = pa.table({"p": ["a", "b"], "n": pa.array([1, 2], pa.int16())})
    outcome = table.overwrite(data, schema_mode="overwrite")
    assert outcome.version == then + 1
    assert columns_of(table) == {"p": ('"string"', True), "n": ('"short"', True)}
    (found,) = actions(table, "metaData", then + 1)
    assert found["partitionColumns"] == (partition_by or [])
    assert found["configuration"]["owner"] == "me"
    assert found["id"] == actions(table, "metaData", 0)[0]["id"]
    assert read(table) == Counter(map(told, data.to_pylist()))
    assert read(table, then) == before
    # The same columns are no change; another partitioning is one.
    table.overwrite(data, schema_mode="overwrite")
    assert not actions(table, "metaData", then + 2)
    table.overwrite(data, schema_mode="overwrite", partition_by=["n"])
    assert actions(table, "metaData", then + 3)[0]["partitionColumns"] == ["n"]
    (info,) = actions(table, "commitInfo", then + 3)
    assert json.loads(info["operationParameters"]["partitionBy"]) == ["n"]
    assert read(table) == Counter(map(told, data.to_pylist()))
    table.restore(then)
    assert read(table, table.version()) == before
    assert not left_over(table)


def test_local_times_bring_their_feature(make_rows: Make) -> None:
    table = make_rows(VECTORS)
    local = pa.table({"id": [-1], "w": [datetime(2026, 1, 2, 3)]})
    table.append(local, schema_mode="merge")
    protocol = actions(table, "protocol")[-1]
    assert (protocol["minReaderVersion"], protocol["minWriterVersion"]) == (3, 7)
    assert set(protocol["readerFeatures"]) == {"deletionVectors", "timestampNtz"}
    assert set(protocol["writerFeatures"]) == {"deletionVectors", "changeDataFeed", "timestampNtz"}
    assert columns_of(table)["w"] == ('"timestamp_ntz"', True)
    found = judged(table, "select w from t where id = -1").fetchall()
    assert found == [(datetime(2026, 1, 2, 3),)]


def mapped(table: GuardedTable) -> None:
    """Switch column mapping on, as Delta-Spark does on a table that has files."""
    log = root(table) / "_delta_log"
    found = actions(table, "metaData")[-1]
    schema = json.loads(found["schemaString"])
    for number, field in enumerate(schema["fields"], 1):
        field["metadata"] = {
            "delta.columnMapping.id": number,
            "delta.columnMapping.physicalName": field["name"],
        }
    found["schemaString"] = json.dumps(schema)
    found["configuration"] = {
        "delta.columnMapping.mode": "name",
        "delta.columnMapping.maxColumnId": "9",
    }
    protocol = {"minReaderVersion": 2, "minWriterVersion": 5}
    lines = [json.dumps(action) for action in ({"protocol": protocol}, {"metaData": found})]
    version = table.version() + 1
    (log / f"{version:020}.json").write_text("\n".join(lines) + "\n")


def mapping_of(table: GuardedTable) -> dict[str, tuple[int, str]]:
    """Id and physical name of each column and field."""
    found: dict[str, tuple[int, str]] = {}

    def look(kind: Any, path: str) -> None:
        if isinstance(kind, dict):
            for field in kind.get("fields", ()):
                told, name = field["metadata"], path + field["name"]
                found[name] = (
                    told["delta.columnMapping.id"],
                    told["delta.columnMapping.physicalName"],
                )
                look(field["type"], name + ".")
            for inside in ("elementType", "keyType", "valueType"):
                look(kind.get(inside), path)

    look(json.loads(actions(table, "metaData")[-1]["schemaString"]), "")
    return found


def test_mapped_columns_get_ids_of_their_own(make_rows: Make) -> None:
    table = make_rows({}, partition_by=["p"])
    mapped(table)
    table.append(new_rows(-1), schema_mode="merge")
    found = mapping_of(table)
    assert {name: id for name, (id, _) in found.items()} == {
        "id": 1,
        "p": 2,
        "s": 3,
        "x": 10,
        "w": 11,
        "w.k": 12,
        "w.l": 13,
    }
    assert len({physical for _, physical in found.values()}) == len(found)
    assert all(found[name][1].startswith("col-") for name in ("x", "w", "w.k"))
    properties = actions(table, "metaData")[-1]["configuration"]
    assert properties["delta.columnMapping.maxColumnId"] == "13"
    found = judged(table, "select x, w from t where id = -1").fetchall()
    assert found == [(-0.5, {"k": -1, "l": [-1]})]
    # Under other columns no id comes again, though a name does.
    table.overwrite(pa.table({"id": ["a"], "p": [1]}), schema_mode="overwrite")
    assert {name: id for name, (id, _) in mapping_of(table).items()} == {"id": 14, "p": 15}
    # duckdb finds no values of partition columns that are mapped.
    assert read(table, table.version()) == Counter([told({"id": "a", "p": 1})])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda t: t.append(pa.table({"id": [1], "v": pa.nulls(1)}), schema_mode="merge"),
            "`v` is Null, which Delta doesn't have",
        ),
        (
            lambda t: t.overwrite(pa.table({"p": [1], "v": [[None]]}), schema_mode="overwrite"),
            "`v` is Null, which Delta doesn't have",
        ),
        (lambda t: t.append(pa.table({"ID": [1]}), schema_mode="merge"), "`ID`"),
        (lambda t: t.append(pa.table({"id": ["x"]}), schema_mode="merge"), "id"),
        (
            lambda t: t.append(pa.table({"id": [1], "w": [1], "W": [1]}), schema_mode="merge"),
            "w|W",
        ),
        (
            lambda t: t.overwrite(pa.table({"a": [1], "A": [1]}), schema_mode="overwrite"),
            "two columns named",
        ),
        (
            lambda t: t.overwrite(pa.table({"n": [1]}), schema_mode="overwrite"),
            "no column `p` to partition by",
        ),
        (
            lambda t: t.append(
                pa.table({"id": [1], "w": [1]}), partition_by=["w"], schema_mode="merge"
            ),
            "partitioned by",
        ),
        (
            lambda t: t.overwrite(
                pa.table({"id": [1], "w": [1]}), predicate="v = 1", schema_mode="merge"
            ),
            "v",
        ),
    ],
    ids=[
        "void",
        "void inside",
        "case",
        "type",
        "twice",
        "overwritten twice",
        "partition gone",
        "partitioning",
        "predicate",
    ],
)
def test_what_no_table_can_have_leaves_nothing(
    make_rows: Make, write: Callable[[GuardedTable], Any], said: str
) -> None:
    table = make_rows({}, partition_by=["p"])
    version = table.version()
    with pytest.raises(Exception, match=said):
        write(table)
    assert table.version() == version
    assert not left_over(table)


def test_other_columns_belong_to_an_overwrite_of_all_rows(make_rows: Make) -> None:
    table = make_rows()
    data = pa.table({"n": [1]})
    with pytest.raises(InvalidOperation, match="overwrite of all rows"):
        table.overwrite(data, predicate="id = 1", schema_mode="overwrite")
    mode: Any = "overwrite"
    with pytest.raises(InvalidOperation, match="overwrite of all rows"):
        table.append(data, schema_mode=mode)


def test_nulls_without_a_type_are_taken_for_a_column_that_is_there(make_rows: Make) -> None:
    table = make_rows()
    nulls = pa.table({"id": [-1], "s": pa.nulls(1), "w": [1.5]})
    table.append(nulls, schema_mode="merge")
    found = judged(table, "select s, w from t where id = -1").fetchall()
    assert found == [(None, 1.5)]


def test_rules_hold_over_new_columns(make_rows: Make) -> None:
    table = make_rows({"delta.constraints.small": "id < 1000000"})
    with pytest.raises(dfd_native.RuleViolation, match="small"):
        table.append(pa.table({"id": [2_000_000], "w": [1]}), schema_mode="merge")
    # A rule over a column that would be gone can't be held to.
    with pytest.raises(dfd_native.RuleViolation, match="small"):
        table.overwrite(pa.table({"n": [1]}), schema_mode="overwrite")
    assert not left_over(table)
    with pytest.raises(OperationRefused, match="append-only"):
        table.with_hooks(AppendOnly()).overwrite(pa.table({"id": [1]}), schema_mode="overwrite")


@WAYS
def test_an_overwrite_by_predicate_adds_columns(
    make_rows: Make, properties: dict[str, str]
) -> None:
    table = make_rows(properties)
    before = pa.table(DeltaTable(table.uri).scan()).to_pylist()
    table.overwrite(new_rows(1, 2), predicate="id < 3", schema_mode="merge")
    added = new_rows(1, 2).select(["id", "p", "s", "x", "w"]).to_pylist()
    wanted = Counter(told({**row, "x": None, "w": None}) for row in before if row["id"] >= 3)
    assert read(table) == wanted + Counter(map(told, added))
    if CHANGES.items() <= properties.items():
        found = changes_of(table)
        assert found["insert"] == Counter(map(told, added))
        assert found["delete"].total() == 3
    assert not left_over(table)


def changes_of(table: GuardedTable) -> dict[str, Counter[str]]:
    """The changes of the newest version, as deltalake reads them."""
    version = table.version()
    reader = DeltaTable(table.uri).load_cdf(starting_version=version, ending_version=version)
    found: dict[str, Counter[str]] = {}
    for row in pa.table(reader).to_pylist():
        kind = row.pop("_change_type")
        kept = {name: value for name, value in row.items() if not name.startswith("_commit_")}
        found.setdefault(kind, Counter())[told(kept)] += 1
    return found


@WAYS
@pytest.mark.parametrize("partition_by", [None, ["p"]])
def test_a_merge_adds_columns(
    make_rows: Make, properties: dict[str, str], partition_by: list[str] | None
) -> None:
    table = make_rows(properties, partition_by=partition_by)
    before = pa.table(DeltaTable(table.uri).scan()).to_pylist()
    outcome = (
        table.merge(new_rows(1, 2, -5), "s.id = t.id", "s", "t", merge_schema=True)
        .when_matched_update_all("t.id = 1")
        .when_matched_update({"x": "s.x * 10"})
        .when_not_matched_insert_all()
        .when_not_matched_by_source_delete("t.id > 8000")
        .execute()
    )
    assert outcome.metrics["num_target_rows_updated"] == 2
    full = {row["id"]: row for row in new_rows(1, 2, -5).to_pylist()}
    order = ["id", "p", "s", "x", "w"]
    assert list(columns_of(table)) == order
    wanted = []
    for row in before:
        row = {**row, "x": None, "w": None}
        if row["id"] > 8000:
            continue
        if row["id"] == 1:
            row = full[1]
        if row["id"] == 2:
            row["x"] = 10.0
        wanted.append({name: row[name] for name in order})
    wanted.append({name: full[-5][name] for name in order})
    assert read(table) == Counter(map(told, wanted))
    if CHANGES.items() <= properties.items():
        changes = changes_of(table)
        assert changes["insert"] == Counter([told(wanted[-1])])
        assert changes["update_postimage"] == Counter(
            told(row) for row in wanted if row["id"] in (1, 2)
        )
        assert changes["delete"].total() == 999
    assert not left_over(table)


def test_a_merge_adds_what_a_clause_sets_alone(make_rows: Make) -> None:
    def merged(**more: Any) -> Any:
        return table.merge(new_rows(1, -5), "s.id = t.id", "s", "t", **more)

    table = make_rows()
    merged(merge_schema=True).when_matched_delete().execute()
    assert list(columns_of(table)) == ["id", "p", "s"]
    merged().when_not_matched_insert_all("s.id < 0").execute()
    assert list(columns_of(table)) == ["id", "p", "s"]
    setting = {"id": "s.id", "w": "s.w"}
    merged(merge_schema=True).when_not_matched_insert(setting, "s.id = 1").execute()
    assert list(columns_of(table)) == ["id", "p", "s", "w"]
    found = judged(table, "select * from t where id = 1").fetchall()
    assert found == [(1, None, None, {"k": 1, "l": [1]})]
    with pytest.raises(InvalidOperation, match="'y' is no column"):
        merged(merge_schema=True).when_matched_update({"y": "s.x"}).execute()
    # What the source lacks stays as it is, and is null in new rows.
    narrow = pa.table({"id": [1, -6], "z": ["u", "v"]})
    (
        table.merge(narrow, "s.id = t.id", "s", "t", merge_schema=True)
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    found = judged(table, "select * from t where z is not null order by id")
    assert found.fetchall() == [
        (-6, None, None, None, "v"),
        (1, None, None, {"k": 1, "l": [1]}, "u"),
    ]
    assert not left_over(table)


def test_a_merge_adds_fields_inside(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"id": [1, 2, 3], "r": [{"a": 1}, {"a": 2}, None]}))
    given = pa.table({"id": [2, 4], "r": [{"a": 5, "b": "x"}, {"a": 6, "b": "y"}]})
    (
        table.merge(given, "s.id = t.id", "s", "t", merge_schema=True)
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    found = judged(table, "select id, r from t order by id").fetchall()
    assert found == [
        (1, {"a": 1, "b": None}),
        (2, {"a": 5, "b": "x"}),
        (3, None),
        (4, {"a": 6, "b": "y"}),
    ]


def test_fields_that_the_source_lacks_stay(tmp_path: Path) -> None:
    """As columns do; Delta-Spark under schema evolution has it so for `update *`."""
    table = GuardedTable(tmp_path / "t")
    inside = [{"x": 1, "it's": "k"}, {"x": 2, "it's": "l"}, {"x": 3, "it's": "m"}]
    structs = [{"a": n, "b": f"b{n}", "in": one} for n, one in enumerate(inside, 1)]
    table.append(pa.table({"id": [1, 2, 3, 4], "r": [*structs, None]}))
    given = pa.table(
        {
            "id": [2, 3, 4, 5],
            "r": [
                {"in": {"x": 20}, "new": 7.5, "a": None},
                None,
                {"in": {"x": 40}, "new": 8.5, "a": 4},
                {"in": None, "new": 9.5, "a": 5},
            ],
        }
    )
    (
        table.merge(given, "s.id = t.id", "s", "t", merge_schema=True)
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    found = dict(judged(table, "select id, r from t").fetchall())
    assert found == {
        1: {"a": 1, "b": "b1", "in": {"x": 1, "it's": "k"}, "new": None},
        2: {"a": None, "b": "b2", "in": {"x": 20, "it's": "l"}, "new": 7.5},
        3: None,
        4: {"a": 4, "b": None, "in": {"x": 40, "it's": None}, "new": 8.5},
        5: {"a": 5, "b": None, "in": None, "new": 9.5},
    }


@pytest.mark.parametrize(
    ("known", "given", "lost"),
    [
        ({"a": 1, "b": 2}, {"a": 5}, "`r` has no field `b`"),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 5}}, "`r`.a has no field `x`"),
        ([{"a": 1, "b": 2}], [{"b": 5}], r"`r`\[\] has no field `a`"),
        ([("k", {"a": 1, "b": 2})], [("k", {"b": 5})], r"`r`.value has no field `a`"),
    ],
    ids=["struct", "inner struct", "list", "map"],
)
def test_no_field_is_lost_without_a_word(tmp_path: Path, known: Any, given: Any, lost: str) -> None:
    def rows(value: Any, *ids: int) -> pa.Table:
        kind = None
        if lost.startswith("`r`.value"):
            kind = pa.map_(pa.string(), pa.struct([(name, pa.int64()) for name in value[0][1]]))
        return pa.table({"id": list(ids), "r": pa.array([value] * len(ids), kind)})

    table = GuardedTable(tmp_path / "t")
    table.append(rows(known, 1, 2))

    def merge(**more: Any) -> Any:
        return table.merge(rows(given, 2, 3), "s.id = t.id", "s", "t", **more)

    changes = [
        merge().when_matched_update_all(),
        merge(merge_schema=True).when_matched_update({"r": "s.r"}),
    ]
    if not isinstance(known, dict):
        changes.append(merge(merge_schema=True).when_matched_update_all())
    for change in changes:
        with pytest.raises(InvalidOperation, match=lost):
            change.execute()
    if lost.startswith("`r` has"):
        with pytest.raises(InvalidOperation, match=lost):
            table.update({"r": "named_struct('a', r.a)"}, "id = 1")
    assert not left_over(table)
    # A new row has no fields to lose: it is as an append's.
    merge().when_not_matched_insert_all().execute()
    assert table.version() == 1
    found = judged(table, "select count(*), count(r) from t").fetchall()
    assert found == [(3, 3)]


def test_a_merge_without_dfd_native_adds_nothing(make_rows: Make) -> None:
    table = make_rows()
    table._native = None
    merge = table.merge(new_rows(1), "s.id = t.id", "s", "t", merge_schema=True)
    with pytest.raises(UnsupportedTable, match="needs dfd-native"):
        merge.when_matched_update_all().execute()


def test_a_column_that_another_writer_adds_meanwhile(make_rows: Make, make_native: Any) -> None:
    """Where the policy says so, both are there afterwards: else the second ends."""
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    table, native = make_rows(files=1, rows=10), make_native()
    for number, policy in enumerate(
        (DeltaRetryPolicy(), DeltaRetryPolicy(on_metadata_change="replan"))
    ):
        writing = native.on(GuardedTable(table.uri, policy=policy))
        theirs = pa.table({"id": [-9], f"y{number}": ["theirs"]})

        def move_on(theirs: pa.Table = theirs) -> None:
            native.meanwhile = None
            table.append(theirs, schema_mode="merge")

        def write(writing: GuardedTable = writing) -> Any:
            return writing.append(lambda: new_rows(-1), schema_mode="merge")

        native.meanwhile = move_on
        if policy.on_metadata_change == "abort":
            with pytest.raises(ConflictError, match="schema"):
                write()
        else:
            assert write().status is Status.COMMITTED
    assert list(columns_of(table)) == ["id", "p", "s", "y0", "y1", "x", "w"]
    found = judged(table, "select id, x, y1 from t where id < 0 order by 1, 3")
    assert found.fetchall() == [(-9, None, "theirs"), (-9, None, None), (-1, -0.5, None)]
    assert not left_over(table)


def test_two_add_columns_at_once(make_rows: Make) -> None:
    table = make_rows()
    staged = dfd_native.stage(table.uri, new_rows(-1), schema_mode="merge")
    GuardedTable(table.uri).append(pa.table({"id": [-9], "y": ["theirs"]}), schema_mode="merge")
    info = dfd_native.OperationInfo("WRITE", "test")
    with staged, pytest.raises(FileExistsError):
        dfd_native.commit_files(
            table.uri, read_version=staged.read_version, info=info, adds=[staged]
        )
    assert list(columns_of(table)) == ["id", "p", "s", "y"]


def test_a_table_that_is_made_takes_all_columns(tmp_path: Path) -> None:
    for mode in ("merge", "overwrite"):
        table = GuardedTable(tmp_path / mode)
        table.overwrite(numbered(0, 3), schema_mode=mode)
        assert list(columns_of(table)) == ["id", "p", "s"]
