"""Rows that dfd changes are those that Delta-Spark changes by the same statements, to Spark and to dfd."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable
from readers import READERS, Read, comparable
from test_shared import MAPPING, SCHEMA, VECTORS, rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FEED = "'delta.enableChangeDataFeed' = 'true'"
MATCHES = "s.id = t.id"


def in_spark(spark: SparkSession, data: pa.Table) -> DataFrame:
    """The rows; Spark takes local times of Arrow over as moments, in its session's zone: UTC."""
    frame = spark.createDataFrame(data)
    return frame.withColumn("wall", frame["wall"].cast("timestamp_ntz"))


def source() -> pa.Table:
    """Rows of which some are there, with other values."""
    given = rows(50, 75).to_pylist()
    return pa.Table.from_pylist([one | {"m": one["m"] * 2, "g": "new"} for one in given], SCHEMA)


def merged_by_dfd(uri: Path) -> Any:
    return (
        GuardedTable(uri)
        .merge(source(), MATCHES, "s", "t")
        .when_matched_delete("s.id % 5 = 0")
        .when_matched_update({"m": "s.m", "r": "s.r"}, "t.id % 2 = 0")
        .when_matched_update_all()
        .when_not_matched_insert_all("s.id <> 70")
        .when_not_matched_insert({"id": "-s.id"})
        .when_not_matched_by_source_update({"g": "'lone'"}, "t.id = 7")
        .when_not_matched_by_source_delete("t.id < 4")
        .execute()
    )


MERGE = f"""
    merge into {{table}} t using given s on {MATCHES}
    when matched and s.id % 5 = 0 then delete
    when matched and t.id % 2 = 0 then update set m = s.m, r = s.r
    when matched then update set *
    when not matched and s.id <> 70 then insert *
    when not matched then insert (id) values (-s.id)
    when not matched by source and t.id = 7 then update set g = 'lone'
    when not matched by source and t.id < 4 then delete
"""
STATEMENTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "delete": (
        lambda uri: GuardedTable(uri).delete("id % 7 = 3 and m > 2"),
        "delete from {table} where id % 7 = 3 and m > 2",
    ),
    "update": (
        lambda uri: GuardedTable(uri).update({"m": "m + 1", "g": "'a b'"}, "id between 20 and 40"),
        "update {table} set m = m + 1, g = 'a b' where id between 20 and 40",
    ),
    "merge": (merged_by_dfd, MERGE),
    "delete of nulls": (
        lambda uri: GuardedTable(uri).delete("g is null or r is null"),
        "delete from {table} where g is null or r is null",
    ),
    "delete all of a file": (
        lambda uri: GuardedTable(uri).delete("id >= 0"),
        "delete from {table} where id >= 0",
    ),
}


@pytest.mark.parametrize("partition_by", [None, ["g"]], ids=["whole", "by g"])
@pytest.mark.parametrize(
    "properties",
    ["", VECTORS, FEED, f"{VECTORS}, {FEED}", f"{MAPPING}, {VECTORS}"],
    ids=["plain", "vectors", "feed", "vectors and feed", "mapping and vectors"],
)
def test_statements_are_those_of_spark(
    spark: SparkSession,
    with_spark: Read,
    tmp_path: Path,
    properties: str,
    partition_by: list[str] | None,
) -> None:
    """Each on a table that Spark and dfd have changed in turn before, beside Spark's own."""
    mixed, whole = tmp_path / "mixed", tmp_path / "whole"
    frame = in_spark(spark, rows(0, 60)).repartition(3)
    written = frame.write.format("delta").option("delta.enableDeletionVectors", "false")
    (written.partitionBy(*partition_by) if partition_by else written).save(str(mixed))
    if properties:
        spark.sql(f"alter table delta.`{mixed}` set tblproperties ({properties})")
    shutil.copytree(mixed, whole)
    in_spark(spark, source()).createOrReplaceTempView("given")
    for number, (by_dfd, statement) in enumerate(STATEMENTS.values()):
        spark.sql(statement.format(table=f"delta.`{whole}`"))
        by_dfd(mixed)
        wanted = with_spark(whole)
        for read in (with_spark, READERS["dfd"]):
            assert comparable(read(mixed), SCHEMA.names) == comparable(wanted, SCHEMA.names)
        assert READERS["dfd"](whole).num_rows == wanted.num_rows
        if FEED in properties:
            assert changes(spark, mixed) == changes(spark, whole)
        # And Spark goes on with what dfd left.
        for uri in (mixed, whole):
            spark.sql(f"update delta.`{uri}` set m = m + 1 where id % 9 = {number}")
    told = spark.sql(f"describe history delta.`{mixed}`").toArrow().to_pylist()
    assert {one["operation"] for one in told} >= {"DELETE", "UPDATE", "MERGE"}


