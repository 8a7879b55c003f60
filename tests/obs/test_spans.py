"""Spans and metrics of queries and operations by OpenTelemetry's conventions, with what is dfd's own beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dfd
import dfd_cache
import dfd_obs
import pyarrow as pa
import pytest
from datafusion import udf
from dfd_delta_policy import CommitPlan, Outcome
from dfd_obs import ObservabilityConfig, semconv
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

ROWS = 20_000
MORE = pa.table({"id": [-1], "code": ["c0"]})


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in spans.get_finished_spans() if span.name == name]
    return found


def points(measured: InMemoryMetricReader, name: str) -> list[Any]:
    data = measured.get_metrics_data()
    scopes = [scope for one in data.resource_metrics for scope in one.scope_metrics]
    metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
    return [point for metric in metrics for point in metric.data.data_points]


def counted(measured: InMemoryMetricReader, name: str, **attributes: str) -> int:
    wanted = {key.replace("__", "."): value for key, value in attributes.items()}
    found = [p for p in points(measured, name) if wanted.items() <= dict(p.attributes).items()]
    return sum(point.value for point in found)


def test_a_query(runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter) -> None:
    spans.clear()
    query = runtime.sql("select id from flights where code = 'c1'")
    table = query.to_arrow_table()
    span = named(spans, "SELECT flights")
    assert span.kind is SpanKind.CLIENT
    assert span.instrumentation_scope.schema_url == semconv.SCHEMA_URL
    attributes = dict(span.attributes)
    assert {name: attributes[name] for name in attributes if name.startswith("db.")} == {
        "db.system.name": "datafusion",
        "db.namespace": "datafusion.public",
        "db.query.summary": "SELECT flights",
        "db.operation.name": "SELECT",
        "db.response.returned_rows": table.num_rows,
    }
    assert attributes["dfd.query_id"] == query.id
    assert (attributes["dfd.route"], "dfd.route_reason" in attributes) == ("engine", False)
    children = [one for one in spans.get_finished_spans() if one is not span]
    assert {one.parent.span_id for one in children} == {span.context.span_id}
    assert {one.name for one in children} == {"plan", "refresh", "execute"}
    assert all(span.start_time <= one.start_time <= one.end_time for one in children)
    assert max(one.end_time for one in children) <= span.end_time


def test_a_query_that_fails(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter, measured: InMemoryMetricReader
) -> None:
    before = failures(measured)
    spans.clear()
    with pytest.raises(dfd.QueryError):
        runtime.sql("select 1 / (id - id) as x from flights").to_arrow_table()
    span = named(spans, "SELECT flights")
    assert span.attributes["error.type"] == "EngineError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "EngineError")
    assert failures(measured) == before + 1


def failures(measured: InMemoryMetricReader) -> int:
    found = points(measured, "db.client.operation.duration")
    return sum(p.count for p in found if p.attributes.get("error.type") == "EngineError")


def test_a_short_query_is_told_from_a_long_one(
    runtime: dfd.Runtime, uri: Path, measured: InMemoryMetricReader
) -> None:
    runtime.sql("show tables").to_arrow_table()
    (point,) = [
        p
        for p in points(measured, "db.client.operation.duration")
        if dict(p.attributes)
        == {"db.system.name": "datafusion", "db.operation.name": "SELECT", "dfd.status": "ok"}
    ]
    assert [bound for bound in point.explicit_bounds if bound <= 0.005] == [0.001, 0.005]


def test_what_a_scan_leaves_out_is_counted(
    runtime: dfd.Runtime, uri: Path, measured: InMemoryMetricReader
) -> None:
    names = ("files_skipped", "bytes", "requests")
    before = [counted(measured, f"dfd.scan.{name}") for name in names]
    runtime.sql(f"select code from flights where id < {ROWS // 4}").to_arrow_table()
    skipped, read, requests = (
        counted(measured, f"dfd.scan.{name}") - had for name, had in zip(names, before, strict=True)
    )
    assert skipped == 1
    assert read > 0
    assert requests > 0


class Meddling:
    """Another writer, whose commit comes between the first attempt's snapshot and its commit."""

    def __init__(self, runtime: dfd.Runtime, uri: Path) -> None:
        self._runtime = runtime
        self._uri = uri
        self._has_meddled = False

    def before_commit(self, plan: CommitPlan) -> None:
        if not self._has_meddled:
            self._has_meddled = True
            self._runtime.write(self._uri, MORE)

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing."""


def test_a_conflict_is_an_event_of_the_commit_and_a_number(
    runtime: dfd.Runtime, uri: Path, spans: InMemorySpanExporter, measured: InMemoryMetricReader
) -> None:
    attempts = counted(measured, "dfd.commit.attempts")
    conflicts = counted(measured, "dfd.commit.conflicts")
    spans.clear()
    with dfd_obs.run("job"):
        table = runtime.table(uri, hooks=[Meddling(runtime, uri)])
        outcome = table.set_properties({"dfd.note": "x"})
    assert outcome.attempts > 1
    operation = named(spans, f"set_properties file://{uri}")
    assert operation.attributes["db.collection.name"] == f"file://{uri}"
    (commit,) = [
        one
        for one in spans.get_finished_spans()
        if one.name == "commit" and one.parent.span_id == operation.context.span_id
    ]
    assert commit.attributes["dfd.run_id"] == "job"
    names = [event.name for event in commit.events]
    assert names == ["dfd.attempt_failed"] * (outcome.attempts - 1) + ["dfd.attempt"]
    assert commit.events[-1].attributes["dfd.attempt"] == outcome.attempts
    # That of the other writer, which was within the first.
    assert counted(measured, "dfd.commit.attempts") - attempts == outcome.attempts + 1
    assert counted(measured, "dfd.commit.conflicts") - conflicts == outcome.attempts - 1


def test_log_lines_of_dfd_have_the_ids(
    runtime: dfd.Runtime, uri: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    with dfd_obs.run("job"):
        runtime.sql("select id from flights").to_arrow_table()
    lines = [line for line in caplog.records if line.name.startswith("dfd")]
    assert lines
    record = runtime.observer.records[-1]
    for line in lines:
        found = (line.dfd_run_id, line.dfd_query_id, line.trace_id)
        assert found == ("job", record.query_id, record.trace_id)


def test_caches_are_counted(
    runtime: dfd.Runtime, uri: Path, measured: InMemoryMetricReader
) -> None:
    def of(kind: str, cache: str) -> int:
        return counted(measured, f"dfd.cache.{kind}", dfd__cache=cache)

    before = of("hits", "parquet_meta")
    for _ in range(2):
        runtime.sql("select sum(id) from flights").to_arrow_table()
    assert of("hits", "parquet_meta") > before
    # As they are counted, and by one callback, however many runtimes there are.
    dfd.connect()
    for cache, counts in dfd_cache.cache_stats().items():
        assert {kind: of(kind, cache) for kind in counts} == counts
    assert of("entries", "snapshot") > 0
    assert of("bytes", "snapshot") > 0


@pytest.mark.parametrize("route", ["engine", "session"])
def test_operators_have_spans_where_they_are_asked_for(
    uri: Path, spans: InMemorySpanExporter, route: str
) -> None:
    observability = ObservabilityConfig(slow_query_ms=0, operator_spans=True)
    runtime = dfd.connect(observability=observability)
    runtime.register("flights", uri)
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    # What it captures would not be shared with a copy in the engine.
    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    counted = {"engine": "id", "session": "watch(id)"}[route]
    spans.clear()
    query = runtime.sql(f"select code, count({counted}) as n from flights group by code order by n")
    assert query.to_arrow_table().num_rows > 1
    assert query.route == route
    execute = named(spans, "execute")
    finished = {span.context.span_id: span for span in spans.get_finished_spans()}
    operators = [span for span in finished.values() if "dfd.operator.rows" in span.attributes]
    assert len(operators) >= 4
    for span in operators:
        above = finished[span.parent.span_id]
        assert above is execute or above in operators
        assert span.start_time <= span.end_time <= execute.end_time + 1_000_000
        assert "code" not in span.name
    (capture,) = [record.plan for record in runtime.observer.records if record.plan is not None]
    timed = [one for _, one in capture.plan.walk() if one.start_us is not None]
    assert sorted(one.node_type for one in timed) == sorted(span.name for span in operators)
    spread = [one.rows_by_partition for one in timed if one.rows_by_partition is not None]
    assert max(one.partitions for one in spread) > 1
