"""Partitions are chosen by values of the column's type, however they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable, InvalidOperation, Status

Natives = Callable[..., Any]

UTC = timezone.utc
NAN = float("nan")
# Values in their order, and the spellings of the middle one.
KINDS: dict[str, tuple[pa.DataType, list[Any], list[Any]]] = {
    "date": (
        pa.date32(),
        [date(999, 1, 2), date(2026, 1, 2), date(2026, 1, 10)],
        [date(2026, 1, 2), "2026-01-02"],
    ),
    "bigint": (pa.int64(), [-5, 9, 10], [9, "9", 9.0, Decimal(9)]),
    "byte": (pa.int8(), [-5, 9, 10], [9, "9"]),
    "double": (pa.float64(), [-1.5, 9.5, 10.25], [9.5, "9.5", Decimal("9.5")]),
    "NaN": (pa.float64(), [-1.5, 9.5, NAN], [9.5, "9.5"]),
    "decimal": (
        pa.decimal128(10, 2),
        [Decimal("1.50"), Decimal("9.00"), Decimal("10.05")],
        [Decimal("9.00"), Decimal(9), "9.00", "9", 9],
    ),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        [
            datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=UTC),
            datetime(2026, 1, 2, tzinfo=UTC),
            datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC),
        ],
        [
            datetime(2026, 1, 2, tzinfo=UTC),
            datetime(2026, 1, 2),
            date(2026, 1, 2),
            "2026-01-02",
            "2026-01-02 00:00:00.000000",
            "2026-01-02T00:00:00Z",
            "2026-01-02T01:00:00+01:00",
        ],
    ),
    "timestamp_ntz": (
        pa.timestamp("us"),
        [datetime(1, 1, 1), datetime(2026, 1, 2), datetime(2026, 1, 10)],
        [datetime(2026, 1, 2), date(2026, 1, 2), "2026-01-02 00:00:00"],
    ),
    "string": (pa.string(), ["10", "9", "a b%"], ["9", 9]),
    "boolean": (pa.bool_(), [False, True], [True, "true"]),
}
ORDER = {
    "=": lambda place, given: place == given,
    "!=": lambda place, given: place != given,
    "<": lambda place, given: place < given,
    "<=": lambda place, given: place <= given,
    ">": lambda place, given: place > given,
    ">=": lambda place, given: place >= given,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_one_of_the_columns_type(
    tmp_path: Path, make_native: Natives, kind: str
) -> None:
    """Every operator, with every spelling: how many files it takes is a matter of places alone."""
    arrow, values, spellings = KINDS[kind]
    table = GuardedTable(tmp_path / "t")
    data = pa.table({"p": pa.array([*values, None], arrow), "n": [0] * (len(values) + 1)})
    table.append(data, partition_by=["p"])
    make_native().on(table)
    for compared, takes in ORDER.items():
        # A null is in no order; it is another value than every one.
        wanted = sum(takes(place, 1) for place in range(len(values))) + (compared == "!=")
        for given in spellings:
            outcome = table.optimize(partition_filters=[("p", compared, given)])
            assert outcome.metrics["totalConsideredFiles"] == wanted, (compared, given)
    for given in spellings:
        for compared, wanted in (("in", 2), ("not in", len(values) - 1)):
            outcome = table.optimize(partition_filters=[("p", compared, [given, None])])
            assert outcome.metrics["totalConsideredFiles"] == wanted, (compared, given)


@pytest.mark.parametrize("day", [date(2026, 1, 2), "2026-01-02"])
def test_both_spellings_rewrite_the_same(
    tmp_path: Path, make_native: Natives, rows: Any, day: Any
) -> None:
    table = GuardedTable(tmp_path / "t")
    for n in range(2):
        days = [date(2026, 1, number) for number in (1, 2, 10)]
        table.append(pa.table({"day": days, "n": [n] * 3}), partition_by=["day"])
    make_native().on(table)
    before = rows(table)
    outcome = table.optimize(partition_filters=[("day", ">=", day)])
    assert outcome.status is Status.COMMITTED
    assert (outcome.metrics["numFilesRemoved"], outcome.metrics["partitionsOptimized"]) == (4, 2)
    assert rows(table) == before


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (("day", ">=", "yesterday"), "'yesterday' is no value of day, which is date32"),
        (("day", "=", "2026-02-30"), "2026-02-30"),
        (("day", "=", 1.5), "1.5 is no value"),
        (("n", "=", "x"), "'x' is no value of n"),
        (("n", "=", 1.5), "1.5 is no value"),
        (("n", "=", 300), "300 is no value"),
        (("at", "=", "noon"), "'noon' is no value of at"),
        (("day", "in", "2026-01-02"), "compares day with a list"),
        (("day", "in", date(2026, 1, 2)), "compares day with a list"),
        (("n", "in", [1, "x"]), "'x' is no value"),
        (("v", "=", 1), "'v' is no partition column"),
        (("n", "like", "1"), "'like' is none of"),
    ],
)
def test_what_is_no_value_is_refused(
    tmp_path: Path, make_native: Natives, one: Any, said: str
) -> None:
    data = pa.table(
        {
            "day": [date(2026, 1, 1)],
            "n": pa.array([1], pa.int8()),
            "at": pa.array([datetime(2026, 1, 1)], pa.timestamp("us")),
            "v": [1],
        }
    )
    table = GuardedTable(tmp_path / "t")
    table.append(data, partition_by=["day", "n", "at"])
    make_native().on(table)
    with pytest.raises(InvalidOperation, match=said):
        table.optimize(partition_filters=[one])
    assert table.version() == 0
