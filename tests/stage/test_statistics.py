"""The statistics of an add action are those of the data, by the protocol's rules for them."""

from __future__ import annotations

import json
import math
import struct
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dfd
import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from dfd_native import StagedFiles, stage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Bounds = tuple[Any, Any]
EPOCH = datetime(1970, 1, 1)


def of_file(staged: StagedFiles) -> dict[str, Any]:
    (action,) = staged.actions
    return json.loads(action["stats"], parse_float=Decimal)


# What the protocol asks for, computed from the values of a column


def numbers(values: list[Any]) -> Bounds:
    return min(values), max(values)


def floats(values: list[float]) -> Bounds:
    if any(map(math.isnan, values)):
        return None, None
    least, greatest = (None if math.isinf(end) else end for end in (min(values), max(values)))
    return least, greatest


def texts(values: list[str]) -> Bounds:
    """The first 32 characters; the upper bound is made larger than all texts that begin so."""
    least, greatest = min(values, key=str.encode), max(values, key=str.encode)
    kept = 32
    while greatest[kept : kept + 1] == "\U0010ffff":
        kept += 1
        if len(greatest[:kept].encode("utf-16-le")) > 128:
            return least[:32], None
    if len(greatest) <= kept:
        return least[:32], greatest
    return least[:32], greatest[:kept] + ("\x7f" if greatest[kept] < "\x7f" else "\U0010ffff")


def days(values: list[date]) -> Bounds:
    return min(values).isoformat(), max(values).isoformat()


def times(zone: str) -> Callable[[list[int]], Bounds]:
    """Microseconds, cut down to milliseconds."""

    def cut(micros: int) -> str:
        at = EPOCH + timedelta(milliseconds=micros // 1000)
        return f"{at.isoformat(timespec='milliseconds')}{zone}"

    return lambda values: (cut(min(values)), cut(max(values)))


def none(values: list[Any]) -> Bounds:
    return None, None


def f32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


CHARACTERS = st.sampled_from(
    'a~\x00\x1f"\\\x7f\x80é\u07ff\u0800\ud7ff\ue000\uffff\U00010000🎵\U0010fffe\U0010ffff'
)
# Around where texts are cut: after 32 characters, and after 64 where nothing larger is found before.
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=8),
    st.builds(
        lambda head, count, tail: head * count + tail,
        CHARACTERS,
        st.sampled_from([30, 31, 32, 33, 62, 63, 64, 65, 200]),
        st.text(CHARACTERS, max_size=40),
    ),
)
DOUBLE = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 5e-324, -1e308, math.nan, math.inf]))
MICROS = st.integers(-62135596800_000000, 253402300799_999999)

Kind = tuple[pa.DataType, st.SearchStrategy[Any], Callable[[list[Any]], Bounds]]
LEAVES: list[Kind] = [
    *(
        (getattr(pa, f"int{bits}")(), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), numbers)
        for bits in (8, 16, 32, 64)
    ),
    (pa.uint64(), st.integers(0, 2**64 - 1), numbers),
    (pa.float32(), DOUBLE.filter(lambda x: not abs(x) > 3e38 or math.isinf(x)).map(f32), floats),
    (pa.float64(), DOUBLE, floats),
    (pa.string(), TEXT, texts),
    (pa.string_view(), TEXT, texts),
    (pa.dictionary(pa.int32(), pa.large_string()), TEXT, texts),
    (pa.binary(), st.binary(max_size=40), none),
    (pa.bool_(), st.booleans(), none),
    (pa.date32(), st.dates(), days),
    (pa.timestamp("us", "UTC"), MICROS, times("Z")),
    (pa.timestamp("us", "Asia/Tokyo"), MICROS, times("Z")),
    (pa.timestamp("us"), MICROS, times("")),
    *(
        (pa.decimal128(precision, scale), st.integers(1 - 10**precision, 10**precision - 1).map(lambda n, s=scale: Decimal(f"{n}e-{s}")), numbers)
        for precision, scale in ((9, 2), (18, 18), (38, 0), (38, 10))
    ),
]  # fmt: skip


class Column:
    """A column, its values, and which bounds its leaves have."""

    def __init__(self, kind: pa.DataType, value: st.SearchStrategy[Any], leaf: Any) -> None:
        self.kind, self.value, self.leaf = kind, value, leaf


