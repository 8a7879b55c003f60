"""Files whose columns have other names than the table's: by id, by physical name, in another case, at every depth.

What pyarrow reads from the files themselves is the judge: no value may become a null, in a scan or by OPTIMIZE.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from written_by_hand import array, field, map_of, mapped, struct, with_id, write

Rows = list[tuple[Any, ...]]
Make = Callable[[Path], Path]
BIG, TEXT = pa.int64(), pa.string()
COUNT = 5  # rows of a file: three row groups


def by_engine(root: Path, sql: str) -> Rows:
    with dfd.connect() as runtime:
        runtime.register("t", root)
        query = runtime.sql(sql)
        assert query.route == "engine"
        return rows(query.to_arrow_table())


def by_leaf(root: Path, sql: str) -> Rows:
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(root.as_uri()))
    return rows(session.sql(sql).to_arrow_table())


def rows(table: pa.Table) -> Rows:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def numbers(place: int) -> list[int]:
    return list(range(place * COUNT, (place + 1) * COUNT))


def nested(place: int, ids: bool, spell: Callable[[str], str]) -> pa.Table:
    """A file with a column of every nesting; its names are spelled by `spell`, with ids or without."""

    def named(name: str, kind: pa.DataType, number: int) -> pa.Field:
        name = spell(name)
        return with_id(name, kind, number) if ids else pa.field(name, kind)

    inner = pa.struct([named("a", BIG, 3), named("b", TEXT, 4)])
    item = pa.struct([named("c", BIG, 6)])
    last = pa.struct([named("e", BIG, 11)])
    value = pa.struct([named("d", BIG, 8), named("deep", pa.list_(last), 9)])
    at = numbers(place)
    a, b, c, d, deep, e = (spell(name) for name in ("a", "b", "c", "d", "deep", "e"))
    columns = [
        pa.array(at, BIG),
        pa.array([{a: n, b: f"text {n}"} for n in at], inner),
        pa.array([[{c: n}, None] for n in at], pa.list_(item)),
        pa.array([[("k", {d: n, deep: [{e: n}]})] for n in at], pa.map_(TEXT, value)),
        pa.array([f"text {n}" for n in at], TEXT),
    ]
    kinds = [BIG, inner, pa.list_(item), pa.map_(TEXT, value), TEXT]
    names = zip(("id", "s", "l", "m", "text"), kinds, (1, 2, 5, 7, 10), strict=True)
    return pa.table(columns, schema=pa.schema([named(*one) for one in names]))


def physical(name: str) -> str:
    places = ("id", "s", "a", "b", "l", "c", "m", "d", "deep", "text", "e")
    return f"col-{places.index(name) + 1}"


SPELLINGS = {"logical": str, "physical": physical, "upper": str.upper}
PLAIN_FIELDS = [
    field("id", "long"),
    field("s", struct(field("a", "long"), field("b", "string"))),
    field("l", array(struct(field("c", "long")))),
    field(
        "m",
        map_of(
            "string", struct(field("d", "long"), field("deep", array(struct(field("e", "long")))))
        ),
    ),
    field("text", "string"),
]
MAPPED_FIELDS = [
    mapped("id", "long", 1),
    mapped("s", struct(mapped("a", "long", 3), mapped("b", "string", 4)), 2),
    mapped("l", array(struct(mapped("c", "long", 6))), 5),
    mapped(
        "m",
        map_of(
            "string",
            struct(
                mapped("d", "long", 8), mapped("deep", array(struct(mapped("e", "long", 11))), 9)
            ),
        ),
        7,
    ),
    mapped("text", "string", 10),
]


def case(mode: str | None, spelling: str, ids: bool, **writer: Any) -> Make:
    files = [nested(place, ids, SPELLINGS[spelling]) for place in range(3)]
    fields = PLAIN_FIELDS if mode is None else MAPPED_FIELDS
    return lambda root: write(root, fields, files, mode=mode, **writer)


CASES: dict[str, Make] = {
    "by id, logical names": case("id", "logical", ids=True),
    "by id, other names": case("id", "upper", ids=True),
    "by id, physical names": case("id", "physical", ids=True),
    "by id, physical names without ids": case("id", "physical", ids=False),
    "by id, with Arrow's own schema": case("id", "logical", ids=True, store_schema=True),
    "by name": case("name", "physical", ids=False),
    "by name, with Arrow's own schema": case("name", "physical", ids=True, store_schema=True),
    "in another case": case(None, "upper", ids=False),
    "in another case, with Arrow's own schema": case(None, "upper", ids=False, store_schema=True),
    "as they are": case(None, "logical", ids=False),
}
ROUTES = pytest.mark.parametrize("route", [by_engine, by_leaf])


@pytest.fixture(params=CASES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return CASES[request.param](tmp_path / "t")


@ROUTES
def test_every_value_is_there(root: Path, route: Callable[[Path, str], Rows]) -> None:
    wanted = [
        (
            n,
            {"a": n, "b": f"text {n}"},
            [{"c": n}, None],
            [("k", {"d": n, "deep": [{"e": n}]})],
            f"text {n}",
        )
        for n in range(3 * COUNT)
    ]
    assert route(root, "select * from t order by id") == wanted


@ROUTES
def test_filters_inside(root: Path, route: Callable[[Path, str], Rows]) -> None:
    """They skip row groups and pages, by names that the file doesn't have."""
    for sql, wanted in {
        "select id from t where s['a'] = 7": [(7,)],
        "select text from t where id > 12 order by id": [("text 13",), ("text 14",)],
        "select id from t where text = 'text 3' and s['b'] = 'text 3'": [(3,)],
        "select count(*) as n, count(text) as m, min(id) as low, max(s['a']) as high from t": [
            (15, 15, 0, 14)
        ],
        "select id from t where l[1]['c'] = 4": [(4,)],
        "select s['b'] as b from t where id in (2, 11) order by b": [("text 11",), ("text 2",)],
    }.items():
        assert route(root, sql) == wanted, sql


