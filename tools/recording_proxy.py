"""A reverse proxy on loopback that writes down every request, before any HTTP server.

The `Host` header goes through as it came: a request that a client signed for the proxy's address stays
signed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """A request, and what its answer said."""

    method: str
    path: str
    query: str
    range: str | None
    status: int
    content_range: str | None

    @property
    def is_list(self) -> bool:
        """Whether it listed a bucket or a container."""
        return self.method == "GET" and ("list-type=" in self.query or "comp=list" in self.query)

    @property
    def reaches_the_end(self) -> bool:
        """Whether it read an object up to its last byte, where a Parquet file has its footer."""
        if self.content_range is None:
            return self.method == "GET" and self.status == 200 and not self.is_list
        span, _, total = self.content_range.removeprefix("bytes ").partition("/")
        return int(span.partition("-")[2]) + 1 == int(total)


@dataclass
class Recording:
    """The requests that went through, in the order in which they were answered."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)

    def take(self) -> list[Request]:
        """The requests since this was last asked."""
        taken, self.requests = self.requests, []
        return taken


@contextlib.contextmanager
def recording_proxy(
    endpoint: str, loses: Callable[[Request], bool] = lambda request: False
) -> Iterator[Recording]:
    """A proxy before the server at `endpoint`, in threads of this process.

    The server answers each request; where `loses` says so, the answer is kept from the client, whose
    connection ends.
    """
    upstream = urlsplit(endpoint).netloc

    class Handler(_Handler):
        address = upstream
        is_lost = staticmethod(loses)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recording = Recording(f"http://127.0.0.1:{server.server_port}")
    Handler.recording = recording
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield recording
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: no client waits for the second half
    address: str
    recording: Recording
    is_lost: Callable[[Request], bool]

    def setup(self) -> None:
        super().setup()
        self.upstream = HTTPConnection(self.address)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                self.upstream.putheader(name, value)
        self.upstream.endheaders(body)
        answer = self.upstream.getresponse()
        content = answer.read()
        path, _, query = self.path.partition("?")
        request = Request(
            self.command,
            unquote(path),
            unquote(query),
            self.headers.get("Range"),
            answer.status,
            answer.headers.get("Content-Range"),
        )
        self.recording.requests.append(request)
        if self.is_lost(request):
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        length = answer.headers.get("Content-Length", "0") if is_head else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the recording has it."""