def changes(spark: SparkSession, uri: Path) -> Counter[str]:
    """The rows that the newest version changed, as Spark reads its change feed."""
    newest = spark.sql(f"describe history delta.`{uri}` limit 1").toArrow()["version"][0].as_py()
    options = {"readChangeFeed": "true", "startingVersion": newest, "endingVersion": newest}
    found = spark.read.format("delta").options(**options).load(str(uri))
    return Counter(map(repr, found.select("_change_type", *SCHEMA.names).toArrow().to_pylist()))


# Two columns more, the second of several fields, and a field more inside of one that is there.
WIDER = pa.schema([
    *(field for field in SCHEMA if field.name != "r"),
    ("x", pa.float64()),
    ("r", pa.struct({"a": pa.int32(), "b": pa.list_(pa.string()), "c": pa.string()})),
    ("w", pa.struct({"k": pa.int64(), "l": pa.list_(pa.int64())})),
])  # fmt: skip


def wider(first: int, after: int) -> pa.Table:
    """Rows with the further columns, of which `r` and `w` are null in some from 50 on.

    Where it updates by a null struct, Delta-Spark 4.0 writes one of nulls (delta-io/delta#2248).
    """

    def more(n: int) -> dict[str, Any]:
        if n >= 50 and n % 4 == 0:
            return {"x": n / 8, "r": None, "w": None}
        inner = {"a": n, "b": [None, f"row {n}"], "c": f"c {n}"}
        return {"x": n / 8, "r": inner, "w": {"k": n, "l": [n, None]}}

    given = rows(first, after).to_pylist()
    return pa.Table.from_pylist([{**one, "g": "new", **more(one["id"])} for one in given], WIDER)


@pytest.mark.parametrize("partition_by", [None, ["g"]], ids=["whole", "by g"])
@pytest.mark.parametrize(
    "properties",
    ["", f"{VECTORS}, {FEED}", f"{MAPPING}, {VECTORS}"],
    ids=["plain", "vectors and feed", "mapping and vectors"],
)
def test_added_columns_are_those_of_spark(
    spark: SparkSession,
    with_spark: Read,
    tmp_path: Path,
    properties: str,
    partition_by: list[str] | None,
) -> None:
    """An append and a MERGE that bring columns along, by dfd and by Spark, and statements of both afterwards."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    written = in_spark(spark, rows(0, 40)).repartition(2).write.format("delta")
    written = written.option("delta.enableDeletionVectors", "false")
    (written.partitionBy(*partition_by) if partition_by else written).save(str(ours))
    if properties:
        spark.sql(f"alter table delta.`{ours}` set tblproperties ({properties})")
    shutil.copytree(ours, theirs)

    def same(what: str) -> None:
        wanted = with_spark(theirs)
        kinds = {field.name: field.type for field in wanted.schema}
        assert {field.name: field.type for field in with_spark(ours).schema} == kinds, what
        for read in (with_spark, READERS["dfd"]):
            assert comparable(read(ours), [*kinds]) == comparable(wanted, [*kinds]), what

    appended = in_spark(spark, wider(40, 50)).write.format("delta").mode("append")
    appended.option("mergeSchema", "true").save(str(theirs))
    GuardedTable(ours).append(wider(40, 50), schema_mode="merge")
    same("append")
    for uri in (ours, theirs):
        spark.sql(f"update delta.`{uri}` set x = x + 1, w.k = -w.k, r.c = 'u' where id > 45")
    same("update by Spark")

    merged = wider(30, 60).append_column("y", pa.array([f"y {n}" for n in range(30, 60)]))
    in_spark(spark, merged).createOrReplaceTempView("more")
    # Of `merge with schema evolution into` Delta-Spark 4.0.1 takes no column of the source along.
    evolves = "spark.databricks.delta.schema.autoMerge.enabled"
    spark.conf.set(evolves, "true")
    spark.sql(
        f"merge into delta.`{theirs}` t using more s on {MATCHES} "
        "when matched and s.id % 3 = 0 then delete when matched then update set * "
        "when not matched then insert *"
    )
    spark.conf.unset(evolves)
    merging = GuardedTable(ours).merge(merged, MATCHES, "s", "t", merge_schema=True)
    merging = merging.when_matched_delete("s.id % 3 = 0").when_matched_update_all()
    merging.when_not_matched_insert_all().execute()
    same("merge")
    if FEED in properties:
        assert changes(spark, ours) == changes(spark, theirs)

    for statement in ("update {} set y = 'z' where x is null", "delete from {} where w is null"):
        spark.sql(statement.format(f"delta.`{theirs}`"))
    GuardedTable(ours).update({"y": "'z'"}, "x is null")
    GuardedTable(ours).delete("w is null")
    same("update and delete")
