"""Spark skips files by the statistics of a stage, and never one that has a row it looks for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from math import inf, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TEXTS = ["", "a", "b", *(
    head * count + tail
    for head in ("a", "é", "\U0010ffff")
    for count in (31, 32, 33)
    for tail in ("", "b", "\x7f", "\U0010ffff", "\U0010ffffa")
)]  # fmt: skip
MOMENTS = [
    datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(1970, 1, 1), datetime(2024, 2, 29, 12, 0, 0, 1),
    datetime(2024, 2, 29, 12, 0, 0, 999), datetime(2024, 2, 29, 12, 0, 0, 1000), datetime(2024, 2, 29, 12, 0, 0, 999_999),
    datetime(9999, 12, 31, 23, 59, 59, 999_999),
]  # fmt: skip
FLOATS = [nan, inf, -inf, 0.0, -0.0, 0.1, 1.5, -1.5, 1e308, 5e-324]
MOST = 10**38 - 1


def quoted(value: str) -> str:
    escaped = "".join(f"\\U{ord(one):08x}" for one in value)
    return f"'{escaped}'"


def number(value: float) -> str:
    return f"double('{value!r}')"


def moment(kind: str) -> Callable[[datetime], str]:
    return lambda value: f"{kind} '{value.replace(tzinfo=None).isoformat(sep=' ')}'"


# Of each column its type, values and how SQL writes them.
COLUMNS: dict[str, tuple[pa.DataType, list[Any], Callable[[Any], str]]] = {
    "text": (pa.string(), TEXTS, quoted),
    "at": (
        pa.timestamp("us", "UTC"),
        [value.replace(tzinfo=timezone.utc) for value in MOMENTS],
        moment("timestamp"),
    ),
    "wall": (pa.timestamp("us"), MOMENTS, moment("timestamp_ntz")),
    "day": (pa.date32(), [value.date() for value in MOMENTS], lambda value: f"date '{value}'"),
    "big": (
        pa.decimal128(38, 0),
        [Decimal(value) for value in (-MOST, -(2**63), -1, 0, 1, 2**53 + 1, MOST - 1, MOST)],
        lambda value: f"{value:f}BD",
    ),
    "small": (
        pa.decimal128(9, 4),
        [Decimal(value).scaleb(-4) for value in (-999_999_999, -1, 0, 1, 15_000, 999_999_999)],
        lambda value: f"{value:f}BD",
    ),
    "float": (pa.float64(), FLOATS, number),
    "whole": (
        pa.int64(),
        [-(2**63), -(2**53) - 1, 0, 2**53 + 1, 2**63 - 1],
        lambda value: f"cast('{value}' as long)",
    ),
}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def ordered(value: Any) -> Any:
    """By which values compare as Spark's do: texts by their bytes, NaN as the largest number."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, float):
        return (isnan(value), 0.0 if isnan(value) else value)
    return value


def matching(values: list[Any], sign: str, bound: Any) -> list[int]:
    holds = OPERATORS[sign]
    return [
        number
        for number, value in enumerate(values)
        if value is not None and holds(ordered(value), ordered(bound))
    ]


@pytest.fixture
def dictionaries_unread(spark: SparkSession) -> Iterator[None]:
    """Spark leaves what it knows of a file's dictionaries, and goes by bounds alone."""
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("parquet.filter.dictionary.enabled", "false")
    yield
    hadoop.unset("parquet.filter.dictionary.enabled")


@pytest.mark.xfail(
    strict=True,
    reason="Spark's Parquet compares dictionaries bit by bit: a file with -0.0 alone has no 0.0",
)
def test_zeros_of_either_sign_are_equal_in_dictionaries(
    spark: SparkSession, tmp_path: Path
) -> None:
    GuardedTable(tmp_path / "t").append(pa.table({"zero": [-0.0]}))
    frame = spark.read.format("delta").load(str(tmp_path / "t"))
    assert frame.where("zero = double('0.0')").count() == 1


@pytest.mark.usefixtures("dictionaries_unread")
@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows_of_a_file", [1, 3])
def test_no_file_of_a_match_is_skipped(
    spark: SparkSession, tmp_path: Path, name: str, rows_of_a_file: int
) -> None:
    kind, bounds, literal = COLUMNS[name]
    values = [*bounds, None]
    files = [number // rows_of_a_file for number in range(len(values))]
    uri = tmp_path / "t"
    data = pa.table({"id": range(len(values)), "file": files, name: pa.array(values, kind)})
    GuardedTable(uri).append(data, partition_by=["file"])
    frame = spark.read.format("delta").load(str(uri))
    asked = [(sign, bound) for sign in OPERATORS for bound in bounds]
    filters = {f"`{name}` {sign} {literal(bound)}": (sign, bound) for sign, bound in asked}
    wanted = {index: matching(values, *of) for index, of in enumerate(filters.values())}
    texts = [*filters, f"`{name}` is null", f"`{name}` is not null"]
    wanted[len(filters)] = [len(bounds)]
    wanted[len(filters) + 1] = list(range(len(bounds)))

    found: dict[int, list[int]] = {index: [] for index in wanted}
    parts = [
        frame.where(text).selectExpr(f"{index} as asked", "id") for index, text in enumerate(texts)
    ]
    for some in range(0, len(parts), 40):
        union = parts[some]
        for part in parts[some + 1 : some + 40]:
            union = union.unionAll(part)
        for row in union.toArrow().to_pylist():
            found[row["asked"]].append(row["id"])
    assert {index: sorted(ids) for index, ids in found.items()} == wanted
    assert len(frame.where(texts[-2]).inputFiles()) < len(set(files))
