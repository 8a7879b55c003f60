"""What reverse proxies on loopback have in common: a server in threads, and requests that go through as they came.

The `Host` header goes through too: a request that a client signed for the proxy's address stays
signed.
"""

from __future__ import annotations

import abc
import contextlib
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextlib.contextmanager
def served(handler: type[Relay]) -> Iterator[str]:
    """The endpoint of a proxy whose requests `handler` handles."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Relay(BaseHTTPRequestHandler, abc.ABC):
    """One client's connection, and one of its own to the server at `address`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: no client waits for the second half
    address: str

    def setup(self) -> None:
        super().setup()
        self.upstream = HTTPConnection(self.address)

    def finish(self) -> None:
        self.upstream.close()
        with contextlib.suppress(OSError):  # the client may have gone first
            super().finish()

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def forward(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        """Ask the server; its answer and the answer's body."""
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                self.upstream.putheader(name, value)
        self.upstream.endheaders(body)
        answer = self.upstream.getresponse()
        return answer, answer.read()

    def answer(self, answer: HTTPResponse, content: bytes, sent: int | None = None) -> None:
        """Give the client the answer, with the first `sent` bytes of its body (None: all)."""
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        length = answer.headers.get("Content-Length", "0") if is_head else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content[:sent])
        self.wfile.flush()

    @abc.abstractmethod
    def handled(self) -> None:
        """Do with one request, of whatever method, what the proxy is for."""

    def do_GET(self) -> None:
        self.handled()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever is interested keeps the requests."""
