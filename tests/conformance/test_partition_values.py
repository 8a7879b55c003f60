"""Partition values that are hard to read: years beyond four digits, and Hive's name of null.

The values stand here as days and microseconds since 1970 in the proleptic calendar, which Python's `date` ends short of.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from judges import JUDGED, days, micros
from reading import by_session
from written_by_hand import Log, field

DAY = 86_400_000_000
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
Values = dict[str, int | None]

DATES: Values = {
    "-9999-01-01": -4_371_587,
    "-0001-12-31": -719_529,
    "0000-01-01": -719_528,
    "0000-02-29": -719_469,
    "0001-01-01": -719_162,
    "9999-12-31": 2_932_896,
    "+10000-01-01": 2_932_897,
    "": None,
}
TIMES: Values = {
    "-9999-01-01 00:00:00": -4_371_587 * DAY,
    "-9999-12-31 23:59:59.999999": -4_371_222 * DAY - 1,
    "0000-02-29 12:00:00": -719_469 * DAY + DAY // 2,
    "0001-01-01 00:00:00": -719_162 * DAY,
    "9999-12-31 23:59:59.999999": 2_932_897 * DAY - 1,
    "+10000-01-01 00:00:00": 2_932_897 * DAY,
    "": None,
}
# As writers of today have them.
MOMENTS: Values = {text and f"{text.replace(' ', 'T')}Z": micros for text, micros in TIMES.items()}
KINDS: dict[str, tuple[str, Values]] = {
    "date": ("date", DATES),
    "timestamp_ntz": ("timestamp_ntz", TIMES),
    "timestamp": ("timestamp", TIMES),
    "timestamp of ISO": ("timestamp", MOMENTS),
}
NUMBER = {"date": days, "timestamp": micros, "timestamp_ntz": micros}


def table(root: Path, kind: str, values: Values) -> Log:
    """Version `n` adds the row `n`, of the `n`th value."""
    log = Log(root, [field("id", "long"), field("p", kind)], ["p"])
    for number, text in enumerate(values, 1):
        data = pa.table({"id": [number]})
        log.commit(log.file(f"{number}.parquet", data, partition={"p": text or None}))
    for version in range(log.version):
        time = (START + timedelta(days=version)).timestamp()
        os.utime(root / f"_delta_log/{version:020}.json", (time, time))
    return log


def numbers(read: Callable[[Path, str], pa.Table], root: Path, kind: str) -> list[Any]:
    found = read(root, f"select id, {NUMBER[kind](read, 'p')} as p from t order by id")
    assert found["id"].to_pylist() == list(range(1, len(found) + 1))
    return found["p"].to_pylist()


@pytest.mark.parametrize("read", JUDGED)
@pytest.mark.parametrize("case", KINDS)
def test_years_of_any_length(tmp_path: Path, case: str, read: Any) -> None:
    kind, values = KINDS[case]
    root = table(tmp_path / "t", kind, values).root
    assert numbers(read, root, kind) == list(values.values())
    ordered = read(root, "select id from t order by p nulls first")["id"].to_pylist()
    assert ordered == [len(values), *range(1, len(values))]
    as_number = NUMBER[kind]
    for number, value in enumerate(values.values(), 1):
        condition = "p is null" if value is None else f"{as_number(read, 'p')} = {value}"
        found = read(root, f"select id from t where {condition}")["id"].to_pylist()
        assert found == [number]
    least, greatest = as_number(read, "min(p)"), as_number(read, "max(p)")
    ends = read(root, f"select {least} as a, {greatest} as b from t")
    known = [value for value in values.values() if value is not None]
    assert ends.to_pylist() == [{"a": min(known), "b": max(known)}]
    counted = read(root, "select count(*) as n from (select p from t group by p)")
    assert counted["n"].to_pylist() == [len(values)]


COMPARISONS = {
    "date": ["p < date '0001-01-01'", "p >= date '9999-12-31'", "p > date '2024-01-01'"],
    "timestamp_ntz": [
        "p < timestamp(6) '0001-01-01'", "p > timestamp(6) '9999-12-31'", "p > '2024-01-01'",
    ],
    "timestamp": [
        "p < timestamp(6) '0001-01-01'", "p > timestamp(6) '9999-12-31'", "p > '2024-01-01'",
    ],
}  # fmt: skip


@pytest.mark.parametrize("read", JUDGED)
@pytest.mark.parametrize("case", KINDS)
def test_years_are_compared(tmp_path: Path, case: str, read: Any) -> None:
    kind, values = KINDS[case]
    root = table(tmp_path / "t", kind, values).root
    texts = [text.lstrip("+") for text in values]
    before = [n for n, text in enumerate(texts, 1) if text.startswith(("-", "0000"))]
    far = [n for n, text in enumerate(texts, 1) if text.startswith(("9999", "10000"))]
    for condition, ids in zip(COMPARISONS[kind], (before, far, far), strict=True):
        found = read(root, f"select id from t where {condition} order by id")["id"].to_pylist()
        assert found == ids, condition


@pytest.mark.parametrize("case", KINDS)
def test_years_in_versions_and_in_the_feed(tmp_path: Path, case: str) -> None:
    kind, values = KINDS[case]
    log = table(tmp_path / "t", kind, values)
    number = NUMBER[kind](by_session, "p")
    for version in range(1, log.version):
        session = SessionContext()
        session.register_table("t", dfd_native.delta_table(log.root.as_uri(), version=version))
        found = session.sql(f"select {number} as p from t order by id").to_arrow_table()
        assert found["p"].to_pylist() == list(values.values())[:version]
    with dfd.connect() as runtime:
        runtime.register("t", log.root, timestamp=START + timedelta(days=2, hours=1))
        found = runtime.sql(f"select {number} as p from t order by id").to_arrow_table()
        assert found["p"].to_pylist() == list(values.values())[:2]
        feed = runtime.sql(
            f"select {number} as p, _commit_version as v from read_delta_cdf('{log.root}', 0) order by id"
        )
        rows = [tuple(row.values()) for row in feed.to_arrow_table().to_pylist()]
    assert rows == [(value, n) for n, value in enumerate(values.values(), 1)]


@pytest.mark.parametrize("read", JUDGED)
def test_the_folder_of_nulls_is_a_folder(tmp_path: Path, read: Any) -> None:
    """Paths say nothing of partitions: the action does."""
    log = Log(tmp_path / "t", [field("id", "long"), field("p", "string")], ["p"])
    values = [None, "", "x"]
    for number, value in enumerate(values):
        data = pa.table({"id": [number]})
        path = f"p={HIVE_NULL}/{number}.parquet"
        log.commit(log.file(path, data, partition={"p": value}))
    found = read(log.root, "select id, p from t order by id").to_pylist()
    # An empty text is how null is written too (protocol, section "Partition Value Serialization").
    assert [row["p"] for row in found] == [None, None, "x"]
    assert read(log.root, "select id from t where p is null order by id")["id"].to_pylist() == [
        0,
        1,
    ]
