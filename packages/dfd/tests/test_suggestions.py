"""The name that was meant, in errors."""

from __future__ import annotations

from pathlib import Path

import dfd
import pytest
from dfd.suggestions import did_you_mean, nearest


def test_nearest() -> None:
    assert nearest("ordres", ["orders", "items"]) == "orders"
    assert nearest("ORDERS", ["orders"]) == "orders"
    assert nearest("x", ["orders"]) is None
    assert did_you_mean("x", ["b", "a"]) == "The fields are `a`, `b`."
    assert did_you_mean("x", [], "tables") == "There are no tables."
    assert did_you_mean("x", map(str, range(30))).endswith(", ....")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select * from flihgts", "Did you mean flights"),
        ("select * from FLIGHT", "Did you mean flights"),
        ("select * from odd", 'Did you mean "Odd"'),
        ("select * from nothing_like_it", r"runtime\.register.*\[\[table\]\].*delta"),
        ("select idd from flights", "Did you mean 'flights.id'"),
        ("select lenght(s) from flights", "Did you mean 'length'"),
    ],
)
def test_a_query_that_names_what_is_not_there(
    runtime: dfd.Runtime, uri: Path, sql: str, says: str
) -> None:
    runtime.register("flights", uri)
    runtime.register('"Odd"', uri)
    with pytest.raises(dfd.QueryError, match=says):
        runtime.sql(sql)


def test_profiles(runtime: dfd.Runtime) -> None:
    with pytest.raises(dfd.ConfigurationError, match="Did you mean `attempts`"):
        dfd.DataFusionRuntimeProfile.from_toml({"retry": {"atempts": 3}})
    with pytest.raises(dfd.ConfigurationError, match="Did you mean `observability`"):
        dfd.DataFusionRuntimeProfile.from_toml({"observabilty": {}})
    with pytest.raises(dfd.DfdError, match=r'\[\[storage\]\] with uri = "s3://bucket"'):
        runtime.register("x", "s3://bucket/x")


def test_sql_is_no_dataframe(runtime: dfd.Runtime) -> None:
    with pytest.raises(dfd.ConfigurationError, match=r"SQL text goes to runtime\.sql"):
        runtime.query("select 1")  # type: ignore[arg-type]
