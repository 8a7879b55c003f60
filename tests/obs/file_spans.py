"""Spans of processes that a test starts, as lines of a file that all of them append to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class FileSpanExporter(SpanExporter):
    """Appends each span in one write, which no other process comes between."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for span in spans:
            os.write(file, (span.to_json(indent=None) + "\n").encode())
        os.close(file)
        return SpanExportResult.SUCCESS


def export_to(path: Path) -> None:
    """Have this process append its spans to a file."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(path)))
    trace.set_tracer_provider(provider)


def read_from(path: Path) -> list[dict[str, Any]]:
    """The spans of a file, in the order in which they ended."""
    return [json.loads(line) for line in path.read_text().splitlines()]
