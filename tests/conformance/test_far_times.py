"""Times that nanoseconds can't hold, as tables of validity have them: 9999-12-31 and 0001-01-01.

The judge of each condition is Python's own comparison of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import dfd
import pyarrow as pa
import pytest
from judges import by_duckdb
from reading import by_engine, by_session, rows
from written_by_hand import field, write

UTC = timezone.utc
FAR, FIRST = datetime(9999, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
SINCE = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2023, 5, 1, tzinfo=UTC), FIRST, None]
UNTIL = [datetime(2023, 5, 1, tzinfo=UTC), FAR, FAR, None]
DAYS = [date(2023, 5, 1), date(9999, 12, 31), date(1, 1, 1), None]
Condition = Callable[[Any, Any, Any], bool]
IN_2024 = datetime(2024, 1, 1, tzinfo=UTC)

# What SQL says, and what Python does. A plain session can plan the first ones.
NEAR: dict[str, Condition] = {
    "until > now()": lambda since, until, day: until > datetime.now(UTC),
    "now() between since and until": lambda since, until, day: since <= datetime.now(UTC) <= until,
    "until > timestamp '2024-01-01'": lambda since, until, day: until > IN_2024,
    "until >= date '2024-01-01'": lambda since, until, day: until >= IN_2024,
    "since <= timestamp '2021-01-01' and timestamp '2021-01-01' < until": (
        lambda since, until, day: since <= datetime(2021, 1, 1, tzinfo=UTC) < until
    ),
    "day < timestamp '2024-01-01 00:00:00.000001'": lambda since, until, day: (
        day <= date(2024, 1, 1)
    ),
    "day >= timestamp '2023-05-01'": lambda since, until, day: day >= date(2023, 5, 1),
    "cast(day as timestamp(6)) < local": lambda since, until, day: day < until.date(),
    "cast(until as date) = date '9999-12-31'": lambda since, until, day: until == FAR,
    "extract(year from until) = 9999": lambda since, until, day: until == FAR,
    "until = timestamp(6) '9999-12-31'": lambda since, until, day: until == FAR,
    "local = timestamp(6) '9999-12-31'": lambda since, until, day: until == FAR,
}
BEYOND: dict[str, Condition] = {
    "until = timestamp '9999-12-31'": lambda since, until, day: until == FAR,
    "timestamp '9999-12-31 00:00:00' <> until": lambda since, until, day: until != FAR,
    "until < '9999-12-31T00:00:00Z'": lambda since, until, day: until < FAR,
    "until = '9999-12-31 00:00:00'": lambda since, until, day: until == FAR,
    "local = '9999-12-31'": lambda since, until, day: until == FAR,
    "until = date '9999-12-31'": lambda since, until, day: until == FAR,
    "until in (timestamp '9999-12-31', '2023-05-01')": lambda since, until, day: True,
    "until between since and timestamp '9999-12-30'": (
        lambda since, until, day: since <= until < FAR
    ),
    "until not between date '2024-01-01' and '9999-12-31'": (
        lambda since, until, day: not IN_2024 <= until <= FAR
    ),
    "until = timestamp '9999-12-31' and since < now() and upper(name) = 'B'": (
        lambda since, until, day: until == FAR and since == SINCE[1]
    ),
    "coalesce(until, timestamp '2024-01-01') > timestamp '2024-01-01'": (
        lambda since, until, day: until > IN_2024
    ),
    "greatest(until, timestamp '2024-01-01') > timestamp '2024-01-01'": (
        lambda since, until, day: until > IN_2024
    ),
    "nullif(until, timestamp '2024-01-01') is not null": lambda since, until, day: True,
    "since > timestamp '0001-01-01'": lambda since, until, day: since > FIRST,
    "id in (select id from t where until = timestamp '9999-12-31')": (
        lambda since, until, day: until == FAR
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file a row, with bounds as Spark writes them."""
    kinds = {"since": "timestamp", "until": "timestamp", "local": "timestamp_ntz", "day": "date"}
    fields = [field("id", "long"), field("name", "string")]
    fields += [field(name, kind) for name, kind in kinds.items()]
    moment = pa.timestamp("us", "UTC")
    files, stats = [], []
    for number, (since, until, day) in enumerate(zip(SINCE, UNTIL, DAYS, strict=True)):
        local = until and until.replace(tzinfo=None)
        files.append(pa.table({
            "id": [number],
            "name": ["abcd"[number]],
            "since": pa.array([since], moment),
            "until": pa.array([until], moment),
            "local": pa.array([local], pa.timestamp("us")),
            "day": pa.array([day], pa.date32()),
        }))  # fmt: skip
        known = {"since": since, "until": until, "local": local, "day": day}
        bounds = {
            name: str(value).replace(" ", "T").replace("+00:00", ".000Z")
            for name, value in known.items()
            if value is not None
        }
        nulls = {name: int(value is None) for name, value in known.items()}
        stats.append(
            {"numRecords": 1, "minValues": bounds, "maxValues": bounds, "nullCount": nulls}
        )
    root = tmp_path_factory.mktemp("far") / "t"
    return write(root, fields, files, stats=stats)


