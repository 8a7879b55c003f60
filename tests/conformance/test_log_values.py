"""What the log says of files: it skips, and never answers in place of the file where it may be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionContext
from judges import JUDGED, by_duckdb_of_files, micros
from reading import WAYS, by_engine, rows
from written_by_hand import field, write

Read = Callable[[Path, str], pa.Table]
NAN = float("nan")


def stats(count: int, least: Any, greatest: Any, **nulls: int) -> dict[str, Any]:
    return {"numRecords": count, "minValues": least, "maxValues": greatest, "nullCount": nulls}


# duckdb skips files by what the log says of them, wrong or not: it judges the files alone.
@pytest.mark.parametrize("read", [*WAYS, by_duckdb_of_files])
def test_columns_of_one_value_are_read(tmp_path: Path, read: Read) -> None:
    """As the files of Spark's older calendar, whose days aren't those of the log."""
    day = date(99, 12, 30)
    told = ["0100-01-01", "0100-01-02"]
    files = [
        pa.table({"d": [day], "i": [0], "n": pa.array([7])}),
        pa.table({"d": [day, day + timedelta(1)], "i": [1, 1], "n": pa.array([8, None])}),
    ]
    # Of `n` the log is wrong on purpose: 5 in the one, and nulls alone in the other.
    known = [
        stats(1, {"d": told[0], "i": 0, "n": 5}, {"d": told[0], "i": 0, "n": 5}, d=0, i=0, n=0),
        stats(2, {"d": told[0], "i": 1}, {"d": told[1], "i": 1}, d=0, i=0, n=2),
    ]
    fields = [field("d", "date"), field("i", "long"), field("n", "long")]
    root = write(tmp_path / "t", fields, files, stats=known)
    assert rows(read(root, "select d, i, n from t")) == rows(pa.concat_tables(files))
    assert rows(read(root, "select min(d) as a, max(d) as b from t")) == [(day, day + timedelta(1))]
    assert rows(read(root, f"select i from t where d = date '{day}'")) == [(0,), (1,)]
    assert rows(read(root, "select i from t where d > date '0099-12-30'")) == [(1,)]


ODD = [
    *({"minValues": least, "maxValues": least} for least in (
        {"id": 1.0}, {"id": "2"}, {"id": 1, "d": "+48690-07-02"}, {"id": 1, "ts": "+48690-07-02T22:50:38.211Z"},
        {"id": 1, "d": "garbage", "ts": "garbage", "m": "garbage"}, {"id": 1, "s": 12}, {"id": 1, "m": "1.505"},
        {"ID": 99, "extra": {"a": [1]}},
    )),
    *({"numRecords": count} for count in ("1", 1.0, -1, None)),
    {"minValues": None, "maxValues": None, "nullCount": None}, {"nullCount": {"id": "0", "o": {"x": 0}, "s": -1}},
    '{"numRecords":1,"minValues":{"id":1,"id":1}}',
]  # fmt: skip
UNPARSED = [
    '{"numRecords":1,"minValues":{"b":"true"}}', '{"numRecords":1,"minValues":{"o":5}}', '{"minValues":{"id":1e30}}',
    '{"minValues":{"id":NaN}}', '{"numRecords":99999999999999999999}', '{"numRecords":1', '{"numRecords":1}{"numRecords":1}',
    "", "null", "[]",
]  # fmt: skip


# duckdb skips files by what the log says of them, wrong or not: it judges the files alone.
@pytest.mark.parametrize("read", [*WAYS, by_duckdb_of_files])
def test_statistics_of_any_form_lose_no_row(tmp_path: Path, read: Read) -> None:
    fields = [
        field("id", "long"),
        field("d", "date"),
        field("ts", "timestamp"),
        field("s", "string"),
        field("b", "boolean"),
        field("f", "double"),
        field("m", "decimal(10,2)"),
        field("o", {"type": "struct", "fields": [field("x", "long")]}),
    ]
    one = pa.table({
        "id": [1],
        "d": [date(2020, 1, 1)],
        "ts": pa.array([datetime(2020, 1, 1)], pa.timestamp("us", "UTC")),
        "s": ["x"],
        "b": [True],
        "f": [1.5],
        "m": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "o": [{"x": 1}],
    })  # fmt: skip
    told = [one if isinstance(one, str) else {"numRecords": 1, **one} for one in ODD]
    # A bound of "2" is one: its file has that row.
    texts = [said if isinstance(said, str) else json.dumps(said) for said in told]
    files = [
        one.set_column(0, "id", pa.array([2])) if '"id": "2"' in text else one for text in texts
    ]
    root = write(tmp_path / "t", fields, files, stats=told)
    count = len(files)
    assert rows(read(root, "select count(*) as n from t")) == [(count,)]
    for condition in (
        "id >= 1", "d = date '2020-01-01'", "ts = '2020-01-01T00:00:00Z'", "s = 'x'", "b", "m = 1.5",
        "f = 1.5", "s is not null", "o['x'] > 0", "id is not null", "m < 2 and f < 2",
    ):  # fmt: skip
        assert len(read(root, f"select id from t where {condition}")) == count, condition
    assert rows(read(root, "select min(id) as a, max(id) as b, min(d) as c from t")) == [
        (1, 2, date(2020, 1, 1))
    ]


@pytest.mark.parametrize("read", WAYS)
def test_statistics_that_do_not_parse_lose_no_row(tmp_path: Path, read: Read) -> None:
    """The kernel refuses the table for each of them; what is left of one skips, and others do as ever."""
    kinds = {"id": "long", "b": "boolean", "o": {"type": "struct", "fields": [field("x", "long")]}}
    fields = [field(name, kind) for name, kind in kinds.items()]
    known = stats(1, {"id": 7}, {"id": 7}, id=0)
    for number, text in enumerate(UNPARSED):
        files = [pa.table({"id": [one], "b": [True], "o": [{"x": one}]}) for one in (1, 7)]
        root = write(tmp_path / str(number), fields, files, stats=[text, known])
        assert rows(read(root, "select id from t")) == [(1,), (7,)], text
        assert rows(read(root, "select count(*) as n, min(id) as a from t")) == [(2, 1)], text
        assert rows(read(root, "select id from t where b and id < 5 and o['x'] = 1")) == [(1,)]
        # Its bounds rule it out: nobody misses it.
        (root / "part-1.parquet").unlink()
        assert rows(read(root, "select id from t where id < 5")) == [(1,)], text


DECIMALS = {
    "decimal(38,10)": {
        "0E-10": "0", "1E-10": "0.0000000001", "-1.5000000000": "-1.5", "12": "12", "-1.2E-7": "-0.00000012",
    },
    "decimal(10,0)": {
        "1000": "1000", "-7": "-7", "-0": "0", "12.00E2": "1200", "1E+3": "1000", "1.234E3": "1234",
    },
    "decimal(5,2)": {
        "1.00": "1",
        "-1.50": "-1.5",
        "-0.50": "-0.5",
        "999.99": "999.99",
        "0.00": "0",
        "1": "1",
        "1E+1": "10",
        "-.5": "-0.5",
        "2.500": "2.5",
    },
}  # fmt: skip


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("kind", DECIMALS)
def test_decimal_partition_values_as_java_writes_them(
    tmp_path: Path, kind: str, read: Read
) -> None:
    """By hand: duckdb and polars refuse the whole table for a value of another scale."""
    texts = DECIMALS[kind]
    fields = [field("id", "long"), field("p", kind)]
    files = [pa.table({"id": [number]}) for number in range(len(texts))]
    partitions = [{"p": text} for text in texts]
    root = write(tmp_path / "t", fields, files, partition_by=["p"], partitions=partitions)
    wanted = [(number, Decimal(plain)) for number, plain in enumerate(texts.values())]
    assert rows(read(root, "select id, p from t")) == wanted
    for _, plain in wanted:
        found = read(root, f"select id from t where p = cast('{plain:f}' as {kind})")
        assert rows(found) == [(number,) for number, other in wanted if other == plain]


@pytest.mark.parametrize("read", JUDGED)
def test_partition_values_of_far_years(tmp_path: Path, read: Read) -> None:
    texts = ["-9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999", "+10000-01-01 00:00:00"]
    fields = [field("id", "long"), field("p", "timestamp_ntz")]
    files = [pa.table({"id": [number]}) for number in range(3)]
    partitions = [{"p": text} for text in texts]
    root = write(tmp_path / "t", fields, files, partition_by=["p"], partitions=partitions)
    found = read(root, f"select id, {micros(read, 'p')} as p from t")
    assert rows(found) == [
        (0, -377673580800000001),
        (1, 253402300799999999),
        (2, 253402300800000000),
    ]
    ordered = read(root, "select id from t order by p desc")
    assert ordered["id"].to_pylist() == [2, 1, 0]


@pytest.mark.parametrize("read", JUDGED)
@pytest.mark.parametrize("kind", ["double", "float"])
def test_both_zeros_and_nan(tmp_path: Path, kind: str, read: Read) -> None:
    values = [0.0, -0.0, NAN, float("inf"), -1.5, 2.0, None]
    stored = pa.array(values, pa.float64() if kind == "double" else pa.float32())
    data = pa.table({"id": range(7), "v": stored})
    bounds = stats(7, {"id": 0, "v": -1.5}, {"id": 6, "v": "Infinity"}, id=0, v=1)
    fields = [field("id", "long"), field("v", kind)]
    root = write(tmp_path / "t", fields, [data], stats=[bounds], row_group_size=1)
    for condition, ids in {
        "v = 0": [0, 1],
        "v in (0.0, 2.0)": [0, 1, 5],
        "v in (0.0, 2.0, 3.0, 4.0, 5.0)": [0, 1, 5],
        "v in (-0.0, 2.0, 3.0, 4.0, 5.0)": [0, 1, 5],
        "v not in (0.0, 2.0, 3.0, 4.0, 5.0)": [2, 3, 4],
        "v not in (0, 2)": [2, 3, 4],
        "v in (0, 2, 3, 4, 5) or v < 0": [0, 1, 4, 5],
        "v > 100": [2, 3],
        "v >= 0": [0, 1, 2, 3, 5],
        "v < 0": [4],
        "isnan(v)": [2],
    }.items():
        found = read(root, f"select id from t where {condition} order by id")["id"].to_pylist()
        assert found == ids, condition
    # In a plain session what isn't a filter is DataFusion's own.
    chosen = "select id, v in (0.0, 2.0, 3.0, 4.0, 5.0) as chosen from t order by id"
    assert by_engine(root, chosen)["chosen"].to_pylist()[:2] == [True, True]


FUNCTIONS = [
    "extract(month from d) = 5", "date_part('year', d) = 2024", "date_trunc('month', d) = date '2024-05-01'",
    "to_char(d, '%Y-%m') = '2024-05'", "date_bin(interval '1 day', d) = date '2024-05-01'", "upper(s) = 'A-B'",
    "split_part(s, '-', 1) = 'a'", "concat(s, 'x') = 'a-bx'", "regexp_like(s, 'A', 'i')", "coalesce(s, 'z') = 'z'",
    "round(n / 4.0, 1) = 2.5", "array_has(make_array(10, 30), n)", "make_date(2024, 5, n / 10) = d",
    "case when n > 20 then extract(month from d) = 6 else false end", "now() > d", "d + interval '1 month' > date '2024-06-15'",
    "to_timestamp(n) > to_timestamp(20)", "arrow_cast(n, 'Int8') = 10", "starts_with(s, 'a') and n = 10 or d is null",
]  # fmt: skip


@pytest.mark.parametrize("read", JUDGED)
def test_functions_of_partition_columns(tmp_path: Path, read: Read) -> None:
    """A session hands over literals as columns, which some functions refuse; the same rows in memory are the judge."""
    data = pa.table({
        "id": [1, 2, 3], "d": [date(2024, 5, 1), date(2024, 6, 2), None], "s": ["a-b", "C-d", None], "n": [10, 25, 30],
    })  # fmt: skip
    texts = [{"d": "2024-05-01", "s": "a-b", "n": "10"}, {"d": "2024-06-02", "s": "C-d", "n": "25"}, {"d": None, "s": None, "n": "30"}]  # fmt: skip
    fields = [field("id", "long"), field("d", "date"), field("s", "string"), field("n", "long")]
    files = [data.select(["id"]).slice(number, 1) for number in range(3)]
    root = write(tmp_path / "t", fields, files, partition_by=["d", "s", "n"], partitions=texts)
    memory = SessionContext()
    memory.from_arrow(data, name="t")
    for condition in FUNCTIONS:
        query = f"select id from t where {condition}"
        assert rows(read(root, query)) == rows(memory.sql(query).to_arrow_table()), condition
    limited = "select id from t where extract(month from d) = 6 limit 1"
    assert rows(read(root, limited)) == [(2,)]
    counted = "select count(*) as c from t where extract(month from d) = 6"
    assert rows(read(root, counted)) == [(1,)]


def test_partitions_are_skipped_by_functions_that_can_be_decided(tmp_path: Path) -> None:
    fields = [field("id", "long"), field("s", "string")]
    files = [pa.table({"id": [number]}) for number in range(4)]
    partitions = [{"s": text} for text in "aAbB"]
    root = write(tmp_path / "t", fields, files, partition_by=["s"], partitions=partitions)
    # Nobody reads those of `b`: they aren't there.
    for number in (2, 3):
        (root / f"part-{number}.parquet").unlink()
    for read in WAYS:
        assert rows(read(root, "select id from t where upper(s) = 'A'")) == [(0,), (1,)]
