"""Write the suite of Delta tables in tests/conformance/spark, with Spark and delta-spark.

    nox -s spark-tables

Needs Java 17 and Maven Central. Each table lies in `NAME/delta`, one of very many files in `NAME/delta.tar.xz`;
`NAME/expected/VERSION.parquet` has the rows that Spark reads at that version, and `NAME/README` says
what is particular about it. The tables are small, and committed: their tests need neither Java nor Spark.
Names of tables after the directory write those anew, and no others.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import spark_rules
from delta import configure_spark_with_delta_pip
from delta.tables import DeltaTable, IdentityGenerator
from pyspark.sql import DataFrame, SparkSession

Write = Callable[[SparkSession, str], None]


class Described(NamedTuple):
    """How a table is written, and of which versions the rows are kept: all, or a few of very many."""

    note: str
    write: Write
    versions: Collection[int] | None


TABLES: dict[str, Described] = {
    name: Described(note, write, None) for name, (note, write) in spark_rules.TABLES.items()
}


def table(note: str, versions: Collection[int] | None = None) -> Callable[[Write], Write]:
    """Register a function that writes a table at a path. With `versions` it is packed into one file."""

    def add(write: Write) -> Write:
        TABLES[write.__name__] = Described(note, write, versions)
        return write

    return add


def create(spark: SparkSession, path: str, columns: str, rest: str = "") -> None:
    """CREATE TABLE with its own log, no metastore."""
    spark.sql(f"create table delta.`{path}` ({columns}) using delta {rest}")


def numbers(spark: SparkSession, count: int, start: int = 0) -> DataFrame:
    """Rows of several kinds, in one file."""
    return (
        spark.range(start, start + count)
        .selectExpr(
            "id",
            "cast(id % 3 as int) as g",
            "concat('row ', id) as s",
            "cast(id / 4 as decimal(9, 2)) as m",
            "date_add(date '2020-01-01', cast(id as int)) as d",
        )
        .coalesce(1)
    )


DV = "tblproperties ('delta.enableDeletionVectors' = 'true')"


@table("rows deleted by deletion vectors, in two steps")
def dv_delete(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, g int, s string, m decimal(9,2), d date", DV)
    numbers(spark, 200).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where id % 10 = 3")
    spark.sql(f"delete from delta.`{path}` where id < 20")


@table("rows updated under deletion vectors")
def dv_update(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, g int, s string, m decimal(9,2), d date", DV)
    numbers(spark, 200).write.format("delta").mode("append").save(path)
    spark.sql(f"update delta.`{path}` set s = 'new', m = m + 1 where g = 1")


@table("a merge under deletion vectors: updates, deletes and inserts")
def dv_merge(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, g int, s string, m decimal(9,2), d date", DV)
    numbers(spark, 100).write.format("delta").mode("append").save(path)
    numbers(spark, 60, 80).createOrReplaceTempView("incoming")
    spark.sql(
        f"""
        merge into delta.`{path}` t using incoming s on t.id = s.id
        when matched and s.g = 0 then delete
        when matched then update set s = 'merged'
        when not matched then insert *
        """
    )


@table("deletion vectors, then OPTIMIZE and a RESTORE to before it")
def dv_restore(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, g int, s string, m decimal(9,2), d date", DV)
    for start in (0, 50):
        numbers(spark, 50, start).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where g = 2")
    spark.sql(f"optimize delta.`{path}`")
    spark.sql(f"restore table delta.`{path}` to version as of 3")


@table("a whole file deleted row by row, and a partitioned table with deletion vectors")
def dv_partitioned(spark: SparkSession, path: str) -> None:
    columns = "id long, g int, s string, m decimal(9,2), d date"
    create(spark, path, columns, f"partitioned by (g) {DV}")
    numbers(spark, 90).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where g = 0 and id < 80")
    spark.sql(f"delete from delta.`{path}` where s = 'row 4'")


def mapped(spark: SparkSession, path: str, mode: str) -> None:
    """Renames and drops under column mapping."""
    properties = f"tblproperties ('delta.columnMapping.mode' = '{mode}')"
    columns = "id long, old string, gone int, `odd name, ;{{}}()=` string, p string"
    create(spark, path, columns.replace("{{}}", "{}"), f"partitioned by (p) {properties}")
    spark.sql(
        f"insert into delta.`{path}` values (1, 'a', 10, 'x', 'p1'), (2, 'b', 20, null, 'p2')"
    )
    spark.sql(f"alter table delta.`{path}` rename column old to new")
    spark.sql(f"alter table delta.`{path}` drop column gone")
    spark.sql(f"insert into delta.`{path}` values (3, 'c', 'y', 'p1')")
    spark.sql(f"alter table delta.`{path}` add column gone string")
    spark.sql(f"insert into delta.`{path}` values (4, 'd', 'z', 'p 3/%', 'back')")


@table("column mapping by name: renamed, dropped, added again with another type")
def mapping_name(spark: SparkSession, path: str) -> None:
    mapped(spark, path, "name")


@table("column mapping by id: renamed, dropped, added again with another type")
def mapping_id(spark: SparkSession, path: str) -> None:
    mapped(spark, path, "id")


@table("column mapping inside structs, lists and maps, renamed there")
def mapping_nested(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, o struct<a: int, b: string>, l array<struct<x: int>>, m map<string, int>",
        "tblproperties ('delta.columnMapping.mode' = 'name')",
    )
    values = "1, struct(1, 'one'), array(struct(1), struct(2)), map('k', 1)"
    spark.sql(f"insert into delta.`{path}` select {values}")
    spark.sql(f"alter table delta.`{path}` rename column o.a to renamed")
    spark.sql(f"insert into delta.`{path}` select {values.replace('1', '7')}")


@table("deletion vectors and column mapping together")
def mapping_dv(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, s string",
        "tblproperties ('delta.columnMapping.mode' = 'name',"
        " 'delta.enableDeletionVectors' = 'true')",
    )
    numbers(spark, 40).select("id", "s").write.format("delta").mode("append").save(path)
    spark.sql(f"alter table delta.`{path}` rename column s to text")
    spark.sql(f"delete from delta.`{path}` where id % 4 = 0")


@table("partition columns of every kind, nulls and texts that need escapes")
def partitions(spark: SparkSession, path: str) -> None:
    columns = (
        "i int, l long, sh short, b boolean, d date, t timestamp, n timestamp_ntz,"
        " m decimal(9,2), f double, s string"
    )
    create(spark, path, f"id long, {columns}", f"partitioned by ({names(columns)})")
    spark.sql(
        f"""
        insert into delta.`{path}` values
        (1, 1, 2, cast(3 as short), true, date '1999-12-31', timestamp '2020-02-29 12:34:56.789012',
         timestamp_ntz '2020-02-29 12:34:56.789012', 1.50, 0.25, 'a/b=c %41 \u00e4:?#'),
        (2, null, null, null, null, null, null, null, null, null, null),
        (3, -1, -9223372036854775808, cast(-3 as short), false, date '0001-01-01',
         timestamp '1969-12-31 23:59:59', timestamp_ntz '1969-12-31 23:59:59', -0.01, -1e300, ' ')
        """
    )


def names(columns: str) -> str:
    """The names of a list of columns."""
    depth_free = columns.replace("decimal(9,2)", "decimal")
    return ", ".join(column.split()[0] for column in depth_free.split(","))


@table("a v2 checkpoint, and commits after it")
def checkpoint_v2(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, g int, s string, m decimal(9,2), d date",
        "tblproperties ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '3')",
    )
    for start in range(0, 50, 10):
        numbers(spark, 10, start).write.format("delta").mode("append").save(path)


@table("a classic checkpoint without the JSON commits before it")
def checkpoint(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, g int, s string, m decimal(9,2), d date",
        "tblproperties ('delta.checkpointInterval' = '4')",
    )
    for start in range(0, 60, 10):
        numbers(spark, 10, start).write.format("delta").mode("append").save(path)
    for version in range(3):
        (Path(path) / f"_delta_log/{version:020}.json").unlink()


@table("columns added, in a struct too, and a nullable one missing from older files")
def evolution(spark: SparkSession, path: str) -> None:
    spark.range(5).selectExpr("id", "struct(id as a) as o").coalesce(1).write.format("delta").save(
        path
    )
    spark.range(5, 9).selectExpr(
        "id", "struct(id as a, concat('b', id) as b) as o", "'new' as n"
    ).coalesce(1).write.format("delta").option("mergeSchema", "true").mode("append").save(path)


@table("types widened from byte and int to long, and from date to timestamp without a zone")
def widening(spark: SparkSession, path: str) -> None:
    create(spark, path, "id int, b byte", "tblproperties ('delta.enableTypeWidening' = 'true')")
    spark.sql(f"insert into delta.`{path}` values (1, 1), (2, null)")
    spark.sql(f"alter table delta.`{path}` alter column b type int")
    spark.sql(f"alter table delta.`{path}` alter column id type long")
    spark.sql(f"insert into delta.`{path}` values (3000000000, 70000)")


@table("timestamps with and without a zone, at the edges of statistics cut to milliseconds")
def timestamps(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, t timestamp, n timestamp_ntz")
    spark.sql(
        f"""
        insert into delta.`{path}` values
        (1, timestamp '2020-01-01 00:00:00.000999', timestamp_ntz '2020-01-01 00:00:00.000999'),
        (2, timestamp '1900-01-01 00:00:00.000001', timestamp_ntz '1900-01-01 00:00:00.000001'),
        (3, null, null)
        """
    )


@table("long texts, whose upper bounds are cut and raised")
def truncated(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, s string")
    long = "concat(repeat('a', 40), cast(id as string))"
    spark.range(20).selectExpr("id", f"{long} as s").coalesce(1).write.format("delta").mode(
        "append"
    ).save(path)
    spark.sql(f"insert into delta.`{path}` values (100, repeat('\U0010ffff', 40)), (101, '')")


@table("floats with NaN, infinities and both zeros")
def floats(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, f double, e float")
    spark.sql(
        f"""
        insert into delta.`{path}` values
        (1, double('NaN'), float('NaN')), (2, double('Infinity'), float('-Infinity')),
        (3, -0.0D, 0.0F), (4, 1.5D, null)
        """
    )


@table("timestamps as INT96, at the edges of what its nanoseconds can hold in Arrow, and beyond")
def int96(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, t timestamp, o struct<t: timestamp>, l array<timestamp>")
    values = ("2020-02-29 12:34:56.789012", "1677-09-22 00:00:00", "2262-04-11 23:47:16.854775")
    far = ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    try:
        for start, texts in ((0, values), (10, far)):
            rows = ", ".join(
                f"({start + n}, timestamp '{text}', struct(timestamp '{text}'), array(timestamp '{text}'))"
                for n, text in enumerate(texts)
            )
            spark.sql(f"insert into delta.`{path}` values {rows}, ({start + 9}, null, null, null)")
    finally:
        spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")


@table("partition columns of the other kinds, and texts that are no plain directory names")
def partitions_odd(spark: SparkSession, path: str) -> None:
    columns = "by byte, fl float, m decimal(38,0), `größe%` string, d date"
    create(spark, path, f"id long, {columns}", "partitioned by (by, fl, m, `größe%`, d)")
    spark.sql(
        f"""
        insert into delta.`{path}` values
        (1, cast(-128 as byte), float('NaN'), cast('{"9" * 38}' as decimal(38,0)), '', date '9999-12-31'),
        (2, cast(127 as byte), float('-Infinity'), -1, '__HIVE_DEFAULT_PARTITION__', date '1582-10-15'),
        (3, null, -0.0F, 0, ' lead and trail ', null),
        (4, cast(0 as byte), 0.0F, null, 'a\nb\tc', date '1970-01-01'),
        (5, cast(1 as byte), 1.5F, 1, '{"long " * 40}', date '0001-01-02'),
        (6, cast(2 as byte), float('Infinity'), 2, 'e\u0301 \u00e9 \U0001d11e %25 %', date '2000-02-29')
        """
    )
    spark.sql(f"delete from delta.`{path}` where `größe%` = ' lead and trail '")
    spark.sql(f"update delta.`{path}` set `größe%` = 'moved' where id = 1")


@table("a binary partition column")
def partitions_binary(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, y binary", "partitioned by (y)")
    spark.sql(f"insert into delta.`{path}` values (1, x'61'), (2, x'c3a4'), (3, null)")


MERGE = """
    merge into delta.`{path}` t using incoming s on t.id = s.id
    when matched and s.g = 0 then delete
    when matched then update set s = 'merged'
    when not matched then insert *
    when not matched by source and t.id < 5 then delete
    when not matched by source and t.id < 9 then update set s = 'orphan'
