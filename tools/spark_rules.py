"""Tables with rules for who writes into them: part of the suite that `write_spark_tables.py` writes.

What Spark computed for the generated columns, on values at the edges of every kind, is what another writer
computes; what it let through is within the constraints.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

Write = Callable[[SparkSession, str], None]

TABLES: dict[str, tuple[str, Write]] = {}


def table(note: str) -> Callable[[Write], Write]:
    """Register a function that writes a table at a path."""

    def add(write: Write) -> Write:
        TABLES[write.__name__] = (note, write)
        return write

    return add


BASE = {
    "id": "long", "b": "tinyint", "i": "int", "l": "long", "f": "float", "d": "double",
    "m": "decimal(9,2)", "n": "decimal(20,4)", "s": "string", "t": "string", "y": "date",
    "at": "timestamp", "wall": "timestamp_ntz", "o": "boolean", "r": "struct<a: int, `b-c`: string>",
}  # fmt: skip

# A row of BASE each: nulls, zeros, extremes, NaN and infinities, characters of 1 to 4 bytes,
# moments before 1970 and at the ends of days.
ROWS = """
(1, 1, 7, 9, 1.5, 2.5, 1.25, 3.5, 'Abc', 'abc', date '2020-02-29', timestamp '2020-02-29 23:59:59.999999', timestamp_ntz '2020-02-29 23:59:59.999999', true, struct(1, 'x')),
(2, -128, -2147483648, -9223372036854775808, float('-Infinity'), double('-Infinity'), -9999999.99, -9999999999999999.9999, '', ' ', date '0001-01-01', timestamp '1969-12-31 23:59:59.999999', timestamp_ntz '0001-01-01 00:00:00', false, null),
(3, 127, 2147483647, 9223372036854775807, float('NaN'), double('NaN'), 9999999.99, 9999999999999999.9999, ' ÄöÜ ß ', 'äöü', date '9999-12-31', timestamp '2038-01-19 03:14:08', timestamp_ntz '9999-12-31 23:59:59.999999', null, struct(null, 'y')),
(4, null, null, null, null, null, null, null, null, null, null, null, null, null, struct(null, null)),
(5, 0, 0, 0, float('-0.0'), double('-0.0'), 0.00, 0.0000, '日本語テキスト', '%_', date '1970-01-01', timestamp '1970-01-01 00:00:00', timestamp_ntz '1970-01-01 00:00:00', true, struct(0, '')),
(6, -1, -1, -1, 0.1, 0.1, 0.10, 0.1000, '🎵🎶 a', 'x', date '1969-12-31', timestamp '1900-01-01 12:30:45.5', timestamp_ntz '1900-12-31 12:30:45.5', false, struct(-1, 'ΣΑΣ')),
(7, 10, 16777217, 9007199254740993, 16777216, 9007199254740992, 100.00, 100.0000, 'its', 'İıſ', date '2024-12-30', timestamp '2024-12-30 00:00:00.000001', timestamp_ntz '2024-06-30 06:07:08', null, struct(5, 'ǆ')),
(8, 3, -7, -7, float('Infinity'), double('Infinity'), -0.01, -0.0001, 'a\nb', '  a  ', date '2021-01-03', timestamp '2021-01-03 10:00:00', timestamp_ntz '2021-01-03 10:00:00', true, struct(3, 'a'))
"""

# Type and expression of columns; each expression is one that has a meaning of its own to Spark,
# or one that could easily get another.
GENERATED = [
    *(("boolean", text) for text in (
        "i > 5", "l >= i", "b < l", "i = 7.0", "i < m", "m < n", "m >= 0.1", "f > 0", "f = 0", "f < 0.5",
        "f = d", "d = 0.0", "d > 1e308", "d = d", "f <=> f", "d <=> 0", "d > l", "d < 0.1", "d = 0.1",
        "s = 'Abc'", "s < t", "s <=> t", "s <> ''", "t LIKE 'a%'", "t NOT LIKE '%_'", "s LIKE 'a_b'",
        "s IN ('Abc', \"its\")", "i IN (7, null)", "i NOT IN (7, 8)",
        "y > '2000-01-01'", "y <= DATE '1970-01-01'", "at < '2020-01-01 00:00:00'", "at >= y",
        "wall > TIMESTAMP_NTZ '1970-01-01 00:00:00'", "o", "NOT o", "o AND i > 0", "o OR i > 0", "o IS TRUE", "o IS NOT FALSE",
        "i IS NULL", "s IS NOT NULL AND length(s) > 3", "isnan(d)", "isnull(r)", "r.a > 0", "r.`b-c` = 'x'", "NOT i = 7 AND o",
        "i == 7 or l != 9", "r IS NULL",
    )),
    *(("int", text) for text in (
        "year(y)", "month(y)", "day(y)", "quarter(y)", "dayofyear(y)", "year(at)", "hour(at)", "minute(at)", "hour(wall)",
        "length(s)", "b + 1", "i % 7 * b", "i % 3", "abs(b - 1)", "coalesce(i, 0)",
        "if(i > 0, 1, 2)", "CASE WHEN i > 0 THEN 1 WHEN i = 0 THEN 0 END", "CASE b WHEN 1 THEN 10 ELSE 20 END",
        "CAST(b AS INT)", "EXTRACT(YEAR FROM wall)", "r.a", "CAST(EXTRACT(MONTH FROM y) AS INT)",
    )),
    *(("long", text) for text in ("CAST(i AS BIGINT) * 2 + 1", "i - 1L", "coalesce(l, b)", "-CAST(i AS LONG)", "l % 10")),
    *(("double", text) for text in ("i / 2", "l / 4", "d * 2", "d + i", "d - f", "-d", "abs(d)", "CAST(f AS DOUBLE)", "i / -3", "CAST(l AS DOUBLE)")),
    ("float", "f * f"), ("float", "CAST(l AS FLOAT)"),
    ("decimal(12,4)", "CAST(m AS DECIMAL(12,4))"), ("decimal(10,2)", "m + m"), ("decimal(19,4)", "m * m"),
    *(("string", text) for text in (
        "upper(s)", "lower(s)", "upper(t)", "lower(t)", "lower(r.`b-c`)", "trim(t)", "ltrim(t)", "rtrim(t)", "substring(s, 1, 2)", "substring(s, 3)", "SUBSTR(s, 2, 100)",
        "concat(s, '-', t)", "s || t", "CAST(i AS STRING)", "CAST(o AS STRING)", "CAST(y AS STRING)", "nvl(s, 'none')",
        "date_format(at, 'yyyy-MM-dd')", "date_format(y, 'yyyy-MM')", "date_format(at, 'yyyy-MM-dd-HH')", "date_format(wall, 'yyyyMMdd HH:mm:ss')",
        "coalesce(t, s, 'x')",
    )),
    *(("date", text) for text in ("CAST(at AS DATE)", "to_date(at)", "CAST(wall AS DATE)", "trunc(y, 'MM')", "trunc(y, 'year')", "trunc(y, 'week')", "trunc(at, 'quarter')")),
    *(("timestamp", text) for text in (
        "date_trunc('month', at)", "date_trunc('DAY', at)", "date_trunc('hour', at)", "date_trunc('week', at)", "date_trunc('year', y)", "CAST(y AS TIMESTAMP)",
    )),
]  # fmt: skip


@table("generated columns of every kind, over values at the edges of every kind")
def rules_generated(spark: SparkSession, path: str) -> None:
    builder = DeltaTable.create(spark).location(path)
    for name, kind in BASE.items():
        builder = builder.addColumn(name, kind)
    for index, (kind, text) in enumerate(GENERATED):
        builder = builder.addColumn(f"g{index:03}", kind, generatedAlwaysAs=text)
    builder.execute()
    # Errors of ANSI mode are errors everywhere; what it allows is the same in both.
    rows = spark.sql(f"select * from values {ROWS} as t({', '.join(BASE)})")
    typed = [f"cast({name} as {kind}) as {name}" for name, kind in BASE.items()]
    rows.selectExpr(*typed).coalesce(1).write.format("delta").mode("append").save(path)


CHECKS = {
    "amount": "amount > 0 AND amount < 1000.5", "day": "year(day) >= 2000", "code": "code LIKE 'A%' OR code IN ('x', 'y')",
    "odd name": "`odd name` IS NULL OR length(trim(`odd name`)) BETWEEN 1 AND 5", "inner": "r.a <> r.b", "seen": "at >= '2020-01-01'",
    "ratio": "NOT isnan(ratio) AND ratio / 2 <= 1",
}  # fmt: skip


@table("CHECK constraints, and a partition column computed from a timestamp")
def rules_checks(spark: SparkSession, path: str) -> None:
    builder = DeltaTable.create(spark).location(path)
    columns = {
        "id": "long", "amount": "decimal(9,2)", "day": "date", "code": "string", "odd name": "string",
        "r": "struct<a: int, b: int>", "at": "timestamp", "ratio": "double",
    }  # fmt: skip
    for name, kind in columns.items():
        builder = builder.addColumn(name, kind)
    builder = builder.addColumn("on", "date", generatedAlwaysAs="CAST(at AS DATE)")
    builder = builder.property("delta.columnMapping.mode", "name").partitionedBy("on")
    builder.execute()
    for name, text in CHECKS.items():
        spark.sql(f"alter table delta.`{path}` add constraint `{name}` check ({text})")
    spark.sql(
        f"""insert into delta.`{path}` (id, amount, day, code, `odd name`, r, at, ratio) values
        (1, 0.01, date '2000-01-01', 'Abc', null, struct(1, 2), timestamp '2020-01-01 00:00:00', 2),
        (2, 1000.49, date '2020-01-01', 'x', ' a ', struct(2, 1), timestamp '2021-12-31 23:59:59.999999', double('-Infinity'))
        """
    )


@table("column invariants, as older writers made them")
def rules_invariants(spark: SparkSession, path: str) -> None:
    def holds(text: str) -> dict[str, str]:
        return {"delta.invariants": json.dumps({"expression": {"expression": text}})}

    inner = StructType([StructField("a", IntegerType(), True, holds("r.a < 10"))])
    schema = StructType(
        [
            StructField("id", IntegerType(), True, holds("id > 0")),
            StructField("s", StringType(), True, holds("s is not null")),
            StructField("r", inner),
        ]
    )
    DeltaTable.create(spark).location(path).addColumns(schema).execute()
    spark.sql(f"insert into delta.`{path}` values (1, 'a', struct(9))")


@table("fields that may not be null, in structs, lists and maps too")
def rules_nested(spark: SparkSession, path: str) -> None:
    spark.sql(
        f"""create table delta.`{path}` (
        id long not null, r struct<a: int not null, inner: struct<b: string not null>>, whole struct<c: int not null> not null,
        items array<struct<d: int>>, pairs map<string, int>) using delta"""
    )
    spark.sql(
        f"""insert into delta.`{path}` values
        (1, named_struct('a', 1, 'inner', named_struct('b', 'x')), named_struct('c', 3), array(named_struct('d', 4), null), map('k', null)),
        (2, named_struct('a', 2, 'inner', named_struct('b', '')), named_struct('c', 4), null, null)"""
    )


@table("defaults of columns")
def rules_defaults(spark: SparkSession, path: str) -> None:
    spark.sql(
        f"""create table delta.`{path}` (id long, s string default 'its', i int default -7, m decimal(9,2) default 1.5,
        y date default date '2020-02-29', o boolean default true, d double default 0.1, n string default null, f float default 0.5,
        required int not null default 3) using delta tblproperties ('delta.feature.allowColumnDefaults' = 'supported')"""
    )
    spark.sql(f"insert into delta.`{path}` (id) values (1)")
    spark.sql(
        f"insert into delta.`{path}` values (2, null, null, null, null, null, null, 'n', null, 4)"
    )


def mapped(spark: SparkSession, path: str, mode: str) -> None:
    """Renamed at the top and inside, partitioned, with a constraint and a generated column."""
    builder = DeltaTable.create(spark).location(path)
    for name, kind in {"id": "long", "old": "string", "r": "struct<x: int, `y z`: double>", "p": "string",
                       "items": "array<struct<k: string>>", "pairs": "map<string, struct<v: long>>"}.items():  # fmt: skip
        builder = builder.addColumn(name, kind)
    builder = builder.addColumn("twice", "long", generatedAlwaysAs="id * 2")
    builder.partitionedBy("p").property("delta.columnMapping.mode", mode).execute()
    spark.sql(f"alter table delta.`{path}` rename column old to `new name`")
    spark.sql(f"alter table delta.`{path}` rename column r.x to w")
    spark.sql(f"alter table delta.`{path}` add constraint small check (r.w < 100)")
    spark.sql(
        f"""insert into delta.`{path}` (id, `new name`, r, p, items, pairs) values
        (1, 'a', named_struct('w', 1, 'y z', 0.5D), 'p/1', array(named_struct('k', 'k')), map('m', named_struct('v', 1L))),
        (2, null, named_struct('w', 2, 'y z', null), null, null, null)"""
    )


@table("column mapping by name, to write into")
def rules_mapping_name(spark: SparkSession, path: str) -> None:
    mapped(spark, path, "name")


@table("column mapping by id, to write into")
def rules_mapping_id(spark: SparkSession, path: str) -> None:
    mapped(spark, path, "id")


TEXTS = [
    head * count + tail
    for head in ("a", "\U0010ffff")
    for count in (32, 63, 64)
    for tail in ("", "~", "\x7f", "\U0010ffff", "\U0010ffffa", "é")
]


@table("long texts, a file for each: upper bounds are raised where they are cut")
def rules_texts(spark: SparkSession, path: str) -> None:
    spark.sql(f"create table delta.`{path}` (id int, s string) using delta partitioned by (id)")
    rows = spark.createDataFrame(list(enumerate(TEXTS)), "id int, s string")
    rows.coalesce(1).write.format("delta").mode("append").save(path)
