"""Statements by dfd's SQL and by Delta-Spark's: the same text, the same rows, and the same history."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dfd
import pytest
from deltalake import DeltaTable
from readers import READERS, Read

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CREATE = """create table {t} (id bigint, p string comment 'of all', v double, d decimal(10, 2), day date)
    using delta partitioned by (p) comment 'both' tblproperties ({properties})"""
# Not WITH SCHEMA EVOLUTION: Delta-Spark 4.0 reads the words, and adds no column.
STATEMENTS = (
    """
insert into {t} values (1, 'a', 1.5, 2.25, date '2026-01-01'), (2, 'b', null, 0, null), (3, null, -1e300, null, null)
insert into {t} (d, id) values (7, 4), (8, 5)
insert into {t} by name select 'a' as p, 6 as id, cast(2.5 as double) as v
insert into {t} partition (p = 'c') (id, v) values (7, 1), (8, 2)
insert into {t} select id + 10, p, v, d, day from {t} where id < 5
update {t} set v = v * 2, p = 'z' where id in (1, 11) or v is null
update {t} as x set x.d = x.d + 1 where x.p = 'z'
delete from {t} where p is null and id > 12
delete from {t} as x where x.v between 1 and 2
merge into {t} as t using (select id, id * cast(2 as double) as v from {t} where id < 7) as s on t.id = s.id
    when matched and t.id = 2 then delete when matched then update set t.v = s.v, d = -1
merge into {t} as t using (select 5 as id, 'm' as p union all select 99, 'n') as s on t.id = s.id
    when matched then update set p = s.p when not matched then insert (id, p) values (s.id, s.p)
    when not matched by source and t.id > 10 then update set p = 'gone' when not matched by source and t.id = 7 then delete
alter table {t} add columns (w int comment 'more')
alter table {t} add constraint known check (id > 0 and id < 1000)
insert into {t} (id, w) values (20, 3)
alter table {t} drop constraint known
alter table {t} set tblproperties ('a.b' = 'c', 'delta.logRetentionDuration' = 'interval 9 days')
alter table {t} unset tblproperties if exists ('a.b', 'no')
optimize {t}
optimize {t} where p = 'z'
optimize {t} zorder by (id, v)
merge into {t} as t using (select 5 as id, 'x' as p, cast(9 as double) as v, cast(1.5 as decimal(10, 2)) as d,
    date '2026-02-03' as day, 7 as w union all select 98, null, null, null, null, null) as s on t.id = s.id
    when matched then update set * when not matched then insert *
insert overwrite {t} partition (p = 'z') (id, v) values (30, 3), (31, null)
delete from {t} where d is null and not (id > 90)
update {t} set day = date '2026-05-06', p = p || '-' || cast(id as string) where day is null or day < date '2026-03-01'
alter table {t} add column (price decimal(20, 4))
insert overwrite {t} (id, p) values (1, 'only')
insert into {t} replace where p = 'only' select 2, 'only', cast(1 as double), 1, null, 5, null
restore table {t} to version as of 3
""".strip()
    .replace("\n    ", " ")
    .split("\n")
)


def history(uri: Path) -> list[str]:
    return [one["operation"] for one in reversed(DeltaTable(uri).history())]


def rows(found: Any) -> Counter[str]:
    return Counter(str(sorted(row.items())) for row in found.to_pylist())


@pytest.mark.parametrize(
    "properties",
    ["'delta.enableDeletionVectors' = 'true'", "'delta.enableDeletionVectors' = 'false'"],
    ids=["vectors", "copies"],
)
@pytest.mark.parametrize("maker", ["dfd", "spark"])
def test_statements_are_those_of_spark(
    spark: SparkSession, with_spark: Read, tmp_path: Path, properties: str, maker: str
) -> None:
    """On a table that dfd has made, and on one that Spark has."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with dfd.connect() as runtime:
        for text in [CREATE, *STATEMENTS]:
            mine, other = (
                text.format(t=f"delta.`{uri}`", properties=properties) for uri in (ours, theirs)
            )
            spark.sql(other)
            (spark if (text, maker) == (CREATE, "spark") else runtime).sql(mine)
            wanted = rows(with_spark(theirs))
            assert rows(with_spark(ours)) == wanted, text
            assert rows(READERS["dfd"](ours)) == wanted, text
            assert history(ours) == history(theirs), text
            found, known = (DeltaTable(uri).metadata().configuration for uri in (ours, theirs))
            assert found.items() <= known.items(), text
    assert DeltaTable(ours).schema() == DeltaTable(theirs).schema()
    assert DeltaTable(ours).metadata().description == DeltaTable(theirs).metadata().description


