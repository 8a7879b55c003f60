"""However a query is read: all spans are in the caller's trace, and all records and commits have its run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dfd
import dfd_obs
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

ROWS = 20_000
ENGINE = "select id, code from flights where code <> 'c9'"
# It knows of itself alone what tables there are.
SESSION = f"{ENGINE} and exists (select 1 from information_schema.tables)"
Read = Callable[[dfd.Runtime, str], object]


def in_a_thread(work: Callable[[], object]) -> object:
    """What a thread makes that knows of no run and of no span."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def reader(runtime: dfd.Runtime, sql: str) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_stream(runtime.sql(sql))


def by_duckdb(runtime: dfd.Runtime, sql: str) -> int:
    relation = duckdb.from_arrow(reader(runtime, sql))
    return int(relation.aggregate("count(*)").fetchall()[0][0])


def in_an_executor(runtime: dfd.Runtime, sql: str) -> int:
    query = runtime.sql(sql)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(query.to_arrow_table).result().num_rows


def by_to_thread(runtime: dfd.Runtime, sql: str) -> int:
    async def read() -> int:
        table = await asyncio.to_thread(lambda: runtime.sql(sql).to_arrow_table())
        return table.num_rows

    return asyncio.run(read())


def by_a_generator(runtime: dfd.Runtime, sql: str) -> object:
    def batches() -> Iterator[int]:
        for batch in runtime.sql(sql).reader():
            yield batch.num_rows

    made = batches()
    first = next(made)
    return in_a_thread(lambda: first + sum(made))


def by_polars_in_a_thread(runtime: dfd.Runtime, sql: str) -> object:
    stream = reader(runtime, sql)
    return in_a_thread(lambda: pl.DataFrame(stream).height)


def by_pyarrow_in_a_thread(runtime: dfd.Runtime, sql: str) -> object:
    stream = reader(runtime, sql)
    return in_a_thread(lambda: stream.read_all().num_rows)


READS: dict[str, Read] = {
    "eager": lambda runtime, sql: runtime.sql(sql).to_arrow_table().num_rows,
    "polars": lambda runtime, sql: pl.DataFrame(runtime.sql(sql)).height,
    "polars in a thread": by_polars_in_a_thread,
    "duckdb": by_duckdb,
    "pyarrow in a thread": by_pyarrow_in_a_thread,
    "executor": in_an_executor,
    "to_thread": by_to_thread,
    "generator": by_a_generator,
}


def check(spans: InMemorySpanExporter, caller: trace.Span, run_id: str) -> list[ReadableSpan]:
    """All spans but the caller's are in its trace, with the run's id."""
    found = [span for span in spans.get_finished_spans() if span.name != "caller"]
    assert found
    trace_id = caller.get_span_context().trace_id
    assert {span.context.trace_id for span in found} == {trace_id}
    assert {span.attributes["dfd.run_id"] for span in found} == {run_id}
    return found


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("way", READS)
def test_a_query_belongs_to_who_asked_for_it(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter, way: str, route: str
) -> None:
    spans.clear()
    with (
        dfd_obs.run("job"),
        trace.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        rows = READS[way](runtime, ENGINE if route == "engine" else SESSION)
    assert rows == ROWS
    found = check(spans, caller, "job")
    (query,) = [span for span in found if span.name.startswith("SELECT")]
    assert query.parent.span_id == caller.get_span_context().span_id
    steps = {span.name for span in found if span is not query}
    assert {"plan", "execute"} <= steps <= {"plan", "refresh", "execute"}
    (record,) = runtime.observer.records
    assert (record.run_id, record.rows, record.route) == ("job", ROWS, route)
    assert query.attributes["dfd.query_id"] == record.query_id


def test_a_stream_is_read_after_its_run_has_ended(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter
) -> None:
    tracer = trace.get_tracer("user")
    spans.clear()
    with dfd_obs.run("first"), tracer.start_as_current_span("caller") as caller:
        stream = reader(runtime, ENGINE)
    with dfd_obs.run("second"), tracer.start_as_current_span("reads") as reads:
        assert stream.read_all().num_rows == ROWS
    found = [span for span in check_but(spans, "reads") if span.name != "caller"]
    assert {span.context.trace_id for span in found} == {caller.get_span_context().trace_id}
    assert {span.attributes["dfd.run_id"] for span in found} == {"first"}
    (query,) = [span for span in found if span.name == "SELECT flights"]
    assert [link.context.span_id for link in query.links] == [reads.get_span_context().span_id]
    (record,) = runtime.observer.records
    assert record.run_id == "first"


def check_but(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name != name]


def test_a_query_keeps_the_run_it_was_made_in_where_none_is_around_its_export(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter
) -> None:
    spans.clear()
    with (
        dfd_obs.run("job"),
        trace.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        query = runtime.sql(ENGINE)
    assert in_a_thread(lambda: query.to_arrow_table().num_rows) == ROWS
    check(spans, caller, "job")
    with dfd_obs.run("later"):
        query.to_arrow_table()
    query.to_arrow_table()
    assert [record.run_id for record in runtime.observer.records] == ["job", "later", "job"]


def test_a_write_of_a_query_is_one_trace_and_one_run(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter
) -> None:
    target = uri.parent / "copy"
    spans.clear()
    with (
        dfd_obs.run("job"),
        trace.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        runtime.write(target, runtime.sql(ENGINE))
    found = {span.name: span for span in check(spans, caller, "job")}
    select, append = found["SELECT flights"], found[f"append file://{target}"]
    assert append.parent.span_id == caller.get_span_context().span_id
    assert found["stage"].parent.span_id == append.context.span_id
    assert select.parent.span_id == found["stage"].context.span_id
    assert found["commit"].parent.span_id == append.context.span_id
    assert [event.name for event in found["commit"].events] == ["dfd.attempt"]
    assert {"plan", "execute"} <= found.keys()
    (record,) = runtime.observer.records
    assert (record.run_id, record.rows) == ("job", ROWS)
    assert runtime.observer.operations[-1].run_id == "job"
    (commit,) = DeltaTable(target).history()
    assert (commit["dfd.run_id"], commit["dfd.query_id"]) == ("job", record.query_id)


def test_a_runtime_is_closed_by_another_task_and_by_another_thread() -> None:
    async def connected() -> Iterator[dfd.Runtime]:
        with dfd.connect() as runtime:
            yield runtime

    async def main() -> None:
        generator = connected()
        await asyncio.create_task(generator.__anext__())
        await asyncio.create_task(generator.aclose())

    asyncio.run(main())
    before = dfd_obs.current_run()
    runtime = dfd.connect()
    runtime.__enter__()
    assert dfd_obs.current_run() != before
    in_a_thread(runtime.close)
    assert dfd_obs.current_run() == before


def test_threads_that_know_of_no_run_work_for_that_of_their_runtime(uri: Path) -> None:
    with dfd.connect() as runtime, ThreadPoolExecutor(2) as executor:
        runtime.register("flights", uri)
        run_id = dfd_obs.current_run().id

        def work(number: int) -> None:
            runtime.sql(ENGINE).to_arrow_table()
            runtime.query(runtime.session.table("flights")).to_arrow_table()
            runtime.write(uri.parent / f"copy_{number}", runtime.sql(ENGINE))

        list(executor.map(work, range(2)))
    records = (*runtime.observer.records, *runtime.observer.operations)
    assert [record.run_id for record in records] == [run_id] * 8
    for number in range(2):
        (commit,) = DeltaTable(uri.parent / f"copy_{number}").history()
        assert commit["dfd.run_id"] == run_id
