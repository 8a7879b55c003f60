"""The same queries give the same rows wherever a table lies, by every route."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from lake import Lake, Route, Tables, engine, leaf, on_s3, rows, s3_files
from orders import write
from servers import Server

QUERIES = {
    "everything": "select * from orders",
    "projection": "select note, id from orders",
    "partition": "select id from orders where region = 'süd/west %41'",
    "null_partition": "select id, note from orders where region is null and id < 300",
    "column": "select id, region from orders where id between 240 and 310 and note is not null",
    "nothing": "select id from orders where id = 260",
    "aggregate": "select region, count(*) as n, sum(amount) as s, min(note) as first from orders group by region",
    "statistics": "select count(*) as n, min(id) as low, max(id) as high from orders",
    "join": """
        select c.name, o.region, sum(o.amount) as s from orders o join customers c on o.customer = c.id
        where c.tier = 1 group by c.name, o.region
    """,
    "topk": "select amount, id from orders order by amount desc, id limit 7",
}


@pytest.fixture(scope="module")
def plain(expected: dict[str, pa.Table]) -> SessionContext:
    """The same rows in memory."""
    session = SessionContext()
    for name, table in expected.items():
        session.from_arrow(table, name=name)
    return session


@pytest.fixture(scope="module")
def tables(place: Lake) -> Tables:
    return {name: place.table(name) for name in ("orders", "customers")}


@pytest.mark.parametrize("route", [leaf, engine])
@pytest.mark.parametrize("name", QUERIES)
def test_the_same_rows(tables: Tables, plain: SessionContext, name: str, route: Route) -> None:
    found, wanted = route(tables)(QUERIES[name]), plain.sql(QUERIES[name]).to_arrow_table()
    assert found.schema.names == wanted.schema.names
    assert rows(found) == rows(wanted)
    if name == "topk":
        assert found.to_pylist() == wanted.to_pylist()


def test_a_runtime_runs_them_all_in_its_engine(place: Lake, plain: SessionContext) -> None:
    with place.connect() as runtime:
        for table in ("orders", "customers"):
            runtime.register(table, place.uri(table))
        for name, sql in QUERIES.items():
            query = runtime.sql(sql)
            assert rows(query.to_arrow_table()) == rows(plain.sql(sql).to_arrow_table()), name
            assert (query.route, query.route_reason) == ("engine", None), name


def test_an_older_version_stays_as_it_was(place: Lake) -> None:
    older = place.table("orders", version=1)
    assert older.version == 1
    for route in (leaf, engine):
        found = route({"orders": older})("select count(*) as n, max(id) as m from orders")
        assert found.to_pylist() == [{"n": 200, "m": 199}]


def test_files_of_a_bucket_join_its_delta_tables(
    gateway: Server, expected: dict[str, pa.Table]
) -> None:
    lake = on_s3(gateway)
    lake = replace(lake, root=f"{lake.root}/mixed")
    write(lake)
    with s3_files(gateway).open_output_stream("lake/mixed/plain/part.parquet") as file:
        pq.write_table(expected["customers"], file)
    with lake.connect() as runtime:
        runtime.register("orders", lake.uri("orders"))
        location = lake.uri("plain/")
        runtime.sql(
            f"create external table plain stored as parquet location '{location}'"
        ).to_arrow_table()
        query = runtime.sql(
            "select p.name, count(*) as n from orders o join plain p on o.customer = p.id group by p.name"
        )
        found = query.to_arrow_table()
        assert (query.route, query.route_reason) == ("engine", None)
    assert found.num_rows == 40
    assert sum(found["n"].to_pylist()) == expected["orders"].num_rows
