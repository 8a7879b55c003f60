"""A real OpenTelemetry SDK, once per process, that keeps what it is sent; a runtime and a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from dfd_obs import ObservabilityConfig
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

sys.path.insert(0, str(Path(__file__).parent))
ROWS = 20_000


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


@pytest.fixture(scope="session")
def measured() -> InMemoryMetricReader:
    # A process has one provider, and a provider the readers that it was made with.
    made = getattr(metrics.get_meter_provider(), "reader_of_tests", None)
    if made is None:
        made = InMemoryMetricReader()
        provider = MeterProvider(metric_readers=[made])
        provider.reader_of_tests = made
        metrics.set_meter_provider(provider)
    return made


@pytest.fixture
def runtime(exporter: InMemorySpanExporter, measured: InMemoryMetricReader) -> dfd.Runtime:
    """A runtime whose block isn't entered: no run is around it."""
    return dfd.connect(observability=ObservabilityConfig(slow_query_ms=0))


@pytest.fixture
def uri(runtime: dfd.Runtime, tmp_path: Path) -> Path:
    """A table of several files, registered as `flights`."""
    location = tmp_path / "flights"
    for part in range(2):
        ids = list(range(part * ROWS // 2, (part + 1) * ROWS // 2))
        runtime.write(location, pa.table({"id": ids, "code": [f"c{n % 7}" for n in ids]}))
    runtime.register("flights", location)
    return location
