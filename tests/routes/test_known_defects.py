"""Queries that a release of DataFusion answered wrong, over tables of several files, row groups and batches.

`RIGHT` has what is right today: an upgrade that brings a fault back fails here. `WRONG` has what is still
wrong, with the routes that it is wrong on: `docs/limits.md` and `dfd_native.defects` name it, and the test
fails when it is gone. Numbers are of apache/datafusion where nothing else is said.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import dfd
import dfd_native
import duckdb
import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext
from deltalake import WriterProperties, write_deltalake

ROUTES = ("engine", "session", "leaf")
NAN, INF = float("nan"), float("inf")
Rows = list[tuple[Any, ...]]
Settings = tuple[tuple[str, str], ...]

LONG, TEXT, SHORT = pa.int64(), pa.string(), pa.int32()
MANY = 1200
# Of each table: its rows, and how many files they are in.
TABLES: dict[str, tuple[pa.Table, int]] = {
    "t": (
        pa.table(
            {
                "k": pa.array([1, 2, 3, None, 4, 5], LONG),
                "z": pa.array([10, 20, 30, 40, 50, 60], LONG),
            }
        ),
        3,
    ),
    "u": (
        pa.table(
            {
                "k": pa.array([2, 1, 1, 3, None, 5], LONG),
                "z": pa.array([5, 6, 50, 7, 50, 100], LONG),
            }
        ),
        3,
    ),
    "v": (pa.table({"id": pa.array([1, None], LONG), "z": pa.array([5, 50], LONG)}), 2),
    "w": (
        pa.table(
            {
                "id": pa.array(range(1, 10), LONG),
                "v": pa.array([10, 20, 30, 40, None, None, 70, 80, None], LONG),
                "f": pa.array([1.0, NAN, 3.0, None, 5.0, 6.0, -INF, 8.0, 9.0]),
            }
        ),
        3,
    ),
    "frames": (
        pa.table({"k": pa.array([0, 10, 30, 40], LONG), "v": pa.array([100, 90, 10, 20], LONG)}),
        2,
    ),
    "nan": (
        pa.table({"g": pa.array([1] * 6, LONG), "v": pa.array([-5.0, NAN, 3.0, 9.0, NAN, 4.0])}),
        1,
    ),
    "infinite": (
        pa.table({"g": pa.array([1, 1, 2, 2], LONG), "v": pa.array([-INF, -INF, INF, None])}),
        2,
    ),
    "halves": (pa.table({"n": pa.array([1, 2, 3, 4], LONG)}), 1),
    "few": (
        pa.table(
            {
                "h": pa.array(["abcd"[n * 7 % 4] for n in range(400)]),
                "v": pa.array([n % 13 for n in range(400)], LONG),
            }
        ),
        8,
    ),
    "names": (
        pa.table(
            {
                "id": pa.array([f"a{n}" for n in range(60)]),
                "ty": pa.array([f"x{n}" for n in range(60)]),
            }
        ),
        3,
    ),
    "types": (pa.table({"id": pa.array([f"x{n}" for n in range(60)])}), 3),
    "many": (
        pa.table(
            {
                "id": pa.array(range(MANY), LONG),
                "a": pa.array([n if n % 100 == 3 else None for n in range(MANY)], LONG),
                "b": pa.array([n // 20 for n in range(MANY)], LONG),
                "c": pa.array([f"s{n % 170}" for n in range(MANY)]),
                "amount": pa.array([MANY - n for n in range(MANY)], LONG),
            }
        ),
        4,
    ),
    "extremes": (pa.table({"a": pa.array([-(2**63), 2**63 - 1, 0, None], LONG)}), 2),
    "st": (
        pa.table(
            {
                "a": pa.array(range(1, 21), LONG),
                "s": pa.array(
                    [{"b": f"v{n}", "x": n} for n in range(20)],
                    pa.struct([("b", TEXT), ("x", LONG)]),
                ),
            }
        ),
        3,
    ),
    "times": (
        pa.table(
            {
                "id": pa.array(range(7), LONG),
                "moment": pa.array(
                    [
                        0,
                        -1,
                        1_577_836_800_000_001,
                        1_577_836_800_999_999,
                        1_577_836_801_000_000,
                        None,
                        -86_400_000_001,
                    ],
                    pa.timestamp("us"),
                ),
            }
        ),
        3,
    ),
    "texts": (
        pa.table(
            {
                "id": pa.array(range(7), LONG),
                "s": pa.array(["foo", "FOO", "Bazzz", "fo_o", None, "", "aébc"]),
            }
        ),
        3,
    ),
    "money": (
        pa.table({"d": pa.array([Decimal(9 * 10**37)] * 3, pa.decimal128(38, 0))}),
        2,
    ),
}


class Case(NamedTuple):
    """A query, and the rows that it has: by hand, by another text for duckdb, or duckdb's for the same."""

    issue: str
    sql: str
    wanted: Rows | str | None = None
    is_ordered: bool = False
    settings: Settings = ()