def scalar(kind: Kind) -> Column:
    return Column(kind[0], st.none() | kind[1], kind[2])


def nested(fields: list[Column]) -> Column:
    names = [f'f{index} "é' for index in range(len(fields))]
    kind = pa.struct(list(zip(names, (field.kind for field in fields), strict=True)))
    value = st.fixed_dictionaries(dict(zip(names, (field.value for field in fields), strict=True)))
    return Column(kind, st.none() | value, dict(zip(names, (f.leaf for f in fields), strict=True)))


def listed(item: Column) -> Column:
    return Column(pa.list_(item.kind), st.none() | st.lists(item.value, max_size=3), none)


def keyed(item: Column) -> Column:
    pairs = st.lists(st.tuples(st.text("ab", max_size=2), item.value), max_size=3)
    return Column(pa.map_(pa.string(), item.kind), st.none() | pairs, none)


COLUMN = st.recursive(
    st.sampled_from(LEAVES).map(scalar),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(nested), inner.map(listed), inner.map(keyed)
    ),
    max_leaves=5,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Column], list[dict[str, Any]], int]:
    """Columns, rows, and how many rows a batch has."""
    columns = draw(st.lists(COLUMN, min_size=1, max_size=4))
    named = {f"c{index}": column for index, column in enumerate(columns)}
    row = st.fixed_dictionaries({name: column.value for name, column in named.items()})
    return named, draw(st.lists(row, max_size=12)), draw(st.sampled_from([1, 3, 100]))


def wanted(values: list[Any], leaf: Any) -> tuple[Any, Any, Any]:
    """Lower and upper bounds and null counts of a column; None where there are no bounds."""
    if isinstance(leaf, dict):
        inner = {
            name: wanted([None if value is None else value[name] for value in values], of)
            for name, of in leaf.items()
        }
        ends = [{n: parts[i] for n, parts in inner.items() if parts[i] is not None} for i in (0, 1)]
        counts = {name: parts[2] for name, parts in inner.items()}
        return ends[0] or None, ends[1] or None, counts
    there = [value for value in values if value is not None]
    least, greatest = leaf(there) if there else (None, None)
    return least, greatest, len(values) - len(there)


