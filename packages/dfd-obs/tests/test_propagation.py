"""A run and a trace go on in a process that knows of neither."""

from __future__ import annotations

import json
import subprocess
import sys

import dfd_obs
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

CHILD = """
import json, sys
import dfd_obs
from opentelemetry import trace
with dfd_obs.continued(json.loads(sys.argv[1])):
    span = trace.get_current_span().get_span_context()
    print(dfd_obs.current_run().id, format(span.trace_id, "032x"))
assert not trace.get_current_span().get_span_context().is_valid
"""


def test_a_new_process_works_for_the_same_run(spans: InMemorySpanExporter) -> None:
    with dfd_obs.run("nightly"), trace.get_tracer("user").start_as_current_span("job") as job:
        carried = dfd_obs.carrier()
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(carried)],
        capture_output=True,
        text=True,
        check=True,
    )
    trace_id = format(job.get_span_context().trace_id, "032x")
    assert ran.stdout.split() == ["nightly", trace_id]


def test_without_a_span_the_run_goes_along() -> None:
    with dfd_obs.run("nightly"):
        carried = dfd_obs.carrier()
    with dfd_obs.continued(carried):
        assert dfd_obs.current_run().id == "nightly"
    assert carried == {"dfd.run_id": "nightly"}