PUSHED: Settings = (("datafusion.execution.parquet.pushdown_filters", "true"),)
SMALL: Settings = (
    ("datafusion.execution.batch_size", "2"),
    ("datafusion.execution.target_partitions", "4"),
)

RIGHT = [
    Case(
        "25264",
        "select s.id, a, b from types s join (select n.id as a, y.id as b from names n "
        "left join types y on n.ty = y.id group by n.id, y.id) on s.id = b where s.id = 'x1'",
        [("x1", "a1", "x1")],
    ),
    Case(
        "25244",
        "select n.id as a, y.id as b from names n join types y on n.ty = y.id "
        "where y.id in (select id from types where id like 'x1%')",
    ),
    Case(
        "25296",
        "select m.amount, p.amount as pa from many m join (select id, 3 * id as amount from many where id < 300) p "
        "on m.id = p.id join many c on p.id = c.id order by p.amount limit 3",
        is_ordered=True,
    ),
    Case("24109", "select a from st where s['x'] = 7 or s['b'] = 'v3'", [(8,), (4,)]),
    Case(
        "25414",
        "select a, s['b'] as b from (select -a as a, s from st where a > 0)",
        "select a, s.b from (select -a as a, s from st where a > 0)",
    ),
    Case("24927", "select distinct h from few order by h limit 3", is_ordered=True),
    Case("23822", "select distinct h, v from few order by h desc, v limit 7", is_ordered=True),
    Case("12762", "select * from (select h, max(v) as m from few group by h) where h <> 'a'"),
    Case("22441", "select t.k, u.z from t left join u on t.k = u.k where (u.z > 5) is not true"),
    Case("22441", "select t.k, u.z from t full join u on t.k = u.k where t.z > 20 or u.z > 20"),
    Case("13211", "select t.k, u.z from t left join u on t.k = u.k where abs(u.z) > 6"),
    Case("10881", "select t.k, t.z, u.z as y from t left join u on t.k = u.k or t.z = u.z"),
    Case("22791", "select t.k, u.z from t full join u on t.k < u.k - 2 and t.z < u.z"),
    Case("20995", "select x.a from extremes x join extremes y on x.a = y.a"),
    Case("22065", "select k from t intersect select k from u"),
    Case("22065", "select t.k, u.z from t join u on t.k is not distinct from u.k"),
    Case("8241", "select k from t where k not in (select id from v)", []),
    Case("25076", "select id from many where id not in (select a from many)", [], settings=SMALL),
    Case(
        "24002", "select k, z from t where not exists (select 1 from u where u.k = t.k) and z > 2"
    ),
    Case("10583", "select k from t where (k not in (select k from u)) = true", []),
    Case("24854", "select k from t where k in (select k from u) or z = 50"),
    Case(
        "24184",
        "select k, sum(v) over f as s, count(v) over f as c, max(v) over f as m from frames "
        "window f as (order by k range between 10 preceding and 5 preceding)",
        [(0, None, 0, None), (10, 100, 1, 100), (30, None, 0, None), (40, 10, 1, 10)],
    ),
    Case(
        "22138",
        "select id, avg(v) over (order by id rows between current row and unbounded following) as a from w",
    ),
    Case(
        "21299",
        "select k, median(v) over (order by k range between 20 preceding and current row) as m from frames",
    ),
    Case(
        "17417",
        "select id, sum(v) filter (where id % 2 = 0) over (order by id) as a, "
        "count(distinct v) over (order by id) as b from w",
    ),
    Case(
        "23440",
        "select m from (select h, max(null::int) as m from few group by h) order by m limit 3",
    ),
    Case("22571", "select distinct v from w order by v desc nulls first limit 2", is_ordered=True),
    Case("19849", "select h, v, sum(v) as s, grouping(h) as g from few group by rollup(h, v)"),
    Case(
        "14335",
        "select count(a) as n from (select t.k as a from t full join u on t.k = u.k limit 20)",
    ),
    Case(
        "24352",
        "select id, b from many where a is not null order by id desc limit 3",
        is_ordered=True,
        settings=PUSHED,
    ),
    Case(
        "24355",
        "select id, c from many where b % 7 = 3 and c > 's4' order by c desc, id limit 25",
        is_ordered=True,
        settings=PUSHED,
    ),
    Case(
        "arrow-rs#10733",
        "select id, b, c from many where a is not null or b = 17",
        settings=PUSHED,
    ),
    Case(
        "22142",
        "select id from times where arrow_cast(moment, 'Timestamp(Second, None)') = timestamp '2020-01-01'",
        [(2,), (3,)],
    ),
    Case("22142", "select id from times where moment::date = date '1969-12-31'", [(1,)]),
    Case("18334", "select id, date_trunc('minute', moment) as m from times"),
    Case(
        "22528",
        "select id, date_bin(interval '30 seconds', moment) as m from times",
        "select id, time_bucket(interval '30 seconds', moment, timestamp '1970-01-01') from times",
    ),
    Case("22726", "select id from texts where s ~* '^foo$'", [(0,), (1,)]),
    Case(
        "22044",
        "select overlay(s placing 'X' from 3 for 1) as o from texts where id = 6",
        [("aéXc",)],
    ),
    Case(
        "22413",
        "select count(*) as n from many where id > (select avg(id) from many) and amount < 9",
    ),
    Case(
        "23220",
        "select count(*) as n from (select r as x, r as y from (select random() as r from many)) where x <> y",
        [(0,)],
    ),
    Case("25232", "select n from halves where n / 2 = 1 order by n desc", [(3,), (2,)], True),
    Case(
        "24421",
        "select h, v, count(*) as n from few where h = 'a' group by cube(h, v)",
        settings=SMALL,
    ),
]