def same(found: Any, expected: Any) -> bool:
    """Numbers by their value: a decimal to its last digit, a float to the float that it is read as."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[k], v) for k, v in expected.items()
        )
    if isinstance(expected, float):
        return float(found) == expected or f32(float(found)) == expected
    return found == expected


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(tables())
def test_statistics_are_those_of_the_data(
    drawn: tuple[dict[str, Column], list[dict[str, Any]], int],
) -> None:
    columns, rows, size = drawn
    schema = pa.schema({name: column.kind for name, column in columns.items()})

    def batch(start: int) -> pa.RecordBatch:
        part = rows[start : start + size]
        arrays = [pa.array([row[name] for row in part], of.kind) for name, of in columns.items()]
        return pa.record_batch(arrays, schema=schema)

    batches = map(batch, range(0, len(rows), size))
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    with (
        tempfile.TemporaryDirectory() as directory,
        stage((Path(directory) / "t").as_uri(), reader, writers=1) as staged,
    ):
        if not rows:
            assert staged.actions == []
            return
        found = of_file(staged)
    assert found["numRecords"] == len(rows)
    for name, column in columns.items():
        *ends, nulls = wanted([row[name] for row in rows], column.leaf)
        assert same(found["nullCount"][name], nulls)
        for key, end in zip(("minValues", "maxValues"), ends, strict=True):
            assert (name in found[key]) == (end is not None), (key, found)
            assert end is None or same(found[key][name], end), (key, found[key][name], end)


def stats_of(uri: Path, data: Any) -> dict[str, Any]:
    with stage(uri.as_uri(), data, writers=1) as staged:
        return of_file(staged)


def test_values_that_readers_would_not_understand_have_no_bound(tmp_path: Path) -> None:
    later = pa.array([0, 253402300800_000000, 253402300799_999999], pa.timestamp("us", "UTC"))
    found = stats_of(
        tmp_path / "t", pa.table({"at": later, "day": pa.array([-719529, 0, None], pa.date32())})
    )
    assert found["minValues"] == {"at": "1970-01-01T00:00:00.000Z"}
    assert found["maxValues"] == {"day": "1970-01-01"}


def test_bounds_and_counts_are_those_of_all_row_groups(tmp_path: Path) -> None:
    count = 1_048_576 + 10
    data = pa.table({
        "i": pa.array(range(count, 0, -1)),
        "s": pa.array([None] * 1_048_576 + ["b"] * 9 + ["a"]),
        "f": pa.array([1.0] * (count - 1) + [math.nan]),
        "late": pa.array([0.5] * 5 + [None] * (count - 5)),
    })  # fmt: skip
    found = stats_of(tmp_path / "t", data)
    assert found["numRecords"] == count
    assert found["minValues"] == {"i": 1, "s": "a", "late": Decimal("0.5")}
    assert found["maxValues"] == {"i": count, "s": "b", "late": Decimal("0.5")}
    assert found["nullCount"] == {"i": 0, "s": 1_048_576, "f": 0, "late": count - 5}


def test_a_footer_has_no_bounds_of_a_column_with_a_nan(tmp_path: Path) -> None:
    """Over several row groups, of which one has it; inside structs too. All else is as it was."""
    count = 1_048_576 + 10
    numbers = [float(number % 1000) for number in range(count)]
    wide, narrow = pa.array([*numbers[:-1], math.nan]), pa.array(numbers, pa.float32())
    inside = pa.StructArray.from_arrays([wide, pa.array(numbers)], ["nan", "none"])
    hidden = pa.array([*numbers[:-1], math.nan], mask=[False] * (count - 1) + [True])
    data = pa.table({
        "i": range(count), "nan": wide, "none": numbers, "narrow": narrow, "hidden": hidden, "in": inside,
        "list": [[1.5], [math.nan]] * (count // 2),
    })  # fmt: skip
    with stage((tmp_path / "t").as_uri(), data, writers=1) as staged:
        (action,) = staged.actions
        path = tmp_path / "t" / action["path"]
        footer = pq.read_metadata(path)
        assert footer.num_row_groups > 1
        bare = {"nan", "in.nan", "list.list.element"}
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for chunk in map(group.column, range(footer.num_columns)):
                has_bounds = chunk.statistics is not None and chunk.statistics.has_min_max
                assert has_bounds == (chunk.path_in_schema not in bare), chunk
                assert chunk.has_column_index == has_bounds
                assert chunk.has_offset_index
        assert path.stat().st_size == action["size"]
        read = pq.ParquetFile(path).read()
        assert made.comparable(read.slice(count - 3)) == made.comparable(data.slice(count - 3))
        assert read["i"].equals(data["i"])
        assert read["none"].equals(data["none"])
        found = json.loads(action["stats"])
        assert set(leaves(found["minValues"])) == {"i", "none", "narrow", "hidden", "in.none"}
        made.commit(tmp_path / "t", staged)
    with dfd.connect() as runtime:
        runtime.register("t", tmp_path / "t")
        sql = "select count(*) as n, min(i) as least from t where i >= 1048570 and none < 600"
        wanted = [i for i in range(1_048_570, count) if i % 1000 < 600]
        (row,) = runtime.sql(sql).to_arrow_table().to_pylist()
        assert row == {"n": len(wanted), "least": wanted[0]}


# Which columns


def leaves(of: dict[str, Any], at: str = "") -> Iterator[str]:
    for name, inner in of.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{at}{name}.")
        else:
            yield f"{at}{name}"


INNER = {"type": "struct", "fields": [made.column("a", "long"), made.column("l", {"type": "array", "elementType": "long", "containsNull": True}), made.column("b.c", "string")]}  # fmt: skip
WIDE = [made.column("p", "long"), made.column("x", "long"), made.column("r", INNER), *(made.column(f"c{index:02}", "long") for index in range(40))]  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "columns"),
    [
        ({}, ["x", "r.a", "r.l", "r.b.c", *(f"c{index:02}" for index in range(28))]),
        ({"delta.dataSkippingNumIndexedCols": "3"}, ["x", "r.a", "r.l"]),
        ({"delta.dataSkippingNumIndexedCols": "0"}, []),
        ({"delta.dataSkippingNumIndexedCols": "-1"}, ["x", "r.a", "r.l", "r.b.c", *(f"c{index:02}" for index in range(40))]),
        ({"delta.dataSkippingStatsColumns": "c39,r.`b.c`"}, ["r.b.c", "c39"]),
        ({"delta.dataSkippingStatsColumns": "r, x", "delta.dataSkippingNumIndexedCols": "1"}, ["x", "r.a", "r.l", "r.b.c"]),
    ],
)  # fmt: skip
def test_columns_are_those_that_the_table_says(
    tmp_path: Path, properties: dict[str, str], columns: list[str]
) -> None:
    uri = made.table(tmp_path / "t", WIDE, partition_by=["p"], configuration=properties)
    row = {field["name"]: 1 for field in WIDE} | {"r": {"a": 1, "l": [1], "b.c": "x"}}
    found = stats_of(uri, pa.Table.from_pylist([row]))
    assert list(leaves(found.get("nullCount", {}))) == columns
    for key in ("minValues", "maxValues"):
        assert list(leaves(found.get(key, {}))) == [name for name in columns if name != "r.l"]


# As others have them


@pytest.mark.parametrize(
    "name", ["truncated", "timestamps", "floats", "rules_texts", "rules_generated", "rules_nested", "rules_mapping_id"]
)  # fmt: skip
def test_statistics_are_those_of_spark(tmp_path: Path, name: str) -> None:
    """Each of Spark's files, staged again: the same statistics, but for floats that aren't numbers."""
    uri = made.spark(name, tmp_path / "t")
    log = "".join(commit.read_text("utf-8") for commit in (uri / "_delta_log").glob("*.json"))
    adds = [action for line in log.splitlines() if (action := json.loads(line).get("add"))]
    assert adds
    for add in adds:
        path = uri / unquote(add["path"])
        rows = logical(uri, pq.ParquetFile(path).read(), add)
        wanted = json.loads(add["stats"], parse_float=Decimal)
        for key in ("minValues", "maxValues"):
            for column, value in list(wanted[key].items()):
                if (
                    value in ("NaN", "Infinity", "-Infinity")
                    or wanted["maxValues"].get(column) == "NaN"
                ):
                    del wanted[key][column]
        assert stats_of(uri, rows) == {key: wanted.get(key, {}) for key in STATS}


STATS = ("numRecords", "minValues", "maxValues", "nullCount")


def logical(uri: Path, rows: pa.Table, add: dict[str, Any]) -> pa.Table:
    """The rows of a file as a stream has them: names of the table, and its partition columns."""
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        table = runtime.sql("select * from t").to_arrow_table()
    keys = table["id"].to_pylist()
    in_log = add["partitionValues"].get("id")
    ids = rows.column(0).to_pylist() if in_log is None else [int(in_log)]
    return table.take([keys.index(key) for key in ids])


def test_deltalake_reads_the_bounds(tmp_path: Path) -> None:
    data = pa.table({
        "i": [3, 1, None],
        "s": ["a" * 40, "b", None],
        "m": pa.array([Decimal("1.50"), Decimal("-0.01"), None], pa.decimal128(38, 2)),
        "at": pa.array([datetime(2020, 1, 1, 1, 2, 3, 456789, timezone.utc)] * 3),
        "wall": pa.array([datetime(2020, 1, 1, 1, 2, 3, 456789)] * 3),
        "day": [date(2020, 1, 1), date(1, 1, 1), None],
        "r": [{"f": 0.1}, {"f": -0.1}, None],
    })  # fmt: skip
    uri = tmp_path / "t"
    with stage(uri.as_uri(), data, writers=1) as staged:
        made.commit(uri, staged)
    (found,) = pa.table(DeltaTable(str(uri)).get_add_actions(flatten=True)).to_pylist()
    assert found["num_records"] == 3
    ends = {
        "i": (1, 3),
        "s": ("a" * 32, "b"),
        "m": (Decimal("-0.01"), Decimal("1.50")),
        "at": (datetime(2020, 1, 1, 1, 2, 3, 456000, timezone.utc),) * 2,
        "wall": (datetime(2020, 1, 1, 1, 2, 3, 456000),) * 2,
        "day": (date(1, 1, 1), date(2020, 1, 1)),
        "r.f": (-0.1, 0.1),
    }
    for name, (least, greatest) in ends.items():
        assert (found[f"min.{name}"], found[f"max.{name}"]) == (least, greatest)
        assert found[f"null_count.{name}"] == (0 if name in ("at", "wall") else 1)
