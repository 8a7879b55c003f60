"""A collector on loopback, which keeps the names of the spans that it is sent."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

received: list[str] = []


class Collector(BaseHTTPRequestHandler):
    """Takes traces by OTLP over HTTP."""

    def do_POST(self) -> None:
        """Keep the names of the spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            received.extend(s.name for scope in resource.scope_spans for s in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=collector.serve_forever, daemon=True).start()
page.replaced["http://localhost:4318"] = f"http://127.0.0.1:{collector.server_port}"
