"""One candidate in a process of its own: reads names of queries from stdin, and answers each with its seconds."""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import time
from typing import Any

import dfd
import dfd.query
from dfd_obs import ObservabilityConfig, Observer

from benchmarks.scan import data
from benchmarks.scan.tasks import SMALL, tpch_queries

# Runs of the small query that make one answer, which is their median.
SMALL_RUNS = 100


class Nothing:
    """A preparation and a scope that note nothing."""

    query_id = "unobserved"
    text = ""
    namespace = summary = None

    def again(self) -> Nothing:
        return self

    @contextlib.contextmanager
    def taking(self, *_: Any) -> Any:
        yield

    activate = taking

    def ignored(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    export = routed = finish = ignored


class Unobserved(Observer):
    """An observer that queries pass by."""

    def prepare(self, *_: Any, **__: Any) -> Any:
        return Nothing()

    start_query = prepare


def with_sdk() -> None:
    """Spans in batches and metrics, as a job has them, to exporters that keep nothing."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Away(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            for span in spans:
                assert isinstance(span, ReadableSpan)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Away()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def connected(candidate: str) -> dfd.Runtime:
    """A runtime of `unobserved`, `no-sdk` (little is kept) or `everything` (an SDK, texts, all plans)."""
    if candidate != "everything":
        config = ObservabilityConfig(record_sql="off", slow_query_ms=1e9)
        runtime = dfd.connect(observability=config)
        if candidate == "unobserved":
            runtime.observer = Unobserved()
            dfd.query.QuerySummary = Nothing  # type: ignore[misc,assignment]
            Nothing.of_plan = lambda plan: None  # type: ignore[attr-defined]
        return runtime
    with_sdk()
    return dfd.connect(observability=ObservabilityConfig(record_sql="text", slow_query_ms=0))


def timed(runtime: dfd.Runtime, sql: str) -> float:
    """The seconds of one run."""
    started = time.perf_counter()
    runtime.sql(sql).to_arrow_table()
    return time.perf_counter() - started


def main(candidate: str, scale: float) -> None:
    """Answer until stdin ends."""
    runtime = connected(candidate)
    for table in data.tpch(scale):
        runtime.register(table.name, table.delta)
    queries = tpch_queries(scale)
    for line in sys.stdin:
        name = line.strip()
        gc.collect()
        if name == "small":
            seconds = statistics.median(timed(runtime, SMALL) for _ in range(SMALL_RUNS))
        else:
            seconds = timed(runtime, queries[name])
        print(seconds, flush=True)


if __name__ == "__main__":
    import logging

    # A line for each slow query would be the terminal's time.
    logging.getLogger("dfd_obs").setLevel(logging.ERROR)
    main(sys.argv[1], float(sys.argv[2]))
