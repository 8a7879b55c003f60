"""Change feeds: the changes of each version, applied to the rows of the one before, give its rows.

Tables are written by deltalake, by Spark, and by hand where only a log can have the case. Who judges
is the rows of the versions as deltalake's own engine (or Spark) reads them, never the feed's scan.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written_by_hand import FEED, Log, field

SPARK = Path(__file__).parent / "spark"
UTC = dt.timezone.utc
LOST = ("delete", "update_preimage")
GAINED = ("insert", "update_postimage")
ADDED = ["_change_type", "_commit_version", "_commit_timestamp"]

Ask = Callable[[str], pa.Table]


def by_runtime(sql: str) -> pa.Table:
    with dfd.connect() as runtime:
        return runtime.sql(sql).to_arrow_table()


def by_plain_session(sql: str) -> pa.Table:
    context = SessionContext().with_extensions(dfd_native.DeltaExtension())
    dfd_native.register_table_functions(context)
    return context.sql(sql).to_arrow_table()


def by_engine(sql: str) -> pa.Table:
    context = SessionContext().with_extensions(dfd_native.DeltaExtension())
    dfd_native.register_table_functions(context)
    frame = context.sql(sql)
    plan = frame.optimized_logical_plan()
    return pa.table(dfd_native.Engine().run(plan, context, frame.schema()))


ROUTES = [by_runtime, by_plain_session, by_engine]
every_route = pytest.mark.parametrize("ask", ROUTES)


def feed(root: Path, *versions: int) -> str:
    return f"read_delta_cdf('{root}', {', '.join(map(str, versions))})"


def counted(rows: pa.Table) -> Counter[str]:
    """The rows as a multiset; NaN is equal to itself here."""
    return Counter(map(repr, rows.to_pylist()))


def applied(before: Counter[str], changes: pa.Table) -> Counter[str]:
    after = Counter(before)
    for kinds, sign in ((LOST, -1), (GAINED, 1)):
        chosen = [kind in kinds for kind in changes["_change_type"].to_pylist()]
        for row, count in counted(
            changes.filter(pa.array(chosen, pa.bool_())).drop_columns(ADDED)
        ).items():
            after[row] += sign * count
    assert min(after.values(), default=0) >= 0
    return +after


def at(root: Path, version: int) -> Counter[str]:
    """The rows of a version, as deltalake's engine reads them."""
    table = DeltaTable(root, version=version)
    return counted(pa.table(QueryBuilder().register("t", table).execute("select * from t")))


def check_each_step(root: Path, ask: Ask, read: Callable[[int], Counter[str]], first: int) -> None:
    newest = DeltaTable(root).version()
    changes = ask(f"select * from {feed(root, first)}")
    assert set(changes["_change_type"].to_pylist()) <= {*LOST, *GAINED}
    for version in range(first, newest + 1):
        before = read(version - 1) if version else Counter()
        of_version = changes.filter(pa.compute.equal(changes["_commit_version"], version))
        assert applied(before, of_version) == read(version), version
        alone = ask(f"select * from {feed(root, version, version)}")
        assert counted(alone) == counted(of_version)


def table_of(numbers: Sequence[int]) -> pa.Table:
    """Rows of many kinds: nulls, NaN, texts, partitions of which one is null."""
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "p": [None if n % 4 == 3 else f"p/{n % 4}: %" for n in numbers],
            "x": [math.nan if n % 5 == 0 else n / 2 for n in numbers],
            "s": [None if n % 3 == 0 else f"s{n}" for n in numbers],
        },
        schema=pa.schema({"id": pa.int64(), "p": pa.string(), "x": pa.float64(), "s": pa.string()}),
    )


numbers = st.lists(st.integers(0, 30), min_size=1, max_size=8)
operations = st.one_of(
    st.tuples(st.just("append"), numbers),
    st.tuples(st.just("overwrite"), numbers),
    st.tuples(st.just("merge"), numbers.map(lambda ns: sorted(set(ns)))),
    st.tuples(st.just("update"), st.integers(2, 7)),
    st.tuples(st.just("delete"), st.integers(2, 7)),
    st.tuples(st.just("delete partition"), st.integers(0, 2)),
    st.tuples(st.just("optimize"), st.none()),
)