# Without generated columns, which Delta-Spark 4.0 has in its builder alone.
MADE = (
    """
create table {t} using delta partitioned by (p) comment 'first' {location}
    tblproperties ('a.b' = 'c', 'delta.logRetentionDuration' = 'interval 9 days')
    as select cast(1 as bigint) as id, 'a' as p, cast(2.5 as double) as v union all select 2, null, null
insert into {t} values (3, 'b', 1)
delete from {t} where id = 1
create table if not exists {t} (z int) using delta
create or replace table {t} (id bigint not null comment 'key', w string) using delta comment 'second'
    tblproperties ('x' = 'y')
insert into {t} values (7, 'w'), (8, null)
create or replace table {t} using delta partitioned by (w) as select id, w, cast(id as double) / 2 as half from {t}
create or replace table {t} using delta tblproperties ('delta.enableDeletionVectors' = 'true')
    as select id as k from {t} where id > 7
alter table {t} add constraint known check (k > 0)
create or replace table {t} (k int comment 'one', day date) using delta partitioned by (day)
    tblproperties ('delta.deletedFileRetentionDuration' = 'interval 0 hours')
insert into {t} values (-1, date '2026-01-01')
delete from {t}
create or replace table {t} (at string, day date, n int) using delta partitioned by (day)
    tblproperties ('delta.deletedFileRetentionDuration' = 'interval 0 hours')
insert into {t} (at, n) values ('23:00', 1), (null, 2)
delete from {t}
""".strip()
    .replace("\n    ", " ")
    .split("\n")
)


def commits(uri: Path, kind: str) -> list[dict[str, Any]]:
    files = sorted((uri / "_delta_log").glob("*.json"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [line[kind] for line in lines if kind in line]


def said_of_creation(uri: Path) -> list[dict[str, Any]]:
    """What the commits that make or replace a table say of it."""
    found = [info for info in commits(uri, "commitInfo") if info["operation"].startswith("CREATE")]
    return [
        {"description": parameters.get("description")}
        | {key: json.loads(parameters.get(key) or "{}") for key in ("partitionBy", "properties")}
        for parameters in (info["operationParameters"] for info in found)
    ]


@pytest.mark.parametrize("maker", ["dfd", "spark"])
def test_tables_are_made_and_replaced_as_by_spark(
    spark: SparkSession, with_spark: Read, tmp_path: Path, maker: str
) -> None:
    """What they are, what their history says, and every version of them."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with dfd.connect() as runtime:

        def by_spark(text: str, uri: Path) -> Any:
            # It replaces no table that it knows by its path alone.
            return spark.sql(text.format(t=f"{maker}_{uri.name}", location=f"location '{uri}'"))

        def by_dfd(text: str) -> Any:
            return runtime.sql(text.format(t=f"delta.`{ours}`", location=""))

        def both(text: str) -> tuple[Any, Any]:
            return by_dfd(text), by_spark(text, theirs)

        for number, text in enumerate(MADE):
            by_spark(text, theirs)
            if number == 0 and maker == "spark":
                by_spark(text, ours)
            else:
                by_dfd(text)
            wanted = rows(with_spark(theirs))
            assert rows(with_spark(ours)) == rows(READERS["dfd"](ours)) == wanted, text
            assert history(ours) == history(theirs), text
            mine, other = DeltaTable(ours), DeltaTable(theirs)
            assert mine.schema() == other.schema(), text
            assert mine.metadata().configuration == other.metadata().configuration, text
            assert mine.metadata().description == other.metadata().description, text
            assert mine.metadata().partition_columns == other.metadata().partition_columns, text
        assert said_of_creation(ours) == said_of_creation(theirs)
        ids = [{one["id"] for one in commits(uri, "metaData")} for uri in (ours, theirs)]
        assert 1 < len(ids[0]) == len(ids[1])
        for version in range(DeltaTable(theirs).version() + 1):
            mine, other = both(f"select * from {{t}} version as of {version}")
            assert rows(mine.to_arrow_table()) == rows(other.toArrow()), version
        mine, other = both("describe history {t}")
        keys = ["version", "operation"]
        assert rows(mine.to_arrow_table().select(keys)) == rows(other.toArrow().select(keys))
        mine, other = both("describe detail {t}")
        (detail,), (wanted_detail,) = mine.to_arrow_table().to_pylist(), other.toArrow().to_pylist()
        for name, theirs_too in {
            "format": "format",
            "description": "description",
            "num_files": "numFiles",
            "min_reader_version": "minReaderVersion",
            "min_writer_version": "minWriterVersion",
        }.items():
            assert detail[name] == wanted_detail[theirs_too], name
        assert json.loads(detail["partition_columns"]) == wanted_detail["partitionColumns"]
        assert json.loads(detail["properties"]) == dict(wanted_detail["properties"])
        assert json.loads(detail["table_features"]) == sorted(wanted_detail["tableFeatures"])
