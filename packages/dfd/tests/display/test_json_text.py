"""Rows as JSON: all of them, while they come."""

from __future__ import annotations

import json

import dfd
import pyarrow as pa
import pytest
from datafusion import udf
from dfd.display.json_text import json_rows, json_text


def test_rows_are_one_document(runtime: dfd.Runtime) -> None:
    query = runtime.sql("select value as n, null as s from generate_series(1, 40000) order by n")
    found = json.loads("".join(json_rows(query)))
    assert found == [{"n": n, "s": None} for n in range(1, 40001)]
    assert json.loads("".join(json_rows(query, limit=3))) == found[:3]
    assert json.loads("".join(json_rows(query, limit=0))) == []
    assert json.loads("".join(json_rows(runtime.sql("select 1 as n where false")))) == []
    assert json.loads("".join(json_rows(runtime.sql("create view v as select 1 as n")))) == []


def test_values_read_back(runtime: dfd.Runtime) -> None:
    sql = (
        "select 0.1::float as f, 1e-9 as d, 'NaN'::double as nan, 1.50::decimal(5, 2) as m, "
        "9007199254740993 as big, 18446744073709551615 as bigger, x'00ff' as raw, "
        "arrow_cast(1, 'Timestamp(Nanosecond, Some(\"UTC\"))') as at, [1.5, null] as l, {x: 'y'} as o"
    )
    (row,) = json.loads("".join(json_rows(runtime.sql(sql))))
    assert row == {
        "f": 0.1, "d": 1e-9, "nan": "NaN", "m": "1.50", "big": 9007199254740993,
        "bigger": 18446744073709551615, "raw": "00ff", "at": "1970-01-01T00:00:00.000000001Z",
        "l": [1.5, None], "o": {"x": "y"},
    }  # fmt: skip


def test_rows_leave_while_others_come(runtime: dfd.Runtime) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    rows = json_rows(runtime.sql("select watch(value) as n from generate_series(1, 3000000)"))
    assert seen == []
    assert next(rows).startswith('[\n{"n":')
    rows.close()
    assert sum(seen) < 3_000_000


def test_two_columns_of_one_name_are_refused(runtime: dfd.Runtime, uri: object) -> None:
    query = runtime.sql("select a.id, b.id from t a join t b on a.id = b.id")
    with pytest.raises(dfd.QueryError, match=r"'id'.*AS"):
        next(json_rows(query))
    assert list(runtime.observer.records) == []


def test_a_query_that_fails_has_written_nothing(runtime: dfd.Runtime, uri: object) -> None:
    rows = json_rows(runtime.sql("select 1 / (id - id) as x from t"))
    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero"):
        next(rows)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    value = {"\x1b\x9b": "a\u202eb\x7fü"}
    text = json_text(value)
    assert text == '{"\\u001b\\u009b":"a\\u202eb\\u007fü"}'
    assert json.loads(text) == value
