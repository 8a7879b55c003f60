"""Log lines of dfd say whose they are."""

from __future__ import annotations

import logging

import dfd_obs
import pytest
from dfd_obs import ObservabilityConfig, Observer, RunFilter
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def test_a_line_has_the_ids_of_its_query(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    RunFilter.install()
    observer = Observer(ObservabilityConfig(slow_query_ms=0))
    with dfd_obs.run("nightly"):
        scope = observer.start_query("select 1")
    scope.finish(rows=1)
    (line,) = caplog.records
    assert (line.dfd_run_id, line.dfd_query_id) == ("nightly", scope.query_id)
    assert line.trace_id == observer.records[0].trace_id


def test_outside_of_all_the_fields_are_there_and_empty() -> None:
    line = logging.makeLogRecord({})
    assert RunFilter().filter(line)
    assert line.dfd_run_id == dfd_obs.current_run().id
    assert (line.dfd_query_id, line.trace_id) == ("", "")
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_it_is_installed_once_and_on_the_loggers_of_dfd_alone() -> None:
    ours, other = logging.getLogger("dfd_obs.of_a_test"), logging.getLogger("dfdx")
    RunFilter.install()
    RunFilter.install()
    assert [type(one) for one in ours.filters] == [RunFilter]
    assert other.filters == []
