"""DataFrames, parameters, and tables of other kinds: through the runtime as in the session."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import dfd
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from datafusion import DataFrame, SessionContext, col, lit, udtf
from datafusion import functions as f
from datafusion.catalog import Table
from datafusion.expr import Window
from row_order import rows

Make = Callable[[SessionContext], DataFrame]


def agree(query: dfd.Query, route: str = "engine") -> pa.Table:
    """The query gives what its DataFrame gives in the session, on the route."""
    assert query.route == route, query.route_reason
    wanted = query.dataframe.to_arrow_table()
    found = query.to_arrow_table()
    assert [(c.name, c.type) for c in found.schema] == [(c.name, c.type) for c in wanted.schema]
    assert rows(found, query.dataframe) == rows(wanted, query.dataframe)
    return found


FRAMES: dict[str, Make] = {
    "table": lambda s: s.table("t"),
    "select": lambda s: s.table("t").select("id", col("m") * lit(2), f.upper(col("s")).alias("S")),
    "select_exprs": lambda s: s.table("t").select_exprs("id + 1 as n", "s || g as sg"),
    "filter": lambda s: s.table("t").filter(col("id") > lit(20), "g = 1"),
    "aggregate": lambda s: s.table("t").aggregate(
        [col("g")], [f.count(col("id")).alias("n"), f.sum(col("m")).alias("s")]
    ),
    "distinct": lambda s: s.table("t").select("g").distinct(),
    "distinct_on": lambda s: s.table("t").distinct_on(
        [col("g")], [col("g"), col("id")], [col("g").sort(), col("id").sort(ascending=False)]
    ),
    "sort": lambda s: (
        s.table("t").sort(col("m").sort(ascending=False), col("id")).limit(5, offset=2)
    ),
    "head": lambda s: s.table("t").sort("id").head(3),
    "tail": lambda s: s.table("t").sort("id").tail(3),
    "with_column": lambda s: s.table("t").with_column("x", col("id") % lit(7)).drop("d"),
    "with_columns": lambda s: s.table("t").with_columns(a=lit(None), b=f.now() == f.now()),
    "renamed": lambda s: s.table("t").with_column_renamed("s", "name").alias("other"),
    "join": lambda s: s.table("t").join(s.table("u"), left_on="id", right_on="k", how="left"),
    "semi": lambda s: s.table("t").join(s.table("u"), left_on="id", right_on="k", how="semi"),
    "anti": lambda s: s.table("u").join(s.table("t"), left_on="k", right_on="id", how="anti"),
    "full": lambda s: s.table("t").join(s.table("u"), left_on="id", right_on="k", how="full"),
    "join_on": lambda s: s.table("t").join_on(
        s.table("u").select("k"), col("id") + lit(1) == col("k"), how="inner"
    ),
    "union": lambda s: s.table("t").select("g").union(s.table("u").select("g")),
    "union_distinct": lambda s: (
        s.table("t").select("g").union(s.table("u").select("g"), distinct=True)
    ),
    "union_by_name": lambda s: s.table("t").union_by_name(s.table("u").with_column("m", lit(1.5))),
    "intersect": lambda s: s.table("t").select("g").intersect(s.table("u").select("g")),
    "except_all": lambda s: s.table("u").select("g").except_all(s.table("t").select("g")),
    "window": lambda s: s.table("t").select(
        "id", f.row_number(partition_by=[col("g")], order_by=[col("id").sort()]).alias("n")
    ),
    "over": lambda s: s.table("t").select(
        "id", f.sum(col("m")).over(Window(partition_by=[col("g")])).alias("total")
    ),
    "unnest": lambda s: s.table("wide").select("id", "list").unnest_columns("list"),
    "cast": lambda s: s.table("t").select("id", "g").cast({"id": pa.float64(), "g": pa.string()}),
    "fill_null": lambda s: s.table("u").fill_null("none", ["w"]).fill_null(0, ["k"]),
    "fill_nan": lambda s: s.table("u").select("v").fill_nan(0.5),
    "case": lambda s: s.table("u").select(
        f.case(col("g")).when(lit(1), lit("one")).otherwise(lit("other")).alias("c")
    ),
    "in_list": lambda s: s.table("t").filter(f.in_list(col("id"), [lit(1), lit(5)])),
    "repartition": lambda s: s.table("t").repartition(3),
    "repartition_by_hash": lambda s: s.table("t").repartition_by_hash(col("g"), num=3),
    "cache": lambda s: s.table("t").filter(col("g") == lit(1)).cache(),
    "describe": lambda s: s.table("t").describe(),
    "transform": lambda s: s.table("t").transform(lambda frame: frame.limit(100)),
    "parse": lambda s: s.table("t").filter(s.table("t").parse_sql_expr("id > 5 and s like '%7'")),
    "pydict": lambda s: s.from_pydict({"a": [1, None], "b": ["x", "y"]}),
    "pylist": lambda s: s.from_pylist([{"a": 1.5}, {"a": None}]),
    "pandas": lambda s: s.from_pandas(pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None]})),
    "polars": lambda s: s.from_polars(pl.DataFrame({"a": [1, 2], "b": ["x", None]})),
    "mixed": lambda s: s.from_pydict({"id": [1, 2, 5]}).join(s.table("t"), on="id"),
}


# What stays in the session, and a part of the reason.
IN_SESSION: dict[str, tuple[Make, str]] = {
    "avg": (
        lambda s: s.table("t").aggregate([col("g")], [f.avg(col("m")).alias("a")]),
        "datafusion.functions.spark",
    ),
    "half": (
        lambda s: s.table("t").select(lit(pa.scalar(1.5, pa.float16())).alias("h")),
        "Float16",
    ),
    "no rows": (lambda s: s.table("t").filter(lit(False)), "another schema"),
    "no columns": (lambda s: s.empty_table(), ""),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(over: Callable[[str], dfd.Runtime], name: str) -> None:
    runtime = over("delta")
    agree(runtime.query(FRAMES[name](runtime.session)))


@pytest.mark.parametrize("name", IN_SESSION)
def test_frames_that_stay(over: Callable[[str], dfd.Runtime], name: str) -> None:
    runtime = over("delta")
    make, reason = IN_SESSION[name]
    query = runtime.query(make(runtime.session))
    agree(query, "session")
    assert reason in str(query.route_reason)


def test_a_view_of_a_frame(runtime: dfd.Runtime) -> None:
    frame = runtime.session.table("t").filter(col("g") == lit(1))
    runtime.session.register_view("ones", frame)
    runtime.session.register_table("again", frame.select("id").into_view())
    sql = "select count(*) as n, max(ones.s) as s from ones join again using (id)"
    assert agree(runtime.sql(sql))["n"].to_pylist() == [29]


PARAMETERS = {
    "int": (5, "id = $x"),
    "negative": (-1, "id > $x"),
    "float": (2.5, "m = $x"),
    "text": ("row 5", "s = $x"),
    "quotes": ("it's; -- $y", "s <> $x"),
    "bool": (True, "(g = 1) = $x"),
    "null": (None, "s is not distinct from $x"),
    "decimal": (Decimal("2.50"), "m = $x"),
    "date": (dt.date(2020, 1, 6), "d = $x"),
    "datetime": (dt.datetime(2020, 1, 6, 1, 2, 3, 4), "d < $x"),
    "bytes": (b"row 5", "cast(s as bytea) = $x"),
    "list": ([1, 5], "array_has($x, id)"),
    "scalar": (pa.scalar(5, pa.int8()), "id = $x"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(over: Callable[[str], dfd.Runtime], name: str) -> None:
    value, predicate = PARAMETERS[name]
    runtime = over("delta")
    sql = f"select id, s from t where {predicate}"
    query = runtime.sql(sql, params={"x": value})
    wanted = runtime.session.sql(sql, param_values={"x": value}).to_arrow_table()
    assert wanted.num_rows > 0 or value is None
    assert agree(query).sort_by("id").to_pydict() == wanted.sort_by("id").to_pydict()


def test_values_of_parameters_keep_their_types(over: Callable[[str], dfd.Runtime]) -> None:
    runtime = over("delta")
    values = {name: value for name, (value, _) in PARAMETERS.items()}
    shown = ", ".join(f"${name} as {name}, arrow_typeof(${name}) as {name}_type" for name in values)
    agree(runtime.sql(f"select id, {shown} from t where id = $int", params=values))


def test_a_missing_parameter_is_an_error(over: Callable[[str], dfd.Runtime]) -> None:
    with pytest.raises(dfd.QueryError, match=re.escape("$x")):
        over("delta").sql("select id from t where id = $x").to_arrow_table()


class Series:
    """A table function written in Python."""

    def __call__(self, *arguments: Any) -> Table:
        count = arguments[0].python_value()
        batch = pa.record_batch({"n": pa.array(range(count), pa.int64())})
        return Table(ds.dataset([batch]))


def test_table_functions(runtime: dfd.Runtime) -> None:
    runtime.session.register_udtf(udtf(Series(), "series_of"))
    assert agree(runtime.sql("select n, s from series_of(9) left join t on n = id")).num_rows == 9
    assert agree(runtime.sql("select value from generate_series(1, 9, 4)")).num_rows == 3
    assert agree(runtime.sql("select value from range(0, 3) cross join t")).num_rows == 186


@pytest.mark.parametrize("stored_as", ["parquet", "csv", "json", "arrow"])
def test_files_of_every_format(runtime: dfd.Runtime, tmp_path: Path, stored_as: str) -> None:
    copy = f"copy t to '{tmp_path}/files/' stored as {stored_as} partitioned by (g)"
    runtime.session.sql(copy).collect()
    runtime.session.sql(
        f"create external table files stored as {stored_as} partitioned by (g) location '{tmp_path}/files/'"
    ).collect()
    assert agree(runtime.sql("select * from files")).num_rows == 62
    sql = "select files.g, count(*) as n from files join t on files.id = t.id where files.g > '0' group by files.g"
    assert agree(runtime.sql(sql)).num_rows == 2


def test_record_batches_in_partitions(runtime: dfd.Runtime) -> None:
    parts = [[pa.record_batch({"x": [part * 10 + n for n in range(3)]})] for part in range(3)]
    runtime.session.register_record_batches("parts", parts)
    assert agree(runtime.sql("select sum(x) as s, count(*) as n from parts"))["n"].to_pylist() == [
        9
    ]
    assert agree(runtime.sql("select x, s from parts left join t on x = id")).num_rows == 9


def test_a_dataset_that_is_filtered(over: Callable[[str], dfd.Runtime]) -> None:
    sql = "select id, s from t where id > 20 and g = 1 and s is not null and d < date '2020-03-01'"
    assert agree(over("dataset").sql(sql)).num_rows > 0


def test_explain_analyze(over: Callable[[str], dfd.Runtime]) -> None:
    runtime = over("delta")
    sql = "explain analyze select g, count(*) as n from t group by g"
    query = runtime.sql(sql)
    assert query.route == "engine"
    plain = runtime.session.sql(sql).to_arrow_table()
    found = query.to_arrow_table()
    assert found.schema.names == plain.schema.names
    assert "output_rows=3" in "".join(found["plan"].to_pylist())
