"""delta-rs's spans land in the caller's trace, under the operation that was under way; and never elsewhere in silence."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from itertools import count

import pytest
from dfd_obs.otlp import ReceivedSpan, spans_of
from dfd_obs.span_relay import RelayServer, SpanRelay
from dfd_obs.under_way import OperationsUnderWay
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

TRACER = trace.get_tracer("of a test")


def received(name: str, span: int, parent: int = 0, start_ns: int = 10) -> ReceivedSpan:
    parent_id = parent.to_bytes(8, "big") if parent else b""
    ids = (b"one trace", span.to_bytes(8, "big"), parent_id)
    return ReceivedSpan(*ids, name, start_ns, start_ns + 5, {"rows": 7}, name == "fails")


def field(number: int, value: bytes | int) -> bytes:
    """A field of protobuf: bytes, or a number of 64 bits."""
    if isinstance(value, int):
        return bytes([number << 3 | 1]) + value.to_bytes(8, "little")
    length = len(value)
    sizes = [length & 0x7F | 0x80, length >> 7] if length > 127 else [length]
    return bytes([number << 3 | 2, *sizes]) + value


def test_of_the_bytes_of_a_request() -> None:
    def attribute(name: str, value: bytes) -> bytes:
        return field(9, field(1, name.encode()) + field(2, value))

    span = (
        field(1, bytes(16)) + field(2, b"spanspan") + field(4, b"parentid") + field(5, b"a name")
        + field(7, 1_700_000_000_000_000_000) + field(8, 1_700_000_000_000_000_007)
        + attribute("text", field(1, b"hush" * 40)) + attribute("flag", b"\x10\x01")
        + attribute("below", b"\x18" + b"\xff" * 9 + b"\x01")
        + attribute("half", b"\x21\x00\x00\x00\x00\x00\x00\xe0\x3f")
        + field(15, field(2, b"said") + b"\x18\x02")
    )  # fmt: skip
    request = field(1, field(1, b"resource") + field(2, field(1, b"scope") + field(2, span) * 2))
    first, second = spans_of(request)
    assert first == second
    assert first == ReceivedSpan(
        bytes(16), b"spanspan", b"parentid", "a name",
        1_700_000_000_000_000_000, 1_700_000_000_000_000_007,
        {"flag": 1, "below": -1, "half": 0.5}, has_failed=True,
    )  # fmt: skip


@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_have_no_more_than_they_say(message: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(list(spans_of(message))) <= len(message)


def test_a_tree_lands_under_the_operation_once_its_root_comes(spans: InMemorySpanExporter) -> None:
    now = count(1)
    operations = OperationsUnderWay(lambda: next(now))
    with TRACER.start_as_current_span("operation") as operation:
        period = operations.begin(operation, "nightly")
    relay = SpanRelay(TRACER, operations)
    relay.take([received("fails", 3, parent=2), received("inner", 2, parent=1)])
    assert [span.name for span in spans.get_finished_spans()] == ["operation"]
    relay.take([received("root", 1)])
    operations.end(period)
    found = {span.name: span for span in spans.get_finished_spans()}
    parents = {name: span.parent.span_id for name, span in found.items() if span.parent}
    ids = {name: span.context.span_id for name, span in found.items()}
    assert parents == {"root": ids["operation"], "inner": ids["root"], "fails": ids["inner"]}
    assert (found["root"].start_time, found["root"].end_time) == (10, 15)
    assert dict(found["inner"].attributes) == {"rows": 7, "dfd.run_id": "nightly"}
    assert found["fails"].status.status_code is StatusCode.ERROR


def test_none_and_several_operations_are_unsure(spans: InMemorySpanExporter) -> None:
    now = iter([1, 2, 20])
    operations = OperationsUnderWay(lambda: next(now))
    relay = SpanRelay(TRACER, operations)
    relay.take([received("before", 1, start_ns=0)])
    first = operations.begin(TRACER.start_span("a"), "run")
    operations.begin(TRACER.start_span("b"), "run")
    relay.take([received("within both", 1)])
    operations.end(first)
    relay.take([received("within one", 1, start_ns=30)])
    found = {span.name: span for span in spans.get_finished_spans()}
    for name in ("before", "within both"):
        assert found[name].parent is None
        assert found[name].attributes["dfd.attribution"] == "unsure"
    assert "dfd.attribution" not in found["within one"].attributes
    assert found["within one"].parent is not None


def test_what_has_no_root_is_given_on_at_the_end(spans: InMemorySpanExporter) -> None:
    relay = SpanRelay(TRACER, OperationsUnderWay())
    relay.take([received("inner", 2, parent=1), received("innermost", 3, parent=2)])
    assert spans.get_finished_spans() == ()
    relay.flush()
    relay.flush()
    assert sorted(span.name for span in spans.get_finished_spans()) == ["inner", "innermost"]


def test_who_does_not_know_the_endpoint_is_refused() -> None:
    server = RelayServer(SpanRelay(TRACER, OperationsUnderWay()))
    root = "/".join(server.endpoint.split("/")[:3])
    try:
        for url, body, status in (
            (f"{root}/v1/traces", b"", 404),
            (server.endpoint, b"no protobuf", 400),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url, data=body, timeout=10)
            assert refused.value.code == status
            refused.value.close()
        with urllib.request.urlopen(server.endpoint, data=b"", timeout=10) as answer:
            assert answer.status == 200
    finally:
        server.close()


SCRIPT = """
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + chr(10))
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)
import deltalake, dfd_obs, pyarrow as pa
started = dfd_obs.init_delta_tracing(relay=True, flush=True)
assert dfd_obs.init_delta_tracing() == started
dfd_obs.instrument()
with dfd_obs.run("nightly"), trace.get_tracer("user").start_as_current_span("job"):
    deltalake.write_deltalake(sys.argv[1], pa.table({"n": [1], "s": ["hush-4711"]}))
    deltalake.DeltaTable(sys.argv[1]).delete("s = 'hush-4711'")
"""


def test_of_a_script_that_ends_at_once(tmp_path: object) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{tmp_path}/t"],
        env={**os.environ, "RUST_LOG": "info", "OTEL_BSP_SCHEDULE_DELAY": "300"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    spans = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    by_id = {span["context"]["span_id"]: span for span in spans}
    (job,) = [span for span in spans if span["name"] == "job"]
    relayed = [
        span for span in spans if span["name"] in ("write_operation", "snap.build", "storage")
    ]
    assert {span["name"] for span in relayed} >= {"write_operation", "storage"}
    sure = [span for span in relayed if "dfd.attribution" not in span["attributes"]]
    for span in sure:
        assert span["context"]["trace_id"] == job["context"]["trace_id"]
        assert span["attributes"]["dfd.run_id"] == "nightly"
        while span["parent_id"] is not None:
            span = by_id[span["parent_id"]]
        assert span is job
    assert "write_operation" in {span["name"] for span in sure}
    assert "hush" not in ran.stdout


def test_an_endpoint_and_a_relay_are_two_things() -> None:
    from dfd_obs import TracingUnavailable, init_delta_tracing

    with pytest.raises(TracingUnavailable, match="one of both"):
        init_delta_tracing("http://localhost:4318/v1/traces", relay=True)
