"""Spark and dfd write to the same table in turn, and each reads what the other left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dfd
import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable
from readers import READERS, Read, comparable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = pa.schema([
    ("id", pa.int64()), ("g", pa.string()), ("m", pa.decimal128(9, 2)), ("at", pa.timestamp("us", "UTC")),
    ("wall", pa.timestamp("us")), ("r", pa.struct({"a": pa.int32(), "b": pa.list_(pa.string())})),
])  # fmt: skip
GROUPS = ["a b", "ü/%", None]


def row(number: int) -> dict[str, Any]:
    at = datetime(2024, 1, 1, 0, 0, number % 60, 1, timezone.utc)
    inner = None if number % 5 == 0 else {"a": number, "b": [None, f"row {number}"]}
    return {
        "id": number, "g": GROUPS[number % 3], "m": Decimal(number) / 4, "at": at,
        "wall": at.replace(tzinfo=None), "r": inner,
    }  # fmt: skip


def rows(first: int, after: int) -> pa.Table:
    return pa.Table.from_pylist([row(number) for number in range(first, after)], SCHEMA)


def without(table: pa.Table, gone: Callable[[dict[str, Any]], bool]) -> pa.Table:
    return pa.Table.from_pylist([one for one in table.to_pylist() if not gone(one)], SCHEMA)


VECTORS = "'delta.enableDeletionVectors' = 'true'"
CHECKPOINTS = "'delta.checkpointInterval' = '2', 'delta.checkpoint.writeStatsAsStruct' = 'true'"
MAPPING = "'delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5'"


@pytest.mark.parametrize("partition_by", [None, ["g"]], ids=["whole", "by g"])
@pytest.mark.parametrize(
    "properties",
    ["", VECTORS, CHECKPOINTS, MAPPING],
    ids=["plain", "vectors", "checkpoints", "mapping"],
)
def test_in_turn(
    spark: SparkSession,
    with_spark: Read,
    tmp_path: Path,
    properties: str,
    partition_by: list[str] | None,
) -> None:
    uri = tmp_path / "t"
    table = f"delta.`{uri}`"

    def is_everywhere(wanted: pa.Table) -> None:
        for read in (with_spark, READERS["dfd"]):
            assert comparable(read(uri), SCHEMA.names) == comparable(wanted, SCHEMA.names)

    GuardedTable(uri).append(rows(0, 60), partition_by=partition_by)
    if properties:
        spark.sql(f"alter table {table} set tblproperties ({properties})")
    # Spark takes local times of Arrow over as moments, in its session's zone: UTC.
    more = spark.createDataFrame(rows(60, 80))
    more = more.withColumn("wall", more["wall"].cast("timestamp_ntz"))
    more.write.format("delta").mode("append").save(str(uri))
    wanted = rows(0, 80)
    is_everywhere(wanted)

    spark.sql(f"delete from {table} where id % 7 = 3 and at > timestamp '2024-01-01 00:00:05'")
    wanted = without(wanted, lambda one: one["id"] % 7 == 3 and one["at"].second >= 5)
    is_everywhere(wanted)

    GuardedTable(uri).append(rows(80, 90))
    spark.sql(f"optimize {table}")
    wanted = pa.concat_tables([wanted, rows(80, 90)])
    is_everywhere(wanted)

    GuardedTable(uri).append(rows(90, 100))
    spark.sql(f"delete from {table} where g <=> null")
    spark.sql(f"update {table} set m = -m where id > 85")
    wanted = without(pa.concat_tables([wanted, rows(90, 100)]), lambda one: one["g"] is None)
    wanted = pa.Table.from_pylist(
        [one | {"m": -one["m"]} if one["id"] > 85 else one for one in wanted.to_pylist()], SCHEMA
    )
    is_everywhere(wanted)

    # What dfd writes anew, Spark reads, and goes on with.
    rewrites = GuardedTable(uri).optimize(), GuardedTable(uri).z_order(["id", "m"])
    assert all(rewrite.metrics["numFilesRemoved"] for rewrite in rewrites)
    is_everywhere(wanted)
    told = spark.sql(f"describe history {table} limit 2").toArrow().to_pylist()
    assert [one["operation"] for one in told] == ["OPTIMIZE", "OPTIMIZE"]
    spark.sql(f"delete from {table} where id = 1")
    wanted = without(wanted, lambda one: one["id"] == 1)
    is_everywhere(wanted)
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        query = "select count(*) as n from t where g is null"
        assert runtime.sql(query).to_arrow_table().to_pylist() == [{"n": 0}]
