"""Statements of sixteen kinds, each with a literal that is told to nobody, and one way to fail for most of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dfd
import pyarrow as pa
from datafusion import col, lit

# No text and no number of dfd's own looks like these.
TEXT = "hush-078-05-1120"
NUMBER = 8675309
SENTINELS = (TEXT, str(NUMBER), "1903-12-17")

Statement = Callable[[dfd.Runtime, Path], object]


def sql(*texts: str) -> Statement:
    """Texts that are run one after the other, and read."""

    def run(runtime: dfd.Runtime, _: Path) -> object:
        return [runtime.sql(text).to_arrow_table() for text in texts]

    return run


def _written(runtime: dfd.Runtime, directory: Path) -> object:
    rows = pa.table({"id": [NUMBER], "code": [TEXT]})
    runtime.write(directory / "flights", rows)
    return runtime.write(
        directory / "flights", rows, mode="overwrite", predicate=f"code = '{TEXT}'"
    )


def _merged(runtime: dfd.Runtime, directory: Path) -> object:
    source = pa.table({"id": [NUMBER], "code": [TEXT]})
    merge = runtime.merge(directory / "flights", source, f"s.id = t.id and t.code <> '{TEXT}'")
    return merge.when_not_matched_insert_all().execute()


def _framed(runtime: dfd.Runtime, _: Path) -> object:
    frame = runtime.session.table("flights").filter(col("code") == lit(TEXT))
    return runtime.query(frame.select((col("id") + lit(NUMBER)).alias("x"))).to_arrow_table()


def _prepared(runtime: dfd.Runtime, _: Path) -> object:
    runtime.sql("prepare by_code(varchar) as select id from flights where code = $1")
    return runtime.sql(f"execute by_code('{TEXT}')").to_arrow_table()


def _with_parameters(runtime: dfd.Runtime, _: Path) -> object:
    return runtime.sql(
        "select id from flights where code = $code and id <> $id",
        params={"code": TEXT, "id": NUMBER},
    ).to_arrow_table()


def _made_and_kept(runtime: dfd.Runtime, directory: Path) -> object:
    return sql(
        f"create table delta.`{directory}/made` (id bigint, day date) using delta comment '{TEXT}' "
        f"tblproperties ('note' = '{TEXT}')",
        f"alter table flights set tblproperties ('note' = '{TEXT}')",
        f"alter table flights add constraint hushed check (code <> '{TEXT}-not')",
        "optimize flights",
    )(runtime, directory)


STATEMENTS: dict[str, Statement] = {
    "query": sql(f"select id, '{TEXT}' as x from flights where code <> '{TEXT}' or id = {NUMBER}"),
    "subquery": sql(
        f"select id from flights where code in (select '{TEXT}') and id < {NUMBER} "
        "union all values (1)"
    ),
    "query in the session": sql(
        f"select table_name from information_schema.tables where table_name <> '{TEXT}'"
    ),
    "parameters": _with_parameters,
    "prepared": _prepared,
    "dataframe": _framed,
    "explain": sql(f"explain select id from flights where code = '{TEXT}'"),
    "view": sql(f"create view hushed as select id from flights where code = '{TEXT}'"),
    "setting": sql(f"set datafusion.execution.time_zone = '{TEXT}'"),
    "insert": sql(f"insert into flights values ({NUMBER}, '{TEXT}')"),
    "update": sql(f"update flights set code = '{TEXT}' where id = {NUMBER} or id = 1"),
    "delete": sql(f"delete from flights where code = '{TEXT}' or id = 2"),
    "merge": _merged,
    "write": _written,
    "table": _made_and_kept,
    "script": sql(f"select '{TEXT}'; select {NUMBER} from flights limit 1"),
}

FAILING: dict[str, Statement] = {
    "can't be parsed": sql(f"selec '{TEXT}'"),
    "can't be planned": sql(f"select nope from flights where code = '{TEXT}'"),
    "can't be cast": sql(f"select cast('{TEXT}' as int) from flights"),
    "fails while it runs": sql(f"select arrow_cast(code || '{TEXT}', 'Int64') from flights"),
    "fails in the session": sql(
        f"select cast(table_name || '{TEXT}' as int) from information_schema.tables"
    ),
    "no date": sql("select date '1903-12-17' + code from flights"),
    "insert": sql(f"insert into flights select id, cast(code || '{TEXT}' as int) from flights"),
    "insert of a misfit": sql(f"insert into flights values ('{TEXT}', '{TEXT}')"),
    "update": sql(f"update flights set id = '{TEXT}'"),
    "delete": sql(f"delete from flights where cast(code || '{TEXT}' as int) = {NUMBER}"),
    "merge": sql(
        f"merge into flights t using (select '{TEXT}' as k) s on t.code = s.k "
        f"when matched then update set nope = '{TEXT}'"
    ),
    "constraint": sql(
        f"alter table flights add constraint short check (code <> '{TEXT}')",
        f"insert into flights values ({NUMBER}, '{TEXT}')",
    ),
    "table that isn't there": sql(f"delete from missing where code = '{TEXT}'"),
    "setting": sql(f"set datafusion.execution.batch_size = '{TEXT}'"),
    "version": sql(f"select * from flights timestamp as of '1903-12-17 {TEXT}'"),
    "script": sql(f"select 1; select cast('{TEXT}' as int)"),
}
