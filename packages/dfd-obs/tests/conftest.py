"""A real OpenTelemetry SDK, once per process, that keeps what it is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


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
