"""Metrics by the conventions: buckets in which queries differ, failures by their class, examples by their trace."""

from __future__ import annotations

from typing import Any

from dfd_obs import ObservabilityConfig, Observer, OperatorMetrics, semconv
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def points(reader: InMemoryMetricReader, name: str) -> list[Any]:
    """The points of a metric; metrics of the process add up."""
    data = reader.get_metrics_data()
    assert data is not None
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
    assert {(one.scope.name, one.scope.schema_url) for one in scopes} == {
        ("dfd_obs", semconv.SCHEMA_URL)
    }
    metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
    return [point for metric in metrics for point in metric.data.data_points]


def total(reader: InMemoryMetricReader, name: str, **attributes: str) -> int:
    wanted = {key.replace("__", "."): value for key, value in attributes.items()}
    found = [p for p in points(reader, name) if wanted.items() <= dict(p.attributes).items()]
    return sum(point.value for point in found)


def test_a_short_query_has_a_bucket_of_its_own(measured: InMemoryMetricReader) -> None:
    now_s = [0.0]
    observer = Observer(seconds=lambda: now_s[0])
    for _ in range(3):
        scope = observer.start_query("describe of_this_test")
        now_s[0] += 0.0025
        scope.finish(rows=1)
    (point,) = [
        one
        for one in points(measured, "db.client.operation.duration")
        if one.attributes["db.operation.name"] == "DESCRIBE"
    ]
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
    assert point.bucket_counts[:3] == (0, 3, 0)


def test_a_failure_counts_by_its_class(
    measured: InMemoryMetricReader, spans: InMemorySpanExporter
) -> None:
    observer = Observer()
    observer.start_query("vacuum").finish(rows=0, error=ArithmeticError("4711"))
    observer.start_query("vacuum").finish(rows=0)
    found = {
        one.attributes.get("error.type"): one
        for one in points(measured, "db.client.operation.duration")
        if one.attributes["db.operation.name"] == "VACUUM"
    }
    assert {key: one.count for key, one in found.items()} == {"ArithmeticError": 1, None: 1}
    failed = next(span for span in spans.get_finished_spans() if span.name == "VACUUM")
    (example,) = found["ArithmeticError"].exemplars
    assert example.trace_id == failed.context.trace_id
    assert example.span_id == failed.context.span_id


def test_scans_count_what_they_read_and_left_out(measured: InMemoryMetricReader) -> None:
    before = [total(measured, f"dfd.scan.{name}") for name in ("bytes", "requests")]
    skipped = total(measured, "dfd.scan.files_skipped")
    operators = [
        OperatorMetrics(depth=0, operator="HashJoinExec", detail="", metrics={"output_rows": 1}),
        OperatorMetrics(
            depth=1,
            operator="DataSourceExec",
            detail="",
            metrics={"bytes_scanned": 7, "requests": 2, "files_considered": 9, "files_scanned": 4},
        ),
        OperatorMetrics(depth=1, operator="DeltaScanExec", detail="", metrics={"bytes_scanned": 3}),
    ]
    Observer().start_query("select 1").finish(rows=1, operators=operators)
    found = [total(measured, f"dfd.scan.{name}") for name in ("bytes", "requests")]
    assert [after - had for after, had in zip(found, before, strict=True)] == [10, 2]
    assert total(measured, "dfd.scan.files_skipped") - skipped == 5


def test_attempts_and_conflicts_are_counted(measured: InMemoryMetricReader) -> None:
    observer = Observer(ObservabilityConfig())
    observer.count_attempt("of_this_test", "ConcurrentAppend")
    observer.count_attempt("of_this_test")
    this = {"db__operation__name": "of_this_test"}
    assert total(measured, "dfd.commit.attempts", **this) == 2
    assert total(measured, "dfd.commit.conflicts", dfd__conflict="ConcurrentAppend", **this) == 1


def test_a_query_is_linked_to_a_reader_in_another_span(spans: InMemorySpanExporter) -> None:
    tracer, observer = trace.get_tracer("user"), Observer()
    with tracer.start_as_current_span("asks") as asks:
        preparation = observer.prepare("select 1")
    with tracer.start_as_current_span("reads") as reads:
        observer.start_query(preparation).finish(rows=1)
    with tracer.start_as_current_span("does both"):
        observer.start_query(observer.prepare("select 1")).finish(rows=1)
    first, second = [one for one in spans.get_finished_spans() if one.name == "datafusion"]
    assert first.parent.span_id == asks.get_span_context().span_id
    assert [link.context.span_id for link in first.links] == [reads.get_span_context().span_id]
    assert list(second.links) == []