class Wrong(NamedTuple):
    """A case that is wrong on some routes, and why."""

    case: Case
    reason: str
    routes: Sequence[str] = ROUTES


COUNT_OF_NONE = "an aggregate without GROUP BY has one row of nothing too"
WRONG = [
    Wrong(
        Case(
            "24960",
            "select k from t where exists (select count(*) from u where t.k = u.k)",
            "select k from t",
        ),
        COUNT_OF_NONE,
    ),
    Wrong(
        Case(
            "24960",
            "select k from t where 0 in (select count(*) from u where t.k = u.k)",
            [(4,), (None,)],
        ),
        COUNT_OF_NONE,
    ),
    Wrong(
        Case(
            "25283",
            "select k from t where exists (select * from u where u.k = t.k offset 1)",
            [(1,)],
        ),
        "OFFSET is dropped",
    ),
    Wrong(
        Case(
            "25336",
            "select t.k from t where t.k not in (select v.id from v where v.z < t.z) and t.z < 25",
            [(2,)],
        ),
        "a null counts that the subquery's condition leaves out",
    ),
    Wrong(
        Case(
            "10583",
            "select k, z from t where k not in (select u.k from u where u.k = t.k)",
            [(4, 50), (None, 40)],
        ),
        "a null counts that the subquery's condition leaves out",
    ),
    Wrong(
        Case(
            "25471",
            "select id, lead(v, 2) ignore nulls over (order by id) as a from w",
            "select id, lead(v, 2 ignore nulls) over (order by id) from w",
        ),
        "what lies behind the nulls isn't looked at",
    ),
    Wrong(
        Case(
            "25471",
            "select id, lead(v) ignore nulls over (order by id rows between unbounded preceding and current row) "
            "as a from w order by id limit 5",
            [(1, 20), (2, 30), (3, 40), (4, 70), (5, 70)],
        ),
        "the limit is pushed below the window",
    ),
    Wrong(
        Case(
            "22138",
            "select id, sum(f) over (order by id rows between 1 preceding and current row) as s from w where id > 1",
            [(2, NAN), (3, NAN), (4, 3.0), (5, 5.0), (6, 11.0), (7, -INF), (8, -INF), (9, 17.0)],
        ),
        "NaN stays in the sum when it has left the frame",
    ),
    Wrong(
        Case("EXCEPT ALL", "select k from u except all select k from t", [(1,)]),
        "rows that are there twice are all taken away",
    ),
    Wrong(
        Case("24432", "select g, min(v) as a, max(v) as b from nan group by g", [(1, -5.0, NAN)]),
        "the value behind a NaN takes its place",
        routes=("session", "leaf"),
    ),
    Wrong(
        Case("24432", "select g, min(v) as a, max(v) as b from infinite group by g"),
        "a group begins with the greatest finite number",
        routes=("session", "leaf"),
    ),
    Wrong(
        Case(
            "16965",
            "select id from (select 'id' as id union all select 'id' as id order by id) "
            "group by grouping sets ((id), ())",
            [("id",), (None,)],
            settings=(("datafusion.execution.target_partitions", "1"),),
        ),
        "a group is given as finished, and comes again",
        routes=("session", "leaf"),
    ),
    Wrong(
        Case(
            "25052",
            "select b.h, b.v, a.v as w from (select h, v from few order by h, v limit 60) a "
            "join (select h, v from few order by h, v limit 60) b on a.h = b.h order by b.h, b.v, a.v",
            is_ordered=True,
        ),
        "a join of ordered inputs is taken to be sorted by the columns of both",
        routes=("session", "leaf"),
    ),
    Wrong(
        Case(
            "24360",
            "select a.k, b.k as l from t a join u b on a.k <= b.k order by a.k, b.k",
            is_ordered=True,
            settings=(("datafusion.optimizer.enable_piecewise_merge_join", "true"),),
        ),
        "a column is taken to equal the one that it is compared with",
        routes=("session", "leaf"),
    ),
    Wrong(
        Case(
            "25095",
            "select id from times where moment::timestamptz = '2019-12-31T16:00:01Z'::timestamptz",
            [(4,)],
            settings=(("datafusion.execution.time_zone", "+08:00"),),
        ),
        "the session's time zone is left out",
    ),
    Wrong(
        Case(
            "25415",
            "select k from (select random() < 0.5 as k from many group by 1) where k",
            [(True,)],
        ),
        "random() is drawn anew for the condition",
    ),
    Wrong(
        Case("16406", "select sum(d) as s from money", [(Decimal(27 * 10**37),)]),
        "sums of decimals wrap around beyond 38 digits",
    ),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lake")
    properties = WriterProperties(
        compression="SNAPPY",
        max_row_group_size=50,
        data_page_row_count_limit=10,
        write_batch_size=10,
    )
    for name, (table, files) in TABLES.items():
        rows = -(-len(table) // files)
        for n in range(files):
            part = table.slice(n * rows, rows)
            write_deltalake(path / name, part, mode="append", writer_properties=properties)
    return path


@pytest.fixture(scope="module")
def judge() -> duckdb.DuckDBPyConnection:
    """Tables of its own: over Arrow's it would compare NaN as pyarrow does."""
    connection = duckdb.connect()
    for name, (table, _) in TABLES.items():
        connection.register("rows", table)
        connection.execute(f"create table {name} as select * from rows")
    return connection


Connect = Callable[[str, Settings], Callable[[str], pa.Table]]


@pytest.fixture(scope="module")
def connect(lake: Path) -> Connect:
    """What runs a query on a route, under settings of DataFusion."""

    @functools.cache
    def runtime(settings: Settings) -> dfd.Runtime:
        made = dfd.connect(session=dict(settings))
        for name in TABLES:
            made.register(name, lake / name)
        return made

    def in_engine(settings: Settings, sql: str) -> pa.Table:
        query = runtime(settings).sql(sql)
        assert query.route == "engine", query.route_reason
        return query.to_arrow_table()

    def in_session(settings: Settings, sql: str) -> pa.Table:
        return runtime(settings).session.sql(sql).to_arrow_table()

    def over_leaf(settings: Settings, sql: str) -> pa.Table:
        config = SessionConfig()
        for name, value in settings:
            config = config.set(name, value)
        session = SessionContext(config)
        for name in TABLES:
            session.register_table(name, dfd_native.delta_table((lake / name).as_uri()))
        return session.sql(sql).to_arrow_table()

    runs = {"engine": in_engine, "session": in_session, "leaf": over_leaf}
    return lambda route, settings: functools.partial(runs[route], settings)


def comparable(rows: Rows, is_ordered: bool) -> list[tuple[Any, ...]]:
    """Rows whose NaN equal one another, in an order of their own unless they have one."""
    shown = [tuple(_comparable(value) for value in row) for row in rows]
    return shown if is_ordered else sorted(shown, key=repr)


def _comparable(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def wanted(case: Case, judge: duckdb.DuckDBPyConnection) -> Rows:
    if isinstance(case.wanted, list):
        return case.wanted
    return judge.execute(case.wanted or case.sql).fetchall()


def check(case: Case, run: Callable[[str], pa.Table], judge: duckdb.DuckDBPyConnection) -> None:
    found = [tuple(row.values()) for row in run(case.sql).to_pylist()]
    expected = comparable(wanted(case, judge), case.is_ordered)
    # Row by row: pytest compares two long lists that differ for hours where it shows the whole.
    for row, wanted_row in itertools.zip_longest(comparable(found, case.is_ordered), expected):
        assert row == wanted_row


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.issue)
def test_what_is_right(
    case: Case, route: str, connect: Connect, judge: duckdb.DuckDBPyConnection
) -> None:
    check(case, connect(route, case.settings), judge)


def faults() -> list[Any]:
    """Each case on each route that it is wrong on."""
    return [
        pytest.param(
            wrong.case,
            route,
            id=f"{wrong.case.issue}-{route}",
            marks=pytest.mark.xfail(strict=True, raises=AssertionError, reason=wrong.reason),
        )
        for wrong in WRONG
        for route in wrong.routes
    ]


@pytest.mark.parametrize(("case", "route"), faults())
def test_what_is_wrong(
    case: Case, route: str, connect: Connect, judge: duckdb.DuckDBPyConnection
) -> None:
    """What isn't closed: it fails when a release has repaired it."""
    # Which batch comes first is the scheduler's: each run is a chance of its own.
    for _ in range(10):
        check(case, connect(route, case.settings), judge)


def test_what_is_wrong_on_one_route_is_right_on_the_others(
    connect: Connect, judge: duckdb.DuckDBPyConnection
) -> None:
    for wrong in WRONG:
        for route in set(ROUTES) - set(wrong.routes):
            check(wrong.case, connect(route, wrong.case.settings), judge)


def test_random_is_drawn_twice_for_between(connect: Connect) -> None:
    """#25457: a fifth of the rows would be between, and 0.6 * 0.6 of them are."""
    for route in ROUTES:
        table = connect(route, ())(
            "select count(*) as n from many where random() between 0.4 and 0.6"
        )
        assert 0.28 * MANY < table["n"][0].as_py() < 0.45 * MANY
