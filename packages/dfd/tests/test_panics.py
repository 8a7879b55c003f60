"""What DataFusion raises where it panics, or has no class for it, is an error of dfd."""

from __future__ import annotations

import dfd
import pyarrow as pa
import pytest
from datafusion import udf
from dfd.panics import as_query_errors, is_panic


def a_panic() -> BaseException:
    """A real one: datafusion's session takes a literal that it can't make."""
    kind = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    raised: BaseException = kind("index out of bounds")
    return raised


def test_a_panic_is_told_from_other_exceptions() -> None:
    assert is_panic(a_panic())
    assert not any(map(is_panic, (KeyboardInterrupt(), ValueError(), None)))


def test_errors_within_the_block() -> None:
    with (
        pytest.raises(dfd.QueryError, match="Nothing: DataFusion panicked: index"),
        as_query_errors("Nothing"),
    ):
        raise a_panic()
    with pytest.raises(dfd.QueryError, match="Nothing: bad"), as_query_errors("Nothing"):
        raise Exception("bad")
    with pytest.raises(dfd.ConfigurationError), as_query_errors("Nothing"):
        raise dfd.ConfigurationError("mine")
    with pytest.raises(KeyboardInterrupt), as_query_errors("Nothing"):
        raise KeyboardInterrupt


READERS = {
    "to_arrow_table": lambda query: query.to_arrow_table(),
    "to_pandas": lambda query: query.to_pandas(),
    "to_polars": lambda query: query.to_polars(),
    "fetch_all": lambda query: query.fetch_all(),
    "fetch_one": lambda query: query.fetch_one(),
    "show": lambda query: query.show(),
    "reader": lambda query: query.reader().read_all(),
    "iter": lambda query: list(query),
    "html": lambda query: query._repr_html_(),
    "explain": lambda query: query.explain(analyze=True),
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("route", ["engine", "session"])
def test_no_reader_lets_another_class_out(runtime: dfd.Runtime, read: str, route: str) -> None:
    def panics(values: pa.Array) -> pa.Array:
        raise a_panic() if route == "session" else ValueError("of the user")

    function = udf(panics, [pa.int64()], pa.int64(), "volatile", "panics")
    runtime.session.register_udf(function)
    sql = "select panics(value) as n from generate_series(1, 3)"
    if route == "session":
        sql = "select panics(length(table_name)) as n from information_schema.tables"
    query = runtime.sql(sql)
    assert query.route == route
    with pytest.raises(dfd.QueryError):
        READERS[read](query)
    assert runtime.observer.records[-1].status == "error"
