"""Write the suite of Delta tables in tests/conformance/spark, with Spark and delta-spark.

    nox -s spark-tables

Needs Java 17 and Maven Central. Each table lies in `NAME/delta`; `NAME/expected/VERSION.parquet` has the
rows that Spark reads at that version, and `NAME/README` says what is particular about it. The
tables are small, and committed: the tests need neither Java nor Spark.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from delta import configure_spark_with_delta_pip
from pyspark.sql import DataFrame, SparkSession

Write = Callable[[SparkSession, str], None]
TABLES: dict[str, tuple[str, Write]] = {}


def table(note: str) -> Callable[[Write], Write]:
    """Register a function that writes a table at a path."""

    def add(write: Write) -> Write:
        TABLES[write.__name__] = (note, write)
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


def main(target: Path) -> None:
    """Write all tables anew."""
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
    )
    spark = configure_spark_with_delta_pip(builder).getOrCreate()
    shutil.rmtree(target, ignore_errors=True)
    for name, (note, write) in TABLES.items():
        delta = target / name / "delta"
        write(spark, str(delta))
        (target / name / "README").write_text(note + "\n")
        versions = [
            row["version"] for row in spark.sql(f"describe history delta.`{delta}`").collect()
        ]
        expected = target / name / "expected"
        expected.mkdir()
        for version in sorted(versions):
            try:
                rows = spark.read.format("delta").option("versionAsOf", version).load(str(delta))
                one = expected / f"{version}.tmp"
                rows.coalesce(1).write.parquet(str(one))
            except Exception as error:  # noqa: BLE001  a version before a checkpoint has no log
                print(f"{name} has no version {version}: {str(error)[:100]}")
                shutil.rmtree(expected / f"{version}.tmp", ignore_errors=True)
                continue
            (part,) = one.glob("part-*.parquet")
            part.replace(expected / f"{version}.parquet")
            shutil.rmtree(one)
        for crc in (target / name).rglob("*.crc"):
            crc.unlink()
        print(f"{name}: versions {sorted(versions)}")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