def test_optimize_keeps_every_value(root: Path) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", root)
        before = runtime.sql("select * from t order by id").to_arrow_table()
        assert runtime.optimize(root).metrics["numFilesRemoved"] == 3
        after = runtime.sql("select * from t order by id").to_arrow_table()
    assert after == before
    (file,) = set(root.glob("*.parquet")) - {root / f"part-{n}.parquet" for n in range(3)}
    assert all(column.null_count == 0 for column in pq.read_table(file).columns)


@ROUTES
def test_columns_renamed_and_dropped(tmp_path: Path, route: Callable[[Path, str], Rows]) -> None:
    """A new column may have the name that another one has in the files."""
    data = pa.table(
        [pa.array([1, 2]), pa.array(["old", None])],
        schema=pa.schema([with_id("n", BIG, 1), with_id("gone", TEXT, 2)]),
    )
    fields = [mapped("renamed", "long", 1), mapped("gone", "string", 3)]
    root = write(tmp_path / "t", fields, [data], mode="id")
    assert route(root, "select renamed, gone from t order by renamed") == [(1, None), (2, None)]


def test_a_file_with_neither_ids_nor_physical_names_is_refused(tmp_path: Path) -> None:
    data = pa.table({"id": [1], "text": ["a"]})
    root = write(
        tmp_path / "t", [mapped("id", "long", 1), mapped("text", "string", 2)], [data], mode="id"
    )
    with pytest.raises(dfd.DfdError, match=r"part-0\.parquet.*neither ids nor the physical names"):
        by_engine(root, "select * from t")


def deep_without_ids(depth: int) -> pa.Table:
    """A file with ids, but for the columns below a depth, and without physical names there."""
    table = nested(0, True, SPELLINGS["logical"])

    def stripped(column: pa.Field, at: int) -> pa.Field:
        kind = column.type
        if pa.types.is_struct(kind):
            kind = pa.struct([stripped(inside, at + 1) for inside in kind])
        elif pa.types.is_map(kind):
            kind = pa.map_(kind.key_type, stripped(kind.item_field, at).type)
        elif pa.types.is_list(kind):
            kind = pa.list_(stripped(kind.value_field, at).type)
        plain = pa.field(column.name, kind)
        return plain if at > depth else plain.with_metadata(column.metadata)

    return table.cast(pa.schema([stripped(column, 0) for column in table.schema]))


@ROUTES
@pytest.mark.parametrize(("depth", "names"), [(0, "a, b"), (1, "e")])
def test_fields_inside_with_neither_ids_nor_physical_names_are_refused(
    tmp_path: Path, route: Callable[[Path, str], Rows], depth: int, names: str
) -> None:
    root = write(tmp_path / "t", MAPPED_FIELDS, [deep_without_ids(depth)] * 2, mode="id")
    with pytest.raises(Exception, match=rf"part-\d\.parquet.*file's {names} have neither ids nor"):
        route(root, "select * from t")
    with dfd.connect() as runtime, pytest.raises(dfd.DfdError, match="neither ids nor"):
        runtime.optimize(root)


