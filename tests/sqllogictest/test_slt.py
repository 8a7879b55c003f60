"""The format, on small files."""

from __future__ import annotations

from pathlib import Path

import pytest
from slt import FormatError, Record, records

FILE = """\
# a comment
include ./part.slt.part

statement ok
CREATE TABLE t AS
VALUES (1)

query I rowsort label
-- first
SELECT 1
----
1

query error
SELECT no
----
DataFusion error: two

paragraphs


onlyif postgres
query I
SELECT 'theirs'
----
x

skipif postgres
query I
SELECT 'ours'
----

statement error .* is not there
DROP TABLE u

halt

query I
SELECT 'after the end'
"""


def test_reads_statements_and_queries_in_order(tmp_path: Path) -> None:
    (tmp_path / "part.slt.part").write_text("statement ok\nSET a = 1")
    (tmp_path / "file.slt").write_text(FILE)
    assert list(records(tmp_path, "file.slt")) == [
        Record("part.slt.part", 1, "statement", "SET a = 1"),
        Record("file.slt", 4, "statement", "CREATE TABLE t AS\nVALUES (1)"),
        Record("file.slt", 8, "query", "-- first\nSELECT 1", "rowsort", ("1",)),
        Record("file.slt", 14, "query", "SELECT no", error="DataFusion error: two\nparagraphs"),
        Record("file.slt", 29, "query", "SELECT 'ours'", "nosort", ()),
        Record("file.slt", 33, "statement", "DROP TABLE u", error=".* is not there"),
    ]


def test_what_the_format_lacks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.slt").write_text("statement ok\nSELECT 1\n\nunknown word\n")
    with pytest.raises(FormatError, match=r"file\.slt:4: 'unknown word'"):
        list(records(tmp_path, "file.slt"))


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("-- why\n/* and\nhow */ ((select 1) union (select 2))", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("EXPLAIN INSERT INTO t VALUES (1)", True),
        ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", False),
        ("SELECT * INTO t FROM u", False),
        ("INSERT INTO t SELECT 1", False),
        ("COPY t TO 'f'", False),
        ("SET a = 1", False),
    ],
)
def test_what_only_reads(sql: str, reads: bool) -> None:
    assert Record("f", 1, "query", sql).returns_rows is reads


@pytest.mark.parametrize(
    ("sql", "made", "changed"),
    [
        ("CREATE TABLE t AS SELECT 1", "t", None),
        ('-- why\ncreate or replace table if not exists a."b.C"(x int)', 'a."b.C"', None),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'f'", "t", None),
        ("CREATE UNBOUNDED EXTERNAL TABLE t STORED AS CSV LOCATION 'f'", None, None),
        ("CREATE VIEW t AS SELECT 1", None, None),
        ("INSERT INTO t SELECT 1", None, "t"),
        ("insert overwrite table t values (1)", None, "t"),
        ("explain analyze insert into t values (1)", None, "t"),
        ("UPDATE s.t SET a = 1", None, "s.t"),
        ("DELETE FROM t WHERE a", None, "t"),
        ("TRUNCATE TABLE t", None, "t"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", None, "t"),
        ("SELECT 'delete from t'", None, None),
    ],
)
def test_the_table_that_a_statement_makes_or_changes(
    sql: str, made: str | None, changed: str | None
) -> None:
    record = Record("f", 1, "statement", sql)
    assert (record.made_table, record.changed_table) == (made, changed)
