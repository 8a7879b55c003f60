"""Why a query runs in the session is recorded as a code, and in words where texts are recorded."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from datafusion import col, functions, udf
from dfd_native.errors import REFUSAL_REASONS
from dfd_obs import ObservabilityConfig

REFUSED = {
    "unreadable": "select table_name from information_schema.tables where table_name <> 'hush'",
    "no_rows": "select id, s from t where false",
    "other_schema": (
        "select arrow_cast(1.5, 'Float16') as h, arrow_cast(1.5, 'Float32') as f from t"
    ),
    "ambiguous_type": (
        "select cast(arrow_cast(id, 'Float16') + arrow_cast(1.5, 'Float32') as double) as x from t"
    ),
    "unplannable": "select cast('hush' as int) from t",
    "unwritable": "describe t",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_of_sql(runtime: dfd.Runtime, uri: Path, reason: str) -> None:
    query = runtime.sql(REFUSED[reason])
    assert query.route == "session"
    try:
        query.to_arrow_table()
    except dfd.QueryError:
        assert reason == "unplannable"
    (record,) = runtime.observer.records
    assert record.route_reason == reason, query.route_reason


def test_of_the_dataframe_api(runtime: dfd.Runtime, uri: Path) -> None:
    frame = runtime.session.table("t").select(functions.abs(col("id")).alias("x"))
    query = runtime.query(frame)
    query.to_arrow_table()
    assert runtime.observer.records[-1].route_reason == "function_of_spark"
    assert "abs may be" in str(query.route_reason)


def test_of_a_statement(runtime: dfd.Runtime) -> None:
    query = runtime.sql("create view v as select 1 as a")
    assert "statement" in str(query.route_reason)
    assert runtime.observer.records[-1].route_reason == "statement"


def test_words_are_recorded_where_texts_are(uri: Path) -> None:
    with dfd.connect(observability=ObservabilityConfig(record_sql="text")) as runtime:
        runtime.register("t", uri)
        with pytest.raises(dfd.QueryError):
            runtime.sql(REFUSED["unplannable"]).to_arrow_table()
        reason = runtime.observer.records[-1].route_reason
    assert reason is not None
    assert reason.startswith("unplannable: ")
    assert "hush" in reason


def test_a_function_that_captures_state(runtime: dfd.Runtime, uri: Path) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    runtime.sql("select watch(id) from t").to_arrow_table()
    assert runtime.observer.records[-1].route_reason == "unreadable"


def test_every_code_is_listed() -> None:
    assert {*REFUSED, "function_of_spark", "statement"} == REFUSAL_REASONS