@ROUTES
@pytest.mark.parametrize(
    "told",
    [
        {"nullCount": {"id": 0, "v": 1}},
        {"minValues": {"v": "a"}, "maxValues": {"v": "b"}},
        {"nullCount": {"id": 0, "v": 0}},
    ],
)
@pytest.mark.parametrize("mode", [None, "name"])
def test_a_column_that_is_gone_from_a_file_is_no_null(
    tmp_path: Path, route: Callable[[Path, str], Rows], told: dict[str, Any], mode: str | None
) -> None:
    """Where the log tells values of it; where it tells none, a column that was added later is null."""
    number, text = ("col-1", "col-2") if mode else ("id", "v")
    fields = [field("id", "long"), field("v", "string")]
    if mode:
        fields = [mapped("id", "long", 1), mapped("v", "string", 2)]
    data = [
        pa.table({number: [1, 2], text: ["a", "b"]}),
        pa.table({number: [3, 4], "v": ["x", "y"]}),
    ]
    if not mode:
        data[1] = data[1].rename_columns(["id", "w"])
    spelt = json.dumps(told).replace('"v"', f'"{text}"').replace('"id"', f'"{number}"')
    given = [{"numRecords": 2, **json.loads(spelt)}] * 2
    root = write(tmp_path / "t", fields, data, mode=mode, stats=given)
    lost = partial(
        pytest.raises, Exception, match=r"part-1\.parquet.*no column .*of which the log tells"
    )
    with lost():
        route(root, "select * from t")
    with lost():
        route(root, "select id from t where upper(v) <> 'Q'")
    with dfd.connect() as runtime, lost():
        runtime.optimize(root)
    assert route(root, "select id from t where id in (1, 3) order by id") == [(1,), (3,)]
    later = write(tmp_path / "later", fields, data, mode=mode)
    assert route(later, "select v from t order by id") == [("a",), ("b",), (None,), (None,)]


@ROUTES
@pytest.mark.parametrize("mode", [None, "name"])
def test_nor_is_a_field_that_is_gone_from_inside_a_struct(
    tmp_path: Path, route: Callable[[Path, str], Rows], mode: str | None
) -> None:
    kind = struct(mapped("x", "long", 2), mapped("y", "long", 3))
    fields = [mapped("s", kind, 1), mapped("b", "long", 4)]
    column, x, y, b = ("col-1", "col-2", "col-3", "col-4") if mode else ("s", "x", "y", "b")
    whole = pa.table({column: [{x: 1, y: 2}], b: [3]})
    without = pa.table({column: [{x: 1}], b: [3]})
    told = {"numRecords": 1, "nullCount": {column: {x: 0, y: 0}, b: 0}}
    untold = {"numRecords": 1, "nullCount": {column: {x: 0}, b: 0}}
    data = [whole, without]
    lost = write(tmp_path / "lost", fields, data, mode=mode, stats=[told, told])
    with pytest.raises(Exception, match=r"part-1\.parquet.*no column y, of which the log tells"):
        route(lost, "select s from t")
    assert route(lost, "select b from t") == [(3,), (3,)]
    later = write(tmp_path / "later", fields, data, mode=mode, stats=[told, untold])
    ys = route(later, "select s['y'] as y from t order by y")
    assert ys == [(2,), (None,)]


def test_two_columns_that_may_be_one_are_refused(tmp_path: Path) -> None:
    data = pa.table([pa.array([1]), pa.array([2])], names=["Name", "NAME"])
    root = write(tmp_path / "t", [field("name", "long")], [data])
    with pytest.raises(dfd.DfdError, match=r"part-0\.parquet.*Name and NAME"):
        by_engine(root, "select * from t")


@ROUTES
def test_the_exact_name_wins(tmp_path: Path, route: Callable[[Path, str], Rows]) -> None:
    data = pa.table([pa.array([1]), pa.array([2])], names=["Name", "name"])
    root = write(tmp_path / "t", [field("name", "long")], [data])
    assert route(root, "select name from t") == [(2,)]


@ROUTES
def test_ids_beside_binary_partition_values(
    tmp_path: Path, route: Callable[[Path, str], Rows]
) -> None:
    data = pa.table([pa.array([1])], schema=pa.schema([with_id("id", BIG, 1)]))
    fields = [mapped("id", "long", 1), mapped("p", "binary", 2)]
    root = write(
        tmp_path / "t", fields, [data], mode="id", partition_by=["p"], partitions=[{"col-2": "a"}]
    )
    assert route(root, "select * from t") == [(1, b"a")]


def test_old_parquet_lists(tmp_path: Path) -> None:
    """Lists as writers named their parts before Parquet settled it."""
    data = pa.table({"L": pa.array([[{"C": 1}], []], pa.list_(pa.struct([("C", BIG)])))})
    root = write(
        tmp_path / "t",
        [field("l", array(struct(field("c", "long"))))],
        [data],
        use_compliant_nested_type=False,
    )
    assert by_engine(root, "select l from t") == [([{"c": 1}],), ([],)]