"""


@table("each operation on a table with deletion vectors, one after the other, over checkpoints")
def dv_operations(spark: SparkSession, path: str) -> None:
    columns = "id long, g int, s string, m decimal(9,2), d date"
    properties = DV[:-1] + ", 'delta.checkpointInterval' = '5')"
    create(spark, path, columns, f"partitioned by (g) {properties}")
    numbers(spark, 60).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where id % 5 = 1")
    spark.sql(f"update delta.`{path}` set m = -m where id % 7 = 0")
    numbers(spark, 20, 50).createOrReplaceTempView("incoming")
    spark.sql(MERGE.format(path=path))
    numbers(spark, 9, 100).where("g = 1").write.format("delta").mode("overwrite").option(
        "replaceWhere", "g = 1"
    ).save(path)
    spark.sql(f"delete from delta.`{path}` where s like 'row 1%'")
    spark.sql(f"optimize delta.`{path}` where g = 0 zorder by (id)")
    spark.sql(f"reorg table delta.`{path}` apply (purge)")
    spark.sql(f"delete from delta.`{path}` where id = 30")
    spark.sql(f"restore table delta.`{path}` to version as of 4")
    spark.sql(f"delete from delta.`{path}` where g = 2")
    spark.sql(f"insert overwrite delta.`{path}` select * from delta.`{path}` where id < 40")
    spark.sql(
        f"alter table delta.`{path}` set tblproperties ('delta.enableDeletionVectors' = 'false')"
    )
    spark.sql(f"delete from delta.`{path}` where id < 10")


@table("a deletion vector over several containers: ranges, single rows, all but a few")
def dv_large(spark: SparkSession, path: str) -> None:
    create(spark, path, "id int, k int", DV)
    spark.range(150_000).selectExpr(
        "cast(id div 1000 as int) as id", "cast(id % 10 as int) as k"
    ).coalesce(1).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where id between 60 and 70")
    spark.sql(f"delete from delta.`{path}` where k = 3")
    spark.sql(f"delete from delta.`{path}` where id <> 149 and k <> 7")


@table("column mapping by id: names exchanged, a partition column renamed, over a checkpoint")
def mapping_swapped(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, a string, b string, p int",
        "partitioned by (p) tblproperties ('delta.columnMapping.mode' = 'id',"
        " 'delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '6')",
    )
    spark.sql(f"insert into delta.`{path}` values (1, 'a1', 'b1', 1), (2, 'a2', 'b2', null)")
    for old, new in (("a", "c"), ("b", "a"), ("c", "b"), ("p", "q")):
        spark.sql(f"alter table delta.`{path}` rename column {old} to {new}")
    spark.sql(f"insert into delta.`{path}` values (3, 'b3', 'a3', 2), (4, 'b4', 'a4', 1)")
    spark.sql(f"delete from delta.`{path}` where b = 'b2'")
    spark.sql(f"alter table delta.`{path}` drop column a")
    spark.sql(f"alter table delta.`{path}` add column a int first")
    spark.sql(f"update delta.`{path}` set a = 7 where q = 1")


@table("column mapping by id inside structs, lists and maps: renamed, dropped and added there")
def mapping_id_nested(spark: SparkSession, path: str) -> None:
    create(
        spark,
        path,
        "id long, o struct<a: int, b: string>, l array<struct<x: int, y: int>>, m map<string, struct<v: int>>",
        "tblproperties ('delta.columnMapping.mode' = 'id')",
    )
    one = "{0}, struct({0}, 'b{0}'), array(struct({0}, -{0})), map('k', struct({0}))"
    spark.sql(f"insert into delta.`{path}` select {one.format(1)}")
    for old, new in (("o.a", "c"), ("o.b", "a"), ("l.element.x", "z"), ("m.value.v", "w")):
        spark.sql(f"alter table delta.`{path}` rename column {old} to {new}")
    spark.sql(f"alter table delta.`{path}` drop column l.element.y")
    spark.sql(f"alter table delta.`{path}` add column o.b int")
    two = "2, struct(2, 'b2', 22), array(struct(2)), map('k', struct(2))"
    spark.sql(f"insert into delta.`{path}` select {two}")


@table("column mapping turned on for files that were written without it, then renamed")
def mapping_upgraded(spark: SparkSession, path: str) -> None:
    numbers(spark, 10).write.format("delta").partitionBy("g").save(path)
    spark.sql(
        f"alter table delta.`{path}` set tblproperties ('delta.columnMapping.mode' = 'name',"
        " 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')"
    )
    spark.sql(f"alter table delta.`{path}` rename column s to text")
    spark.sql(f"alter table delta.`{path}` rename column g to part")
    spark.sql(f"insert into delta.`{path}` values (10, 1, 'new', 1.5, date '2021-01-01')")
    spark.sql(f"alter table delta.`{path}` drop column m")


@table("commits compacted, as the protocol has it (Spark reads such files and writes none)")
def log_compaction(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, g int, s string, m decimal(9,2), d date", DV)
    for start in range(0, 40, 10):
        numbers(spark, 10, start).write.format("delta").mode("append").save(path)
    spark.sql(f"delete from delta.`{path}` where id % 10 = 3")
    spark.sql(f"optimize delta.`{path}`")
    spark.sql(f"delete from delta.`{path}` where id < 5")
    compact(Path(path) / "_delta_log", 1, 6)


def compact(log: Path, first: int, last: int) -> None:
    """Write the log compaction file of the commits from `first` to `last`."""
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    for version in range(first, last + 1):
        for line in (log / f"{version:020}.json").read_text(encoding="utf-8").splitlines():
            ((kind, action),) = json.loads(line).items()
            if kind == "commitInfo":
                continue
            key = (kind,)
            if kind in ("add", "remove"):
                vector = action.get("deletionVector") or {}
                key = (action["path"], str(vector.get("pathOrInlineDv")), str(vector.get("offset")))
            newest[key] = {kind: action}
    lines = "".join(json.dumps(action) + "\n" for action in newest.values())
    (log / f"{first:020}.{last:020}.compacted.json").write_text(lines, encoding="utf-8")


def many(spark: SparkSession, path: str) -> None:
    """3,000 commits: appends of a row; a delete or an optimize now and then, with a checkpoint after it.

    A transaction of Spark takes half a second. So one writes the rows, a file each, and what it would commit
    is appended to the log action by action.
    """
    create(spark, path, "id long, s string")
    delta = spark._jvm.org.apache.spark.sql.delta  # type: ignore[union-attr]
    log = delta.DeltaLog.forTable(spark._jsparkSession, path)
    rows = spark.range(0, 3000, 1, 1).selectExpr("id", "concat('row ', id) as s")
    spark.conf.set("spark.sql.files.maxRecordsPerFile", "1")
    adds = log.startTransaction().writeFiles(rows._jdf)
    spark.conf.unset("spark.sql.files.maxRecordsPerFile")
    for version in range(1, 3000):
        if version % 1000 == 0:
            spark.sql(f"optimize delta.`{path}`")
        elif version % 300 == 150:
            spark.sql(f"delete from delta.`{path}` where id % 100 < 20")
        else:
            add = json.loads(adds.apply(version).json())
            at = add["add"]["modificationTime"]
            info = {
                "timestamp": at,
                "operation": "WRITE",
                "operationParameters": {"mode": "Append"},
            }
            lines = f"{json.dumps({'commitInfo': info})}\n{json.dumps(add)}\n"
            (Path(path) / f"_delta_log/{version:020}.json").write_text(lines, encoding="utf-8")


@table("3,000 commits, with checkpoints", versions=(0, 749, 750, 1500, 2999))
def many_commits(spark: SparkSession, path: str) -> None:
    many(spark, path)


@table("the same 3,000 commits, without any checkpoint", versions=(0, 1500, 2999))
def many_commits_bare(spark: SparkSession, path: str) -> None:
    with_checkpoints = Path(path).parents[1] / "many_commits/delta"
    if with_checkpoints.is_dir():
        shutil.copytree(with_checkpoints, path)
    else:
        many(spark, path)
    log = Path(path) / "_delta_log"
    for checkpoint in (*log.glob("*.checkpoint.parquet"), log / "_last_checkpoint"):
        checkpoint.unlink()


@table("variants")
def variant(spark: SparkSession, path: str) -> None:
    create(spark, path, "id long, v variant")
    spark.sql(f"""insert into delta.`{path}` select 1, parse_json('{{"a": [1, null]}}')""")


@table("the features of writers alone: identities, generated columns, defaults, checks, clustering")
def writers(spark: SparkSession, path: str) -> None:
    builder = DeltaTable.create(spark).location(path)
    builder = builder.addColumn("id", "BIGINT", generatedAlwaysAs=IdentityGenerator())
    builder = builder.addColumn("g", "INT").addColumn("twice", "INT", generatedAlwaysAs="g * 2")
    builder = builder.addColumn("s", "STRING").clusterBy("g")
    for name in ("ChangeDataFeed", "InCommitTimestamps", "RowTracking", "DeletionVectors"):
        builder = builder.property(f"delta.enable{name}", "true")
    builder.property("delta.feature.allowColumnDefaults", "supported").execute()
    spark.sql(f"alter table delta.`{path}` alter column s set default 'none'")
    spark.sql(f"alter table delta.`{path}` add constraint positive check (g > 0)")
    for start in (1, 4):
        rows = spark.range(start, start + 3).selectExpr("cast(id as int) as g", "'x' as s")
        rows.coalesce(1).write.format("delta").mode("append").save(path)
    spark.sql(f"update delta.`{path}` set s = 'y' where g = 2")
    spark.sql(f"delete from delta.`{path}` where g = 5")
    spark.sql(f"optimize delta.`{path}`")


@table("the feature vacuumProtocolCheck")
def vacuum_protocol(spark: SparkSession, path: str) -> None:
    create(
        spark, path, "id long", "tblproperties ('delta.feature.vacuumProtocolCheck' = 'supported')"
    )
    spark.sql(f"insert into delta.`{path}` values (1), (2)")


def session(**more: str) -> SparkSession:
    """A Spark of two threads on this machine alone, with `more` configured."""
    builder = (
        SparkSession.builder.master("local[2]")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config(
            "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog"
        )
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config(map=more)
    )
    return configure_spark_with_delta_pip(builder).getOrCreate()


def keep_rows(
    spark: SparkSession, name: str, delta: Path, versions: Collection[int] | None
) -> None:
    """Write what Spark reads at each of the versions, or of all that can be read."""
    expected = delta.parent / "expected"
    expected.mkdir()
    if versions is None:
        history = spark.sql(f"describe history delta.`{delta}`").collect()
        versions = sorted(row["version"] for row in history)
    for version in versions:
        one = expected / f"{version}.tmp"
        try:
            rows = spark.read.format("delta").option("versionAsOf", version).load(str(delta))
            rows.coalesce(1).write.parquet(str(one))
        except Exception as error:  # noqa: BLE001  a version before a checkpoint has no log
            print(f"{name} has no version {version}: {str(error)[:100]}")
            shutil.rmtree(one, ignore_errors=True)
            continue
        (part,) = one.glob("part-*.parquet")
        part.replace(expected / f"{version}.parquet")
        shutil.rmtree(one)
    print(f"{name}: versions {versions}", flush=True)


def pack(delta: Path) -> None:
    """Put a table of very many files into one."""
    with tarfile.open(delta.with_name("delta.tar.xz"), "w:xz", preset=9) as packed:
        # Files of a kind lie together, so that they are compressed together.
        for path in sorted(delta.rglob("*"), key=lambda path: (path.suffix, path.name)):
            if path.is_file():
                packed.add(path, path.relative_to(delta.parent))
    shutil.rmtree(delta)


def main(target: Path, names: list[str]) -> None:
    """Write all tables anew, or those of the names."""
    spark = session()
    chosen = {name: TABLES[name] for name in names or TABLES}
    for name, described in chosen.items():
        delta = target / name / "delta"
        shutil.rmtree(target / name, ignore_errors=True)
        described.write(spark, str(delta))
        (target / name / "README").write_text(described.note + "\n")
        keep_rows(spark, name, delta, described.versions)
        for crc in (target / name).rglob("*.crc"):
            crc.unlink()
    spark.stop()
    for name, described in chosen.items():
        if described.versions is not None:
            pack(target / name / "delta")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
