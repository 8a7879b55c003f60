"""A relay for spans of a library that knows of no parent: received on loopback, made anew under the operation
that was under way.

A trace of the library is held until its root comes, which ends last.
"""

from __future__ import annotations

import gzip
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import StatusCode, Tracer

from dfd_obs import ids
from dfd_obs.otlp import ReceivedSpan, spans_of
from dfd_obs.under_way import OperationsUnderWay

ATTRIBUTION = "dfd.attribution"
# With one that posts, so that it keeps nobody waiting.
_PATIENCE_S = 5.0


class SpanRelay:
    """Gives a tracer the spans that it takes; without a parent of their own, under the one operation of their time.

    Where none or several were under way then they are a trace of their own, and say `dfd.attribution="unsure"`.
    """

    def __init__(self, tracer: Tracer, operations: OperationsUnderWay) -> None:
        self._tracer = tracer
        self._operations = operations
        self._waiting: defaultdict[bytes, list[ReceivedSpan]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, spans: Iterable[ReceivedSpan]) -> None:
        """Take spans in any order; those whose root is there are given on."""
        for span in spans:
            with self._lock:
                self._waiting[span.trace_id].append(span)
                trace_ = [] if span.parent_id else self._waiting.pop(span.trace_id)
            self._give(trace_)

    def flush(self) -> None:
        """Give on what still waits for its root."""
        with self._lock:
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for trace_ in waiting:
            self._give(trace_)

    def _give(self, trace_: list[ReceivedSpan]) -> None:
        there = {span.span_id for span in trace_}
        children: defaultdict[bytes, list[ReceivedSpan]] = defaultdict(list)
        for span in trace_:
            children[span.parent_id if span.parent_id in there else b""].append(span)
        for root in children[b""]:
            period = self._operations.only_one_at(root.start_ns)
            if period is None:
                self._make(root, children, otel.Context(), {ATTRIBUTION: "unsure"})
            else:
                parent = trace.NonRecordingSpan(period.span_context)
                context = trace.set_span_in_context(parent, otel.Context())
                self._make(root, children, context, {ids.RUN_ID: period.run_id})

    def _make(
        self,
        span: ReceivedSpan,
        children: dict[bytes, list[ReceivedSpan]],
        context: otel.Context,
        told: dict[str, str],
    ) -> None:
        made = self._tracer.start_span(
            span.name,
            context,
            attributes={**span.attributes, **told},
            start_time=span.start_ns,
        )
        if span.has_failed:
            made.set_status(StatusCode.ERROR)
        below = trace.set_span_in_context(made, context)
        for child in children.get(span.span_id, ()):
            self._make(child, children, below, told)
        made.end(span.end_ns)


class RelayServer:
    """A relay behind OTLP/HTTP on loopback, in a thread. Only who knows `endpoint` can post to it."""

    def __init__(self, relay: SpanRelay) -> None:
        path = f"/{secrets.token_urlsafe(16)}/v1/traces"

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE_S

            def do_POST(self) -> None:
                self.send_response(self._status())
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _status(self) -> int:
                if self.path != path:
                    return 404
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    if self.headers.get("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
                    relay.take(list(spans_of(body)))
                except (ValueError, OSError):
                    return 400
                return 200

            def log_message(self, *_: object) -> None:
                """Nothing: it isn't the user's server."""

        # Of one thread: while the process ends no other can be started.
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}{path}"
        threading.Thread(
            target=self._server.serve_forever, name="dfd-span-relay", daemon=True
        ).start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
