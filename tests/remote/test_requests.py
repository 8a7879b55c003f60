"""What is asked of S3, written down by a proxy before the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import dfd_native
import pytest
from deltalake import write_deltalake
from lake import Lake, Route, engine, leaf, on_s3
from orders import ORDERS, write
from recording_proxy import Recording, Request, recording_proxy
from servers import Server

FIRST = "select sum(amount) as s from orders where id >= 100"
SECOND = "select customer, max(note) as n from orders where id >= 100 group by customer"


@pytest.fixture(scope="module")
def written(gateway: Server) -> str:
    """A prefix of the bucket, with the tables."""
    prefix = "s3://lake/requests"
    write(replace(on_s3(gateway), root=prefix))
    return prefix


@pytest.fixture
def recording(gateway: Server) -> Iterator[Recording]:
    """A proxy of its own for each test: nothing that was read through another is known."""
    with recording_proxy(gateway.endpoint) as made:
        yield made


@pytest.fixture
def lake(gateway: Server, recording: Recording, written: str) -> Lake:
    """The tables, through the proxy."""
    return replace(on_s3(replace(gateway, endpoint=recording.endpoint)), root=written)


def of_the_log(requests: list[Request]) -> list[Request]:
    return [request for request in requests if request.is_list or "_delta_log" in request.path]


def footers(requests: list[Request]) -> Counter[str]:
    """How often each data file was looked at, or read up to its end."""
    return Counter(
        request.path
        for request in requests
        if not request.is_list
        and "_delta_log" not in request.path
        and (request.reaches_the_end or request.method == "HEAD")
    )


def assert_data_alone(requests: list[Request]) -> None:
    assert requests, "nothing was read"
    assert of_the_log(requests) == []
    assert footers(requests) == Counter()


@pytest.mark.xfail(strict=True, reason="delta_kernel reads the log anew for protocol and files")
def test_opening_reads_each_part_of_the_log_once(lake: Lake, recording: Recording) -> None:
    lake.table("orders")
    requests = recording.take()
    read = Counter((r.path, r.range) for r in requests if r.method == "GET" and not r.is_list)
    assert {path.rpartition("/")[0] for path, _ in read} == {"/lake/requests/orders/_delta_log"}
    assert set(read.values()) == {1}, read
    assert sum(request.is_list for request in requests) == 1, requests


@pytest.mark.parametrize("route", [leaf, engine])
def test_a_warm_table_is_read_without_log_and_footers(
    lake: Lake, recording: Recording, route: Route
) -> None:
    read = route({"orders": lake.table("orders")})
    recording.take()
    read(FIRST)
    first = recording.take()
    assert of_the_log(first) == []
    assert set(footers(first).values()) == {1}
    assert read(SECOND).num_rows == 40
    assert_data_alone(recording.take())


@pytest.mark.parametrize("how", [{"pinned": True}, {"version": 6}])
def test_a_pinned_table_of_a_runtime_is_not_looked_at_again(
    lake: Lake, recording: Recording, how: dict[str, int]
) -> None:
    with lake.connect() as runtime:
        runtime.register("orders", lake.uri("orders"), **how)
        runtime.sql(FIRST).to_arrow_table()
        recording.take()
        query = runtime.sql(SECOND)
        assert query.to_arrow_table().num_rows == 40
        assert query.route == "engine"
        assert_data_alone(recording.take())


def test_an_unpinned_table_is_looked_at_once_a_query(lake: Lake, recording: Recording) -> None:
    with lake.connect() as runtime:
        runtime.register("orders", lake.uri("orders"))
        runtime.sql(FIRST).to_arrow_table()
        recording.take()
        runtime.sql(SECOND).to_arrow_table()
        requests = recording.take()
        looks = sorted((r.method, r.path.rpartition("/")[2]) for r in of_the_log(requests))
        assert looks == [("HEAD", f"{6:020}.json"), ("HEAD", f"{7:020}.json")]
        assert footers(requests) == Counter()


@pytest.mark.parametrize(
    ("sql", "looked_at"),
    [
        ("select count(*) as n from seen where id >= 100", 1),
        ("select count(*) as n from seen, orders o, public.orders p where o.id = p.id", 1),
        ("execute ask", 1),
        ("select count(*) as n from orders, also", 1),
        ("select count(*) as n from orders, other", 2),
        ("select 'orders' as n, 1 as other -- from orders", 0),
        ("select id as n from pinned where note <> 'orders'", 0),
        ("show tables", 0),
    ],
)
def test_a_query_looks_once_at_each_table_that_it_reads(
    lake: Lake, recording: Recording, sql: str, looked_at: int
) -> None:
    with lake.connect() as runtime:
        for name in ("orders", "also"):
            runtime.register(name, lake.uri("orders"))
        runtime.register("pinned", lake.uri("orders"), pinned=True)
        runtime.write(lake.uri("other"), ORDERS.slice(0, 5), mode="overwrite")
        runtime.register("other", lake.uri("other"))
        runtime.sql("create view seen as select * from orders")
        runtime.sql("prepare ask as select count(*) as n from orders")
        recording.take()
        runtime.sql(sql).to_arrow_table()
        looks = [request.method for request in of_the_log(recording.take())]
        assert looks == ["HEAD"] * 2 * looked_at


def test_of_a_new_commit_that_commit_alone_is_read(
    gateway: Server, lake: Lake, recording: Recording
) -> None:
    direct = replace(on_s3(gateway), root=lake.root)
    write_deltalake(direct.uri("growing"), ORDERS, storage_options=direct.options)
    with lake.connect() as runtime:
        runtime.register("growing", lake.uri("growing"))
        runtime.sql("select sum(id) as s from growing").to_arrow_table()
        more = ORDERS.slice(0, 10)
        write_deltalake(direct.uri("growing"), more, mode="append", storage_options=direct.options)
        recording.take()
        found = runtime.sql("select count(*) as n, sum(id) as s from growing").to_arrow_table()
        assert found.to_pylist() == [{"n": 610, "s": sum(range(600)) + sum(range(10))}]
        requests = recording.take()
        read = {r.path for r in of_the_log(requests) if r.method == "GET" and not r.is_list}
        assert read == {f"/lake/requests/growing/_delta_log/{1:020}.json"}
        assert len(footers(requests)) == 1, "the footer of the new file is read, and no other"


@pytest.mark.parametrize("route", [leaf, engine])
def test_files_that_a_filter_rules_out_are_not_asked_for(
    lake: Lake, recording: Recording, route: Route
) -> None:
    read = route({"orders": lake.table("orders")})
    recording.take()
    assert read("select id from orders where region = 'north' and id < 100").num_rows == 25
    assert len({request.path for request in recording.take()}) == 1


@pytest.mark.parametrize("route", [leaf, engine])
def test_what_is_counted_is_what_the_server_saw(
    lake: Lake, recording: Recording, route: Route
) -> None:
    before = dfd_native.request_counts()
    read = route({"orders": lake.table("orders")})
    read(FIRST)
    read(SECOND)
    seen = Counter("list" if r.is_list else r.method.lower() for r in recording.take())
    after = dfd_native.request_counts()
    assert {
        verb: after[verb] - before[verb] for verb in after if after[verb] > before[verb]
    } == seen
