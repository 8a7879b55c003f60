"""Two results that differ are told apart, whatever they are made of."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from comparison import Result, difference, sort_columns
from datafusion import SessionContext


def result(array: pa.Array, name: str = "a") -> Result:
    batch = pa.record_batch({name: array})
    return Result(batch.schema, [batch])


def query(sql: str) -> Result:
    batches = [pa.record_batch(batch) for batch in SessionContext().sql(sql).collect()]
    return Result(batches[0].schema, batches)


SAME: list[tuple[pa.Array, pa.Array]] = [
    (pa.array([1, 2, None]), pa.array([None, 2, 1])),
    (pa.array([math.nan, 1.0]), pa.array([1.0, -math.nan])),
    (pa.array([[1, None], None, []]), pa.array([[9], [1, None], None, []])[1:]),
    (pa.array([{"x": 1}, None]), pa.array([{"x": 7}, {"x": 1}, None])[1:]),
    (pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_rows_in_any_order(left: pa.Array, right: pa.Array) -> None:
    assert difference(result(left), result(right)) is None


DIFFERENT: list[tuple[Any, Any, pa.DataType]] = [
    ([1], [1, 1], pa.int64()),
    ([1], [None], pa.int64()),
    ([0.0], [-0.0], pa.float64()),
    ([0.1], [math.nextafter(0.1, 1)], pa.float64()),
    ([[1, 2]], [[2, 1]], pa.list_(pa.int64())),
    ([[1, 2]], [[2, 1]], pa.list_(pa.int64(), 2)),
    ([[]], [None], pa.list_(pa.int64())),
    ([{"x": None}], [None], pa.struct([("x", pa.int64())])),
    ([[("k", 1)]], [[("k", 2)]], pa.map_(pa.utf8(), pa.int64())),
    ([1], [2], pa.timestamp("ns", "UTC")),
    ([2**31 - 1], [2**31 - 2], pa.date32()),
]


@pytest.mark.parametrize(("left", "right", "kind"), DIFFERENT)
def test_different_rows(left: Any, right: Any, kind: pa.DataType) -> None:
    assert difference(result(pa.array(left, kind)), result(pa.array(right, kind)))


def test_lists_in_any_order() -> None:
    one, other = result(pa.array([[1, 2, 2]])), result(pa.array([[2, 1, 2]]))
    assert difference(one, other)
    assert difference(one, other, lists_in_any_order=True) is None
    assert difference(one, result(pa.array([[1, 1, 2]])), lists_in_any_order=True)


def test_different_columns() -> None:
    one = result(pa.array([1]))
    assert difference(one, result(pa.array([1], pa.int32())))
    assert difference(one, result(pa.array([1]), "b"))
    assert difference(result(pa.array([{"x": 1}])), result(pa.array([{"y": 1}])))


def test_intervals_that_pyarrow_has_no_class_for() -> None:
    sql = "SELECT arrow_cast('{} months', 'Interval(YearMonth)') AS i"
    assert difference(query(sql.format(1)), query(sql.format(1))) is None
    assert difference(query(sql.format(1)), query(sql.format(2)))


def test_the_order_of_the_columns_that_sort() -> None:
    session = SessionContext()
    sql = "SELECT x, y FROM (VALUES (1, 2)) AS t(x, y) ORDER BY y DESC, x + 1, x LIMIT 3"
    assert sort_columns(session.sql(sql)) == [1]
    assert sort_columns(session.sql("SELECT 1")) == []
    up, down = result(pa.array([1, 2])), result(pa.array([2, 1]))
    assert difference(up, down) is None
    assert difference(up, down, order=[0])