def perform(root: Path, name: str, value: Any) -> None:
    table = DeltaTable(root)
    match name:
        case "append" | "overwrite":
            write_deltalake(root, table_of(value), mode=name)
        case "merge":
            found = table.merge(table_of(value), "t.id = s.id", source_alias="s", target_alias="t")
            found = found.when_matched_update({"s": "'merged'"}, predicate="s.id % 2 = 0")
            found = found.when_matched_delete()
            found.when_not_matched_insert_all().execute()
        case "update":
            table.update({"s": "'updated'", "x": "x + 1"}, predicate=f"id % {value} = 1")
        case "delete":
            table.delete(f"id % {value} = 1")
        case "delete partition":
            table.delete(f"p = 'p/{value}: %'")
        case _:
            table.optimize.compact()


@given(st.lists(operations, min_size=1, max_size=5))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_changes_lead_from_each_version_to_the_next(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    root = tmp_path_factory.mktemp("feed") / "a table"
    start = table_of(range(12))
    write_deltalake(root, start, partition_by=["p"], configuration=FEED)
    for name, value in steps:
        perform(root, name, value)
    check_each_step(root, by_plain_session, lambda version: at(root, version), 0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of every operation."""
    root = tmp_path_factory.mktemp("feed") / "t"
    write_deltalake(root, table_of(range(40)), partition_by=["p"], configuration=FEED)
    for step in (
        ("append", range(40, 60)),
        ("update", 3),
        ("delete", 5),
        ("merge", range(0, 70, 7)),
        ("optimize", None),
        ("delete partition", 1),
        ("overwrite", range(5)),
    ):
        perform(root, *step)
    return root


@every_route
def test_every_operation(table: Path, ask: Ask) -> None:
    check_each_step(table, ask, lambda version: at(table, version), 0)


CONDITIONS = [
    "id > 20",
    "x > 100",
    "x >= 3 or id = 9",
    "isnan(x)",
    "s is null",
    "s like 's1%' and x < 12",
    "p = 'p/1: %'",
    "p is null",
    "p <> 'p/2: %' and id % 2 = 0",
    "_commit_version between 2 and 4",
    "_change_type = 'insert'",
    "_change_type in ('delete', 'update_preimage') and id < 30",
    "_change_type like 'update%' or _commit_version = 7",
    "_commit_version = 1 and _change_type <> 'delete'",
    "_commit_timestamp > timestamp '2001-01-01T00:00:00Z'",
    "_commit_version = 99",
    "id = 3 and _commit_version > 0 and p is null",
]


@every_route
@pytest.mark.parametrize("condition", CONDITIONS)
def test_filters_find_what_they_find_in_memory(table: Path, ask: Ask, condition: str) -> None:
    memory = SessionContext()
    memory.from_arrow(by_plain_session(f"select * from {feed(table, 0)}"), name="t")
    for wanted in ("*", "id, _change_type", "_commit_version", "count(*) as n"):
        sql = f"select {wanted} from {{}} where {condition}"
        expected = memory.sql(sql.format("t")).to_arrow_table()
        assert counted(ask(sql.format(feed(table, 0)))) == counted(expected), wanted


@every_route
def test_aggregates_orders_and_joins(table: Path, ask: Ask) -> None:
    memory = SessionContext()
    memory.from_arrow(by_plain_session(f"select * from {feed(table, 0)}"), name="t")
    for sql in (
        "select _change_type, _commit_version, count(*) as n, min(id) as a, max(s) as b from {0}"
        " group by 1, 2",
        "select max(_commit_version) as v, min(_change_type) as k, count(s) as n from {0}",
        "select id, _commit_version, _change_type from {0} order by 1 desc, 2, 3 limit 7",
        "select count(*) as n from {0} a join {0} b on a.id = b.id"
        " where a._change_type = 'update_preimage' and b._change_type = 'update_postimage'"
        " and a._commit_version = b._commit_version",
    ):
        expected = memory.sql(sql.format("t")).to_arrow_table()
        found = ask(sql.format(feed(table, 0)))
        assert counted(found) == counted(expected), sql
        if " order by " in sql:
            assert found.to_pylist() == expected.to_pylist()


def test_the_columns_are_those_of_the_table_and_of_a_change(table: Path) -> None:
    found = by_plain_session(f"select * from {feed(table, 0)}").schema
    assert found.names == ["id", "p", "x", "s", *ADDED]
    types = [found.field(name).type for name in ADDED]
    assert types == [pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")]


def read_by_spark(name: str) -> Callable[[int], Counter[str]]:
    def read(version: int) -> Counter[str]:
        return counted(pq.ParquetFile(SPARK / name / f"expected/{version}.parquet").read())

    return read


@every_route
def test_a_feed_that_spark_wrote(ask: Ask) -> None:
    """With deletion vectors, change data files, row tracking and in-commit timestamps."""
    root = SPARK / "writers/delta"
    check_each_step(root, ask, read_by_spark("writers"), 0)
    order = "order by _commit_version, id, _change_type desc"
    some = f"select id, s, _change_type, _commit_version from {feed(root, 5)} {order}"
    assert [tuple(row.values()) for row in ask(some).to_pylist()] == [
        (2, "x", "update_preimage", 5),
        (2, "y", "update_postimage", 5),
        (5, "x", "delete", 6),
    ]
    times = ask(
        f"select distinct _commit_version as v, _commit_timestamp as t from {feed(root, 5)}"
    )
    for row in times.to_pylist():
        commit = (root / f"_delta_log/{row['v']:020}.json").read_text().splitlines()[0]
        said = json.loads(commit)["commitInfo"]["inCommitTimestamp"]
        assert row["t"] == dt.datetime.fromtimestamp(said / 1000, UTC)


def test_times_of_commits_rise(tmp_path: Path) -> None:
    """A copy of a log may date its files in any order; Delta-Spark takes each as later than the one before."""
    log = Log(tmp_path / "t", [field("id", "long")])
    for number in range(1, 5):
        log.commit(log.file(f"{number}.parquet", pa.table({"id": [number]})))
    days = [dt.datetime(2024, 1, day, tzinfo=UTC) for day in (10, 5, 20, 20, 1)]
    for version, day in enumerate(days):
        os.utime(log.root / f"_delta_log/{version:020}.json", (day.timestamp(), day.timestamp()))
    step = dt.timedelta(milliseconds=1)
    risen = [days[0], days[0] + step, days[2], days[2] + step, days[2] + 2 * step]
    with dfd.connect() as runtime:
        for version, time in enumerate(risen):
            runtime.register("then", log.root, timestamp=time)
            found = runtime.sql("select count(*) as n from then").to_arrow_table()
            assert found["n"].to_pylist() == [version]
    for first in (1, 3):
        sql = f"select _commit_timestamp as t from {feed(log.root, first)} order by id"
        assert by_runtime(sql)["t"].to_pylist() == risen[first:]


@every_route
def test_far_times_of_int96_and_nan(tmp_path: Path, ask: Ask) -> None:
    kinds = {"id": "long", "f": "double", "ts": "timestamp"}
    log = Log(tmp_path, [field(name, kind) for name, kind in kinds.items()])
    times = [dt.datetime(1500, 1, 1), dt.datetime(9999, 12, 31), dt.datetime(2020, 1, 1)]
    data = pa.table(
        {
            "id": [1, 2, 3],
            "f": [1.0, math.nan, 2.0],
            "ts": pa.array(times, pa.timestamp("us")),
        }
    )
    old = {"use_deprecated_int96_timestamps": True}
    log.commit(log.file("a.parquet", data, **old))
    kinds_of_change = pa.array(["update_preimage", "update_postimage", "insert"])
    written = data.append_column("_change_type", kinds_of_change)
    log.commit(log.file("_change_data/b.parquet", written, "cdc", **old))
    rows = ask(f"select ts from {feed(tmp_path, 1)} where id < 3 order by ts").to_pylist()
    assert [row["ts"] for row in rows] == [t.replace(tzinfo=UTC) for t in times[:2] for _ in "ab"]
    for condition in ("f > 100", "isnan(f)", "f >= 3 or id = 9", "not (f <= 2)"):
        found = ask(f"select id, _change_type from {feed(tmp_path, 1)} where {condition}")
        assert sorted(map(repr, found.to_pylist())) == [
            "{'id': 2, '_change_type': 'insert'}",
            "{'id': 2, '_change_type': 'update_postimage'}",
        ]
    late = """ts > arrow_cast('9000-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')"""
    assert ask(f"select count(*) as n from {feed(tmp_path, 1)} where {late}").to_pylist() == [
        {"n": 2}
    ]


PARTITIONS = [
    ("string", "a b/c:d%#?=é", "a b/c:d%#?=é", "p=a%20b%2Fc%3Ad%25%23"),
    ("string", "", None, "p="),
    ("string", None, None, "p=__HIVE_DEFAULT_PARTITION__"),
    ("long", "-9007199254740993", -9007199254740993, "p=-9"),
    ("boolean", "true", True, "p=true"),
    ("date", "2020-02-29", dt.date(2020, 2, 29), "p=2020-02-29"),
    (
        "timestamp",
        "2020-02-29 01:02:03.456789",
        dt.datetime(2020, 2, 29, 1, 2, 3, 456789, UTC),
        "p=2020-02-29 01%3A02%3A03.456789",
    ),
    (
        "timestamp",
        "2020-02-29T01:02:03.456789Z",
        dt.datetime(2020, 2, 29, 1, 2, 3, 456789, UTC),
        "p=2020-02-29T01%3A02%3A03.456789Z",
    ),
]


@pytest.mark.parametrize("ask", [by_runtime, by_plain_session])
@pytest.mark.parametrize(("kind", "text", "value", "folder"), PARTITIONS)
def test_partition_values(
    tmp_path: Path, ask: Ask, kind: str, text: str | None, value: object, folder: str
) -> None:
    log = Log(tmp_path / "a #table%", [field("id", "long"), field("p", kind)], ["p"])
    values = {"p": text}
    add = log.file(f"{folder}/f.parquet", pa.table({"id": [1]}), partition=values)
    log.commit(add)
    written = pa.table({"id": [2], "_change_type": ["update_postimage"]})
    log.commit(log.file(f"_change_data/{folder}/f.parquet", written, "cdc", values))
    # An absolute path, as in a shallow clone.
    other = log.file(f"{folder}/g.parquet", pa.table({"id": [3]}), partition=values)
    other["add"]["path"] = f"{log.root.as_uri()}/{other['add']['path']}"
    log.commit(other)
    removed = {key: it for key, it in add["add"].items() if key != "modificationTime"}
    log.commit({"remove": removed})
    found = ask(f"select id, p, _change_type from {feed(log.root, 1)} order by _commit_version")
    kinds = ["insert", "update_postimage", "insert", "delete"]
    rows = [tuple(row.values()) for row in found.to_pylist()]
    assert rows == [(n, value, it) for n, it in zip((1, 2, 3, 1), kinds, strict=True)]


@pytest.mark.parametrize("ask", [by_runtime, by_plain_session])
def test_a_feed_that_was_not_kept_is_refused(tmp_path: Path, ask: Ask) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"id": [1, 2, 3]}))

    def keep(value: str) -> None:
        DeltaTable(root).alter.set_table_properties({"delta.enableChangeDataFeed": value})

    def update() -> None:
        DeltaTable(root).update({"id": "id + 10"}, predicate="id % 10 = 1")

    update()
    keep("true")
    update()
    keep("false")
    update()
    for versions, unkept in (((0,), 0), ((1, 1), 1), ((1,), 1), ((2,), 4), ((5,), 5)):
        with pytest.raises(Exception, match=rf"enableChangeDataFeed .* version {unkept}"):
            ask(f"select * from {feed(root, *versions)}")
    kinds = ask(f"select _change_type from {feed(root, 2, 3)} order by 1")
    assert kinds["_change_type"].to_pylist() == ["update_postimage", "update_preimage"]
    for versions, reason in (((6,), "version 6, and the newest is version 5"), ((3, 2), "before")):
        with pytest.raises(Exception, match=reason):
            ask(f"select * from {feed(root, *versions)}")


def test_a_log_that_was_cleaned_up_names_its_earliest_version(tmp_path: Path) -> None:
    root = tmp_path / "t"
    for number in range(6):
        write_deltalake(root, pa.table({"id": [number]}), mode="append", configuration=FEED)
        if number == 3:
            DeltaTable(root).create_checkpoint()
    for version in range(3):
        (root / f"_delta_log/{version:020}.json").unlink()
    for first in (0, 1, 2):
        with pytest.raises(Exception, match=rf"version {first}; ask for version 3 or later"):
            by_plain_session(f"select * from {feed(root, first)}")
    found = by_plain_session(f"select id from {feed(root, 3)} order by id")
    assert found["id"].to_pylist() == [3, 4, 5]


@every_route
def test_vacuumed_changes_are_an_error_that_says_so(tmp_path: Path, ask: Ask) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"id": [1, 2]}), configuration=FEED)
    DeltaTable(root).update({"id": "id + 1"}, predicate="id = 2")
    DeltaTable(root).vacuum(0, dry_run=False, enforce_retention_duration=False)
    left = {file.name for file in root.glob("*.parquet")}
    assert left == {Path(uri).name for uri in DeltaTable(root).file_uris()}
    with pytest.raises(
        Exception, match=r"\.parquet, which has rows that version 0 changed, is gone"
    ):
        ask(f"select * from {feed(root, 0, 0)}")


@every_route
def test_rows_of_older_schemas_have_nulls_in_columns_that_came_later(
    tmp_path: Path, ask: Ask
) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"id": [1]}), configuration=FEED)
    later = pa.table({"id": [2], "s": ["b"]})
    write_deltalake(root, later, mode="append", schema_mode="merge")
    DeltaTable(root).update({"s": "'a'"}, predicate="id = 1")
    rows = ask(f"select id, s, _change_type from {feed(root, 0)}").to_pylist()
    assert sorted(map(str, (tuple(row.values()) for row in rows))) == [
        "(1, 'a', 'update_postimage')",
        "(1, None, 'insert')",
        "(1, None, 'update_preimage')",
        "(2, 'b', 'insert')",
    ]
    write_deltalake(root, pa.table({"id": ["x"]}), mode="overwrite", schema_mode="overwrite")
    with pytest.raises(Exception, match="version 2: id was long there, and is string later"):
        ask(f"select * from {feed(root, 2)}")


def test_a_column_named_as_one_of_the_feed_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path, [field("_change_type", "string")])
    log.commit()
    with pytest.raises(Exception, match=r"_change_type.*rename"):
        by_plain_session(f"select * from {feed(tmp_path, 0)}")


READ_A_PLAN = """
import sys, dfd_native
from datafusion import SessionContext
from datafusion.plan import LogicalPlan
context = SessionContext().with_extensions(dfd_native.DeltaExtension())
plan = LogicalPlan.from_bytes(context, sys.stdin.buffer.read())
print(context.create_dataframe_from_logical_plan(plan).to_pylist())
"""


def test_a_plan_is_read_in_another_process(table: Path) -> None:
    context = SessionContext().with_extensions(dfd_native.DeltaExtension())
    dfd_native.register_table_functions(context)
    frame = context.sql(
        f"select _change_type, count(*) as n from {feed(table, 1, 4)} where id > 7"
        " group by 1 order by 1"
    )
    written = frame.logical_plan().to_bytes(context)
    command = [sys.executable, "-c", READ_A_PLAN]
    read = subprocess.run(command, input=written, capture_output=True, check=True)
    assert read.stdout.decode().strip() == str(frame.to_pylist())
