"""Spans, metrics and records say the same, and say no value of a row unless asked."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import dfd_obs
import msgspec
import pytest
from datafusion import SessionContext
from dfd_obs import ObservabilityConfig, Observer, add_event
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

SQL = "select value from generate_series(1, 10) where value <> 8675309 and 'hush' <> 'hash'"


def ran(observer: Observer, sql: str = SQL) -> tuple[dfd_obs.QueryScope, Any]:
    """Run a query and finish its scope with the plan that ran."""
    dataframe = SessionContext().sql(sql)
    scope = observer.start_query(sql, route="session")
    rows = sum(batch.to_pyarrow().num_rows for batch in dataframe.execute_stream())
    plan = dataframe.execution_plan()
    scope.finish(rows=rows, plan=plan)
    return scope, plan


def test_one_trace_from_the_users_span(spans: InMemorySpanExporter) -> None:
    observer = Observer()
    tracer = trace.get_tracer("user")
    with tracer.start_as_current_span("job") as job, dfd_obs.run("nightly"):
        scope = observer.start_query("select 1", route="session")
        with scope.activate(), observer.operation("append", "s3://me:secret@b/t") as operation:
            operation.finish({"version": 3})
        scope.finish(rows=1)
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert set(by_name) == {"job", "SELECT", "execute", "append s3://***@b/t"}
    assert {span.context.trace_id for span in by_name.values()} == {job.get_span_context().trace_id}
    query, append = by_name["SELECT"], by_name["append s3://***@b/t"]
    assert append.parent.span_id == by_name["execute"].parent.span_id == query.context.span_id
    query, append, execute = query.attributes, append.attributes, by_name["execute"].attributes
    assert query["dfd.run_id"] == append["dfd.run_id"] == execute["dfd.run_id"] == "nightly"
    for one in (query, append, execute):
        assert one["dfd.query_id"] == scope.query_id
    assert append["dfd.version"] == 3
    assert append["db.collection.name"] == "s3://***@b/t"
    (record,) = observer.records
    assert record.trace_id == format(job.get_span_context().trace_id, "032x")


def test_slow_query_keeps_the_metrics_of_its_own_run() -> None:
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql="text"))
    scope, plan = ran(observer)
    (record,) = observer.slow_queries
    assert record.query_id == scope.query_id
    assert record.rows == 10
    assert record.plan is not None
    assert "FilterExec: value@0 != 8675309" in record.plan.text
    filtered = next(o for o in dfd_obs.operator_metrics(plan) if o.operator == "FilterExec")
    assert filtered.metrics["output_rows"] == 10
    assert f"elapsed_compute={filtered.metrics['elapsed_compute']}" in record.plan.text


def test_a_fast_query_keeps_no_plan() -> None:
    seconds = count(0.0, 0.001)
    observer = Observer(ObservabilityConfig(slow_query_ms=1.5), seconds=lambda: next(seconds))
    ran(observer)
    (record,) = observer.records
    assert (record.slow, record.plan, record.duration_s) == (False, None, 0.001)
    assert observer.slow_queries == ()


@pytest.mark.parametrize("record_sql", ["digest", "off"])
def test_no_value_is_kept_unless_asked(spans: InMemorySpanExporter, record_sql: Any) -> None:
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql=record_sql))
    ran(observer)
    scope = observer.start_query(SQL)
    scope.finish(rows=0, error=ValueError("can't cast 'hush' to 8675309"))
    kept = json.dumps(msgspec.to_builtins(observer.records))
    sent = "".join(span.to_json() for span in spans.get_finished_spans())
    for text in (kept, sent):
        assert "hush" not in text
        assert "8675309" not in text
    assert "ValueError" in kept
    assert "FilterExec" in kept


def test_equal_queries_have_equal_digests() -> None:
    observer = Observer()
    for sql in ("select 1", "select\n  2", "select a"):
        observer.start_query(sql).finish(rows=0)
    first, second, third = (record.sql for record in observer.records)
    assert first == second != third
    assert [record.fingerprint for record in observer.records] == [first, second, third]


def test_errors_and_abandoned_readers_are_told_apart(spans: InMemorySpanExporter) -> None:
    observer = Observer(ObservabilityConfig(record_sql="text"))
    observer.start_query("a").finish(rows=1, error=RuntimeError("broken"))
    observer.start_query("b").finish(rows=1, abandoned=True)
    assert [(r.status, r.error) for r in observer.records] == [
        ("error", "RuntimeError: broken"),
        ("abandoned", None),
    ]
    failed, abandoned = [span for span in spans.get_finished_spans() if span.name != "execute"]
    assert failed.attributes["error.type"] == "RuntimeError"
    assert failed.status.status_code is StatusCode.ERROR
    assert abandoned.status.status_code is StatusCode.UNSET


def test_an_operation_that_raises_is_recorded_and_raised() -> None:
    observer = Observer()
    with pytest.raises(KeyError), observer.operation("merge", "/t"):
        raise KeyError("x")
    (record,) = observer.operations
    assert (record.operation, record.status, record.error) == ("merge", "error", "KeyError")


def test_only_the_first_finish_counts() -> None:
    observer = Observer()
    scope = observer.start_query("a")
    scope.finish(rows=1)
    scope.finish(rows=2)
    assert [record.rows for record in observer.records] == [1]


def test_the_newest_records_are_kept() -> None:
    observer = Observer(ObservabilityConfig(max_records=2, record_sql="text"))
    for name in "abc":
        observer.start_query(name).finish(rows=0)
    assert [record.sql for record in observer.records] == ["b", "c"]


def test_a_failed_query_keeps_its_plan_though_it_was_fast() -> None:
    observer = Observer()
    scope = observer.start_query("select 1")
    _, plan = ran(observer, "select value from generate_series(1, 10)")
    scope.finish(rows=3, plan=plan, error=RuntimeError("broken"))
    assert [record.plan is None for record in observer.records] == [True, False]


def test_a_key_gives_several_processes_the_same_fingerprints() -> None:
    config = ObservabilityConfig(fingerprint_key="of the whole team")
    one, same, other = Observer(config), Observer(config), Observer()
    assert one.fingerprint("select 1") == same.fingerprint("select 2")
    assert one.fingerprint("select 1") != other.fingerprint("select 1")
    assert Observer(ObservabilityConfig(record_sql="off")).fingerprint("select 1") is None
    assert "team" not in repr(config)


def test_a_text_is_cut_at_a_whole_character() -> None:
    observer = Observer(ObservabilityConfig(max_plan_bytes=40, record_sql="text"))
    observer.start_query("select 'ääääääääääääääääääääääääääää'").finish(rows=0)
    (record,) = observer.records
    assert record.sql is not None
    assert record.sql.endswith("ä…")
    assert 38 <= len(record.sql.encode()) <= 40


def test_durations_and_rows_are_measured(measured: InMemoryMetricReader) -> None:
    observer = Observer(ObservabilityConfig(slow_query_ms=0))
    observer.start_query("show all").finish(rows=7)
    data = measured.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found["db.client.operation.duration"].unit == "s"
    (point,) = [
        one
        for one in found["db.client.response.returned_rows"].data.data_points
        if one.attributes["db.operation.name"] == "SHOW"
    ]
    assert point.sum == 7
    assert found["dfd.slow_queries"].data.data_points[0].value >= 1


def test_an_event_lands_on_the_span_of_its_operation(spans: InMemorySpanExporter) -> None:
    observer = Observer(ObservabilityConfig())
    with observer.operation("merge", "file:///t"):
        add_event(
            "dfd.attempt_failed",
            {"dfd.attempt": 2, "dfd.read_version": None, "why": "password=hunter2"},
        )
    add_event("nobody hears", {})
    (span,) = spans.get_finished_spans()
    (event,) = span.events
    assert event.name == "dfd.attempt_failed"
    assert event.attributes is not None
    assert (event.attributes["dfd.attempt"], event.attributes["dfd.read_version"]) == (2, "None")
    assert "hunter2" not in str(event.attributes)
