"""SQL that changes and keeps tables: what the text says is what the log has, judged by duckdb."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import dfd
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd import QueryError
from dfd_delta_policy import InvalidOperation
from dfd_obs import ObservabilityConfig

Rows = list[tuple[Any, ...]]


@pytest.fixture
def runtime() -> Iterator[dfd.Runtime]:
    with dfd.connect() as made:
        yield made


@pytest.fixture
def table(runtime: dfd.Runtime, tmp_path: Path) -> Path:
    """Three files in three partitions, one of them null."""
    root = tmp_path / "t"
    for start in range(0, 9, 3):
        ids = range(start, start + 3)
        rows = pa.table(
            {
                "id": pa.array(ids, pa.int64()),
                "p": pa.array([None if n % 3 == 2 else f"p{n % 3}" for n in ids]),
                "Value": pa.array([n * 1.5 for n in ids], pa.float64()),
            }
        )
        runtime.write(root, rows, partition_by=["p"])
    runtime.register("t", root)
    return root


def judged(root: Path, sql: str = "select * from t order by id") -> Rows:
    """The rows of a query as duckdb finds them, over what deltalake reads."""
    with duckdb.connect() as connection:
        connection.register("t", pa.table(DeltaTable(root).scan()))
        return connection.sql(sql).fetchall()


def last(root: Path) -> dict[str, Any]:
    (found,) = DeltaTable(root).history(1)
    return found


def test_a_statement_gives_its_outcome(runtime: dfd.Runtime, table: Path) -> None:
    result = runtime.sql("DELETE FROM t WHERE id >= 7 OR p IS NULL AND id < 3")
    assert result.outcome is not None
    assert result.outcome.version == 3
    (row,) = result.to_arrow_table().to_pylist()
    assert (row["operation"], row["status"], row["version"]) == ("delete", "committed", 3)
    assert row["num_deleted_rows"] == 3
    assert [row[0] for row in judged(table)] == [0, 1, 3, 4, 5, 6]
    assert runtime.sql("select count(*) as n from t").to_arrow_table()["n"].to_pylist() == [6]
    assert last(table)["operation"] == "DELETE"


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("insert into t values (10, 'x', 1)", [(10, "x", 1.0)]),
        ("insert into t (VALUE, id) select 2.5, 10", [(10, None, 2.5)]),
        ("insert into table t (id) (select 10) union all (select 11)", [(10, None, None), (11, None, None)]),
        ("insert into t by name select 7.5 as \"Value\", 10 as id", [(10, None, 7.5)]),
        ("insert into t partition (p = 'q') select 10, 2.5", [(10, "q", 2.5)]),
        ("insert into t partition (p = 'q') (id) values (10), (11)", [(10, "q", None), (11, "q", None)]),
        ("with a as (select 10 as id) select 1; insert into t (id) with a as (select 10 as id) select * from a",
         [(10, None, None)]),
        ("insert into t select id + 10, p, null from t where id < 2", [(10, "p0", None), (11, "p1", None)]),
    ],
)  # fmt: skip
def test_rows_are_inserted(runtime: dfd.Runtime, table: Path, sql: str, wanted: Rows) -> None:
    runtime.sql(sql)
    assert judged(table, "select * from t where id >= 10 order by id") == wanted
    assert len(judged(table)) == 9 + len(wanted)


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("insert overwrite t values (10, 'x', 1)", []),
        ("insert overwrite t partition (p = 'p0') select 10, 1", [1, 2, 4, 5, 7, 8]),
        ("insert overwrite t partition (p) select 10, 'p1', 1", [0, 2, 3, 5, 6, 8]),
        ("insert overwrite t partition (p = null) (id) values (10)", [0, 1, 3, 4, 6, 7]),
        ("insert into t replace where t.id < 5 select 10 - 8, 'z', 1", [5, 6, 7, 8]),
    ],
)
def test_rows_take_the_place_of_others(
    runtime: dfd.Runtime, table: Path, sql: str, left: list[int]
) -> None:
    before = {row[0]: row for row in judged(table)}
    runtime.sql(sql)
    found = judged(table)
    assert [row for row in found if row == before.get(row[0])] == [before[n] for n in left]
    assert len(found) == len(left) + 1


@pytest.mark.parametrize(
    ("sql", "condition", "value"),
    [
        ("update t set \"Value\" = id * 2", "true", "id * 2"),
        ("update t as x set x.VALUE = x.value + 1 where x.p = 'p0'", "p = 'p0'", "\"Value\" + 1"),
        ("update t set value = (select max(id) from t) where id in (select id from t where p = 'p1')",
         "p = 'p1'", "8"),
        ("update t set value = u.v from (values (1, 10.5), (2, 20.5)) as u(k, v) where t.id = u.k",
         "id in (1, 2)", "case id when 1 then 10.5 else 20.5 end"),
        ("update t set value = $v where p = $p and id > $low", "p = 'p0' and id > 0", "-2.25"),
    ],
)  # fmt: skip
def test_rows_are_updated(
    runtime: dfd.Runtime, table: Path, sql: str, condition: str, value: str
) -> None:
    shown = f'case when coalesce({condition}, false) then {value} else "Value" end'
    wanted = judged(table, f"select id, p, {shown}::double from t order by id")
    if " from (values" in sql:
        sql = sql.replace("(values (1, 10.5), (2, 20.5)) as u(k, v)", "(select * from (values (1, 10.5), (2, 20.5)) as w(k, v)) as u")  # fmt: skip
    runtime.sql(sql, {"v": -2.25, "p": "p0", "low": 0})
    assert judged(table) == wanted


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("id in (select id + 3 from t where p is null)", "id not in (5, 8)"),
        ("id not in (select 1 where false)", "false"),
        ("id not in (select null)", "true"),
        ("id > (select avg(id) from t)", "id <= 4"),
        ("exists (select 1 from t where id = 100)", "true"),
        ("not exists (select 1 from t where id = 100) and p = 'p0'", "p <> 'p0' or p is null"),
        ("id = (select id from t where id > 100)", "true"),
        ("p = 'it''s' or id = 3 -- that's all", "id <> 3"),
    ],
)
def test_subqueries_say_which_rows_go(
    runtime: dfd.Runtime, table: Path, condition: str, left: str
) -> None:
    wanted = judged(table, f"select * from t where {left} order by id")
    runtime.sql(f"delete from t where {condition}")
    assert judged(table) == wanted


def test_a_merge_has_clauses_of_all_kinds(runtime: dfd.Runtime, table: Path) -> None:
    runtime.sql(
        """
        MERGE INTO t AS target
        USING (SELECT id + 1 AS id, 'new' AS p, -1.0 AS value FROM t WHERE id >= 4) AS s
        ON target.id = s.id
        WHEN MATCHED AND s.id = 5 THEN DELETE
        WHEN MATCHED AND s.id = 6 THEN UPDATE SET *
        WHEN MATCHED THEN UPDATE SET target.p = s.p
        WHEN NOT MATCHED THEN INSERT (id, value) VALUES (s.id * 10, s.value)
        WHEN NOT MATCHED BY SOURCE AND target.id < 1 THEN DELETE
        WHEN NOT MATCHED BY SOURCE AND target.id = 1 THEN UPDATE SET value = target.id + 100
        """
    )
    assert judged(table) == [
        (1, "p1", 101.0),
        (2, None, 3.0),
        (3, "p0", 4.5),
        (4, "p1", 6.0),
        (6, "new", -1.0),
        (7, "new", 10.5),
        (8, "new", 12.0),
        (90, None, -1.0),
    ]
    assert last(table)["operation"] == "MERGE"


def test_a_merge_adds_columns_where_it_says_so(runtime: dfd.Runtime, table: Path) -> None:
    source = "(select 0 as id, 'a' as p, 1.0 as value, 7 as more) s"
    runtime.sql(
        f"merge with schema evolution into t using {source} on t.id = s.id "
        "when matched then update set * except (p) when not matched then insert *"
    )
    found = judged(table, "select id, p, more from t where more is not null")
    assert found == [(0, "p0", 7)]


def test_tables_are_made_altered_and_kept(runtime: dfd.Runtime, tmp_path: Path) -> None:
    root = tmp_path / "a b"
    made = runtime.sql(
        f"""
        CREATE TABLE orders (
            id BIGINT NOT NULL COMMENT 'of the shop', p STRING, price DECIMAL(10, 2),
            lines ARRAY<STRUCT<sku: STRING, n: INT>>
        ) USING DELTA PARTITIONED BY (p) LOCATION '{root}' COMMENT 'all orders'
        TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', owner = 'me');
        """
    )
    assert made.outcome is not None
    assert made.outcome.version == 0
    table = DeltaTable(root)
    assert table.metadata().partition_columns == ["p"]
    assert table.metadata().description == "all orders"
    assert table.metadata().configuration["owner"] == "me"
    fields = {field.name: field for field in table.schema().fields}
    assert (fields["id"].nullable, fields["id"].metadata) == (False, {"comment": "of the shop"})
    runtime.sql("insert into orders select 1, 'a', 9.99, [named_struct('sku', 'x', 'n', 2)]")
    assert judged(root) == [(1, "a", Decimal("9.99"), [{"sku": "x", "n": 2}])]
    with pytest.raises(QueryError, match="There is a table orders"):
        runtime.sql(f"create table orders (id int) using delta location '{root}'")
    again = runtime.sql("create table if not exists orders (id int) using delta")
    assert again.to_arrow_table()["status"].to_pylist() == ["nothing_to_do"]

    runtime.sql("alter table orders add columns (note string comment 'free', at timestamp)")
    runtime.sql("alter table orders add constraint cheap check (price < 100)")
    with pytest.raises(Exception, match="cheap"):
        runtime.sql("insert into orders (id, price) values (2, 100)")
    runtime.sql("alter table orders drop constraint CHEAP")
    assert runtime.sql("alter table orders drop constraint if exists cheap").outcome is not None
    runtime.sql("alter table orders set tblproperties (owner = 'you', 'delta.appendOnly' = 'true')")
    with pytest.raises(Exception, match="append"):
        runtime.sql("delete from orders")
    runtime.sql("alter table orders unset tblproperties ('delta.appendOnly', owner)")
    configuration = DeltaTable(root).metadata().configuration
    assert set(configuration) == {"delta.enableDeletionVectors"}
    with pytest.raises(InvalidOperation, match="no property owner"):
        runtime.sql("alter table orders unset tblproperties (owner)")
    runtime.sql("insert into orders (id, price) values (2, 100)")
    assert len(judged(root)) == 2


def test_a_table_is_made_of_a_query(runtime: dfd.Runtime, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    runtime.sql(
        f"create table u using delta partitioned by (p) location '{other}' as "
        "select p, sum(id) as n from t group by p"
    )
    assert judged(other, "select p, n from t order by p nulls last") == [("p0", 9), ("p1", 12), (None, 15)]  # fmt: skip
    assert DeltaTable(other).metadata().partition_columns == ["p"]
    assert DeltaTable(other).version() == 0
    runtime.sql(
        f"create or replace table u using delta location '{other}' as select 1 as a, 'x' as b"
    )
    assert judged(other, "select * from t") == [(1, "x")]
    assert runtime.sql("select * from u").to_arrow_table().to_pylist() == [{"a": 1, "b": "x"}]
    runtime.sql("drop table u")
    assert "u" not in [one.name for one in runtime.tables()]
    assert judged(other, "select * from t") == [(1, "x")]


def test_a_table_is_replaced_by_one_commit(
    runtime: dfd.Runtime, table: Path, tmp_path: Path
) -> None:
    """With all that it says of itself."""
    other = tmp_path / "other"
    make = f"create or replace table u {{}} using delta {{}} location '{other}' {{}} {{}}"
    said = "comment 'first' tblproperties ('a' = '1', 'delta.enableDeletionVectors' = 'true')"
    runtime.sql(make.format("(k bigint comment 'key', p int)", "partitioned by (p)", said, ""))
    runtime.sql("insert into u values (1, 1), (2, 2)")
    runtime.sql("delete from u where k = 1")
    found = runtime.sql(make.format("", "", "tblproperties ('b' = '2')", "as select k from u"))
    assert found.outcome is not None
    assert found.outcome.version == 3
    assert last(other)["operation"] == "CREATE OR REPLACE TABLE AS SELECT"
    replaced = DeltaTable(other).metadata()
    assert (replaced.description, replaced.configuration) == (None, {"b": "2"})
    assert replaced.partition_columns == []
    assert judged(other, "select * from t") == [(2,)]
    runtime.sql(make.format("(k int not null comment 'new')", "", "comment 'second'", ""))
    assert DeltaTable(other).metadata().description == "second"
    (field,) = DeltaTable(other).schema().fields
    assert (field.name, field.nullable, field.metadata) == ("k", False, {"comment": "new"})
    assert runtime.sql("select * from u version as of 2").to_arrow_table().num_rows == 1
    assert runtime.sql("select * from u").to_arrow_table().num_rows == 0


def test_columns_are_generated(runtime: dfd.Runtime, tmp_path: Path) -> None:
    """By expressions of Spark's SQL; what isn't one is refused before a table is made."""
    other = tmp_path / "other"
    place = f"using delta location '{other}'"
    columns = (
        "at timestamp_ntz, day date generated always as (cast(at as date)) comment 'of at', n int"
    )
    for columns_of_others in (
        "n int, m int generated always as (nope + 1)",
        "n int generated always as (n +)",
    ):
        with pytest.raises((dfd.DfdError, ValueError)):
            runtime.sql(f"create table u ({columns_of_others}) {place}")
    assert not other.exists()
    for begin in ("create", "create or replace"):
        runtime.sql(f"{begin} table u ({columns}) {place} partitioned by (day)")
        runtime.sql("insert into u (at, n) values (timestamp '2026-01-02 23:00:00', 1), (null, 2)")
        wanted = [("2026-01-02", 1), (None, 2)]
        assert judged(other, "select day::text, n from t order by n") == wanted
        with pytest.raises(dfd.DfdError, match="day"):
            runtime.sql(
                "insert into u values (timestamp '2026-01-02 23:00:00', date '2026-01-03', 1)"
            )
    (_, day, _) = DeltaTable(other).schema().fields
    wanted_metadata = {"comment": "of at", "delta.generationExpression": "cast(at as date)"}
    assert day.metadata == wanted_metadata
    assert "generatedColumns" in (DeltaTable(other).protocol().writer_features or ())


def test_tables_are_kept(runtime: dfd.Runtime, table: Path) -> None:
    for n in range(3):
        runtime.sql(f"insert into t values ({n + 20}, 'p0', 1), ({n + 30}, 'p1', 1)")
    before = judged(table)
    compacted = runtime.sql("OPTIMIZE t WHERE p = 'p0'")
    assert compacted.outcome is not None
    assert compacted.outcome.metrics["numFilesRemoved"] == 6
    runtime.sql("optimize t where p in ('p1', 'none') zorder by (id)")
    assert judged(table) == before
    assert last(table)["operation"] == "OPTIMIZE"
    listed = runtime.sql("vacuum t dry run").to_arrow_table()
    assert listed.column_names == ["path"]
    with pytest.raises(Exception, match="retention"):
        runtime.sql("vacuum t retain 0 hours")
    runtime.sql("vacuum t")
    runtime.sql("restore table t to version as of 2")
    assert len(judged(table)) == 9
    history = runtime.sql("describe history t limit 3").to_arrow_table()
    assert history["operation"].to_pylist()[0] == "RESTORE"
    versions = history["version"].to_pylist()
    assert versions == sorted(versions, reverse=True)
    assert len(versions) == 3
    (detail,) = runtime.sql("describe detail t").to_arrow_table().to_pylist()
    assert detail["num_files"] == len(DeltaTable(table).file_uris())
    assert json.loads(detail["partition_columns"]) == ["p"]
    assert detail["version"] == DeltaTable(table).version()


def test_a_full_vacuum_takes_what_no_commit_names(runtime: dfd.Runtime, tmp_path: Path) -> None:
    other = tmp_path / "other"
    runtime.sql(f"create table u using delta location '{other}' as select 1 as a")
    orphan = other / "part-left-behind.parquet"
    orphan.write_bytes(b"PAR1")
    os.utime(orphan, (0, 0))
    for text, wanted in (("", []), ("lite", []), ("full", [orphan.name])):
        listed = runtime.sql(f"vacuum u {text} dry run").to_arrow_table()
        assert listed["path"].to_pylist() == wanted, text
    runtime.sql("vacuum u")
    assert orphan.exists()
    runtime.sql("vacuum u full")
    assert not orphan.exists()
    assert judged(other, "select * from t") == [(1,)]


def test_a_restore_goes_to_a_time(runtime: dfd.Runtime, table: Path) -> None:
    then = datetime.now(timezone.utc) + timedelta(seconds=0.01)
    while datetime.now(timezone.utc) < then + timedelta(seconds=0.02):
        pass
    runtime.sql("delete from t")
    runtime.sql(f"restore t to timestamp as of '{then.isoformat()}'")
    assert len(judged(table)) == 9


def test_queries_read_versions_times_and_places(runtime: dfd.Runtime, table: Path) -> None:
    def rows(sql: str, **params: Any) -> list[Any]:
        return runtime.sql(sql, params or None).to_arrow_table().column(0).to_pylist()

    assert rows("select count(*) from t version as of 0") == [3]
    assert rows("select t.id from t version as of 0 where t.p = 'p1'") == [1]
    assert rows("select count(*) from t version as of $v", v=1) == [6]
    assert rows(f"select count(*) from delta.`{table}`") == [9]
    assert rows(f"select count(*) from delta.`{table.as_uri()}` version as of 1 x join t on x.id = t.id") == [6]  # fmt: skip
    assert rows("select count(*) from t timestamp as of now()") == [9]
    changed = rows(
        "select a.id from t a left anti join t version as of 1 b on a.id = b.id order by 1"
    )
    assert changed == [6, 7, 8]
    runtime.sql(f"delete from delta.`{table}` where id = 0")
    assert rows("select count(*) from t") == [8]
    for wrong, why in [
        ("select * from t version as of 99", "99"),
        ("select * from t timestamp as of '1999-01-01'", "1999"),
        ("select * from nowhere version as of 1", "nowhere is no Delta table"),
        (f"select * from delta.`{table}/no`", "no"),
    ]:
        with pytest.raises(QueryError, match=why):
            runtime.sql(wrong).to_arrow_table()


def test_tables_are_described_however_they_are_named(runtime: dfd.Runtime, table: Path) -> None:
    names = ["id", "p", "Value"]
    for described in ["t", f"delta.`{table}`", "t version as of 0"]:
        for words in ["describe", "desc", "DESCRIBE TABLE", "desc table"]:
            found = runtime.sql(f"{words} {described}").to_arrow_table()
            assert found["column_name"].to_pylist()[:3] == names, (words, described)


def test_a_uri_is_that_of_a_delta_table(runtime: dfd.Runtime, tmp_path: Path) -> None:
    runtime.sql(f"create table delta.`{tmp_path}/new` as select 1 as a")
    runtime.sql(f"create table if not exists delta.`{tmp_path}/new` (b int)")
    runtime.sql(f"create or replace table delta.`{tmp_path}/new` (a bigint, b int)")
    assert DeltaTable(tmp_path / "new").history()[0]["operation"] == "CREATE OR REPLACE TABLE"
    assert judged(tmp_path / "new", "select a, b from t") == []


def test_folders_are_schemas(runtime: dfd.Runtime, table: Path, tmp_path: Path) -> None:
    runtime.register_schema("lake", tmp_path)
    assert runtime.sql("select count(*) as n from lake.t").to_arrow_table()["n"].to_pylist() == [9]
    runtime.sql("create table lake.new using delta as select 1 as a")
    assert DeltaTable(tmp_path / "new").version() == 0
    runtime.sql("insert into lake.new values (2)")
    runtime.sql("update lake.new set a = a + 1 where a = (select max(a) from lake.new)")
    assert judged(tmp_path / "new", "select a from t order by a") == [(1,), (3,)]
    with pytest.raises(QueryError, match=r"lake\.missing"):
        runtime.sql("select * from lake.missing")
    with pytest.raises(QueryError, match=r"lake\.missing is no Delta table"):
        runtime.sql("optimize lake.missing")


@pytest.mark.parametrize(
    "query",
    [
        "show tables",
        "select * from information_schema.tables",
        "select distinct table_schema, table_name from information_schema.columns",
    ],
)
def test_all_tables_of_a_folder_are_listed(
    runtime: dfd.Runtime, table: Path, tmp_path: Path, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.sql(f"create table delta.`{tmp_path}/Two words` as select 1 as a")
    (tmp_path / "broken/_delta_log").mkdir(parents=True)
    (tmp_path / "broken/_delta_log" / f"{0:020}.json").write_text("{")
    (tmp_path / "none").mkdir()
    runtime.register_schema("lake", tmp_path)
    found = runtime.sql(query).to_arrow_table().to_pylist()
    names = {row["table_name"] for row in found if row["table_schema"] == "lake"}
    assert names == {"t", "Two words"}
    assert "broken" in caplog.text
    assert runtime.sql('select a from lake."Two words"').to_arrow_table()["a"].to_pylist() == [1]
    runtime.register_schema("nowhere", tmp_path / "nowhere")
    assert runtime.sql("show tables").to_arrow_table().num_rows > 0


def test_several_statements_run_in_order(runtime: dfd.Runtime, table: Path) -> None:
    result = runtime.sql(
        "delete from t where id = 0; insert into t values (100, ';', 1);\n"
        "select count(*) as n from t;"
    )
    assert result.to_arrow_table()["n"].to_pylist() == [9]
    with pytest.raises(
        dfd.ScriptError, match=r"Statement 2 of 3, in line 2, failed: .*nope"
    ) as failed:
        runtime.sql("delete from t where id = 1;\nupdate t set nope = 1;\ndelete from t")
    assert (failed.value.statement, len(failed.value.outcomes)) == (2, 1)
    assert [row[0] for row in judged(table)] == [2, 3, 4, 5, 6, 7, 8, 100]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("delete t", "FROM is expected"),
        ("delete from t where nope = 1", "nope"),
        ("delete from t where exists (select 1 from t b where b.id = x)", "can't be run by itself"),
        ("delete from t where id = (select id from t)", "several rows"),
        ("update t set nope = 1", "no column"),
        ("update t set id = 1, id = 2", "id gets two values"),
        ("insert into t (id, ID) values (1, 2)", "names a column twice"),
        ("insert into t partition (p = 'x') (id, p) values (1, 'y')", "names a column twice"),
        ("insert into t values (1)", "1"),
        ("insert into t (nope) values (1)", "no column"),
        ("insert into t values ('x', 'y', 'z')", "id"),
        ("merge into t using u on true when matched then delete", "u"),
        ("optimize nowhere", "no Delta table"),
        ("optimize t where id + 1 = 2", "columns and literals"),
        ("vacuum t retain many hours", "a number is expected"),
        ("restore t to version as of 99", "99"),
        ("alter table t rename column a to b", "ADD COLUMNS"),
        ("create table x (a int) using delta", "LOCATION"),
        ("create table x (a uuid) using delta location '/x'", "a type of Delta's"),
        ("delete from t where id = $missing", "missing"),
    ],
)
def test_nothing_is_changed_by_what_is_wrong(
    runtime: dfd.Runtime, table: Path, sql: str, why: str
) -> None:
    before = judged(table)
    with pytest.raises((dfd.DfdError, ValueError), match=why) as refused:
        runtime.sql(sql)
    assert "\n" not in str(refused.value).strip()
    assert (judged(table), DeltaTable(table).version()) == (before, 2)


def test_a_pinned_name_is_not_changed(runtime: dfd.Runtime, table: Path) -> None:
    runtime.register("old", table, version=0)
    with pytest.raises(QueryError, match="stands for version 0"):
        runtime.sql("delete from old")


def test_tables_of_datafusion_stay_its_own(runtime: dfd.Runtime) -> None:
    runtime.sql("create table m (a int)")
    runtime.sql("insert into m values (1), (2)").to_arrow_table()
    assert runtime.sql("select sum(a) as s from m").to_arrow_table()["s"].to_pylist() == [3]
    runtime.sql("create view v as select a + 1 as b from m")
    assert runtime.sql("select max(b) as s from v").to_arrow_table()["s"].to_pylist() == [3]


@pytest.mark.parametrize(
    ("sql", "counted"),
    [
        ("explain delete from t where id < 4", {"num_deleted_rows": 4}),
        ("explain update t set value = 1 where id = 1", {"num_updated_rows": 1}),
        ("explain merge into t using t version as of 0 s on t.id = s.id when matched then delete",
         {"num_target_rows_deleted": 3}),
    ],
)  # fmt: skip
def test_a_change_is_explained_and_not_done(
    runtime: dfd.Runtime, table: Path, sql: str, counted: dict[str, int]
) -> None:
    files = sorted(table.rglob("*"))
    (figures,) = runtime.sql(sql).to_arrow_table().to_pylist()
    assert counted.items() <= figures.items()
    assert (DeltaTable(table).version(), sorted(table.rglob("*"))) == (2, files)
    plan = runtime.sql("explain insert into t select * from t where id = 1").to_arrow_table()
    assert "INSERT t" in plan["plan"].to_pylist()[0]
    assert len(judged(table)) == 9


VALUES: list[Any] = [
    0,
    -(2**63),
    1.5,
    float("nan"),
    float("-inf"),
    'it\'s \\ "x" $a',
    "",
    True,
    Decimal("-12.340"),
    Decimal("1E+3"),
    date(1, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=3))),
    b"\x00\xff",
    pa.scalar(7, pa.int32()),
    None,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_of_placeholders_are_kept(runtime: dfd.Runtime, tmp_path: Path, value: Any) -> None:
    kind = pa.int64() if value is None else pa.array([value]).type
    if pa.types.is_timestamp(kind):
        kind = pa.timestamp("us", "UTC")
    table = pa.table({"id": [1, 2], "v": pa.array([None, None], kind)})
    runtime.write(tmp_path / "v", table)
    runtime.register("v", tmp_path / "v")
    runtime.sql("update v set v = $v where id = $id", {"v": value, "id": 2})
    found = [
        row["v"]
        for row in sorted(
            pa.table(DeltaTable(tmp_path / "v").scan()).to_pylist(), key=lambda row: row["id"]
        )
    ]
    wanted = value.as_py() if isinstance(value, pa.Scalar) else value
    if isinstance(value, datetime):
        wanted = (
            value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
        )
    assert found[0] is None
    assert found[1] == wanted or (value != value and found[1] != found[1])


@pytest.mark.parametrize(
    ("record", "said"),
    [("text", {"sql": "delete from t where id = 0"}), ("off", {}), ("digest", None)],
)
def test_a_commit_says_its_statement_as_far_as_it_may(
    table: Path, record: Any, said: dict[str, str] | None
) -> None:
    settings = ObservabilityConfig(record_sql=record)
    with dfd.connect(observability=settings) as runtime:
        runtime.register("t", table)
        runtime.sql("delete from t where id = 0")
    found = {key: text for key, text in last(table).items() if key.startswith("sql")}
    if said is None:
        assert found.keys() == {"sql_fingerprint"}
        assert len(found["sql_fingerprint"]) == len("fp:") + 32
    else:
        assert found == said