def expected(condition: Condition) -> list[tuple[int]]:
    each = enumerate(zip(SINCE, UNTIL, DAYS, strict=True))
    return [(number,) for number, row in each if None not in row and condition(*row)]


@pytest.mark.parametrize("condition", [*NEAR, *BEYOND])
def test_conditions_in_the_engine(table: Path, condition: str) -> None:
    sql = f"select id from t where {condition}"
    wanted = expected({**NEAR, **BEYOND}[condition])
    assert rows(by_engine(table, sql)) == wanted == rows(by_duckdb(table, sql))


@pytest.mark.parametrize("condition", NEAR)
def test_conditions_in_a_plain_session(table: Path, condition: str) -> None:
    found = by_session(table, f"select id from t where {condition}")
    assert rows(found) == expected(NEAR[condition])


def test_what_a_plain_session_cannot_plan_is_an_error(table: Path) -> None:
    """`docs/limits.md` says so; here it would be noticed that DataFusion can."""
    with pytest.raises(Exception, match="Nanosecond"):
        by_session(table, "select id from t where until = timestamp '9999-12-31'")


def test_files_are_skipped_by_a_time_that_far(table: Path) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", table)
        query = runtime.sql("select id from t where until = timestamp '9999-12-31'")
        assert rows(query.to_arrow_table()) == [(1,), (2,)]
        scans = [found.metrics for found in query.metrics() if "files_scanned" in found.metrics]
        assert [(scan["files_scanned"], scan["files_considered"]) for scan in scans] == [(2, 4)]


def test_the_greatest_and_the_least(table: Path) -> None:
    sql = "select min(since) as a, max(until) as b, min(day) as c, max(day) as d from t"
    for read in (by_engine, by_duckdb):
        assert rows(read(table, sql)) == [(FIRST, FAR, date(1, 1, 1), date(9999, 12, 31))]


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month", "quarter", "year"])
def test_far_times_are_truncated(table: Path, unit: str) -> None:
    since, until, local = (f"date_trunc('{unit}', {name})" for name in ("since", "until", "local"))
    for sql in (
        f"select id, {since} as a, {until} as b, {local} as c, {until} = until as d from t order by id",
        f"select {until} as a, count(*) as n from t where {local} > {since} group by 1 order by 1",
    ):
        assert rows(by_engine(table, sql)) == rows(by_duckdb(table, sql))


def test_what_cannot_be_computed_is_an_error(table: Path) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", table)
        with pytest.raises(dfd.QueryError, match="Divide by zero"):
            runtime.sql("select id from t where id = 1 / 0").to_arrow_table()
        # A value that nanoseconds don't have is none in microseconds where its type is asked for.
        with pytest.raises(dfd.QueryError, match="Nanosecond"):
            runtime.sql("select timestamp '9999-12-31' as a").to_arrow_table()


@pytest.mark.parametrize("now", ["now()", "timestamp '2026-01-02'"])
def test_beside_a_time_of_nanoseconds_the_error_says_what_helps(table: Path, now: str) -> None:
    """The session gives such a result the type of nanoseconds before dfd is asked."""
    sql = "select until as a from t where id = 1 union all select {} as a"
    with dfd.connect() as runtime:
        runtime.register("t", table)
        with pytest.raises(dfd.QueryError, match=r"write `cast\(now\(\) as timestamp\(6\)\)`"):
            runtime.sql(sql.format(now)).to_arrow_table()
        found = runtime.sql(sql.format(f"cast({now} as timestamp(6))")).to_arrow_table()
        assert FAR in found["a"].to_pylist()
