"""For any query over tables with deletion vectors that Spark wrote: the same rows as of what Spark reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import dfd
import dfd_native
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from hypothesis import event, given, settings
from hypothesis import strategies as st
from row_order import rows

SUITE = Path(__file__).parents[1] / "conformance/spark"
COLUMNS = ["id", "g", "s", "m", "d"]
# Every version of every table with these columns.
VERSIONS = [
    path
    for path in sorted(SUITE.glob("dv_*/expected/*.parquet"))
    if pq.ParquetFile(path).schema_arrow.names == COLUMNS
]
EXAMPLES = 5000 if os.environ.get("DFD_PROPERTIES") == "long" else 150
OPERATOR = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
COMPARISON = st.one_of(
    st.builds("id {} {}".format, OPERATOR, st.integers(-1, 201)),
    st.builds("g {} {}".format, OPERATOR, st.integers(-1, 3)),
    st.builds("s {} 'row {}'".format, OPERATOR, st.integers(0, 100)),
    st.builds("m {} {}".format, OPERATOR, st.integers(-20, 51)),
    st.builds("d {} date '2020-0{}-15'".format, OPERATOR, st.integers(1, 8)),
    st.builds("id in ({}, {}, {})".format, *[st.integers(0, 200)] * 3),
    st.builds("id % {} = 1".format, st.integers(2, 9)),
    st.sampled_from(["s in ('new', 'merged', 'orphan')", "s like 'row 1%'", "g is null", "m = id"]),
)
PREDICATE = st.recursive(
    COMPARISON,
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=4,
)
WHERE = st.just("") | st.builds("where {}".format, PREDICATE)
SOME = st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True).map(", ".join)
QUERY = st.one_of(
    st.builds("select {} from t {}".format, SOME, WHERE),
    st.builds(
        "select {} from t {} order by {}, id, m limit {} offset {}".format,
        SOME,
        WHERE,
        st.sampled_from(["g", "s desc", "m", "d desc", "g desc"]),
        st.integers(1, 30),
        st.sampled_from([0, 0, 3]),
    ),
    st.builds("select count(*) as n, min(id), max(id), count(s), sum(m) from t {}".format, WHERE),
    st.builds("select min(g), max(g), min(s), max(s), min(m), max(d) from t {}".format, WHERE),
    st.builds(
        "select g, count(*) as n, max(s) as s, min(d) as d from t {} group by g".format, WHERE
    ),
    st.builds(
        "select a.id, b.s from t a {} join t b on a.id = b.{} {}".format,
        st.sampled_from(["inner", "left", "full"]),
        st.sampled_from(["id", "g"]),
        st.just("") | st.sampled_from(["where a.g = 1", "where b.id < 20", "where a.m > 3"]),
    ),
)


class Routes(NamedTuple):
    """One version of a table: as plain Parquet, through the leaf and through the engine."""

    plain: SessionContext
    leaf: SessionContext
    engine: dfd.Runtime


@pytest.fixture(scope="module")
def routes() -> dict[Path, Routes]:
    made = {}
    for path in VERSIONS:
        uri = path.parents[1] / "delta"
        plain, leaf, engine = SessionContext(), SessionContext(), dfd.connect()
        plain.register_parquet("t", path)
        leaf.register_table("t", dfd_native.delta_table(uri.as_uri(), version=int(path.stem)))
        engine.register("t", uri, version=int(path.stem))
        made[path] = Routes(plain, leaf, engine)
    return made


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(version=st.sampled_from(VERSIONS), sql=QUERY)
def test_the_same_rows(routes: dict[Path, Routes], version: Path, sql: str) -> None:
    plain, leaf, engine = routes[version]
    wanted = rows(plain.sql(sql).to_arrow_table(), sql)
    assert rows(leaf.sql(sql).to_arrow_table(), sql) == wanted, f"the leaf: {sql}"
    query = engine.sql(sql)
    event(query.route)
    assert rows(query.to_arrow_table(), sql) == wanted, f"the {query.route}: {sql}"


def test_the_versions_are_there() -> None:
    assert len(VERSIONS) > 15
