"""A reverse proxy on loopback that does to chosen requests what networks and servers do.

What is late is late by what the client does, not by a clock: the proxy waits until the client has given the
request up.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
# A client without a timeout is an error of the test.
_GIVEN_UP_WITHIN_S = 60.0


class Fault(str, Enum):
    """What becomes of one request."""

    REQUEST_LOST = "request lost"
    """The store never sees it; the connection ends."""
    REQUEST_CUT = "request cut"
    """The connection is reset in the middle of the request's body."""
    ERROR = "500"
    """The store never sees it, and the answer is 500."""
    SLOW_DOWN = "503"
    """The store never sees it, and the answer is 503 SlowDown."""
    ANSWER_LOST = "answer lost"
    """The store does it; the connection ends without an answer."""
    ANSWER_CUT = "answer cut"
    """The store does it; the connection is reset in the middle of the answer's body."""
    ERROR_AFTER = "500 after"
    """The store does it, and the answer is 500."""
    SLOW = "slow"
    """The store does it; the answer comes after the client's timeout."""
    LATE = "late"
    """The store sees it when the client has given it up."""
    STRAGGLER = "straggler"
    """The store sees it when the client's whole operation is over (`FaultyProxy.settle`)."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Exchange:
    """A request, what was done to it, and what the store answered (None: it wasn't asked)."""

    method: str
    path: str
    query: str
    fault: Fault | None
    status: int | None

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.method} {self.path}{query}: {self.fault or 'through'}, {self.status}"


Choose = Callable[[int, str, str], "Fault | None"]


@dataclass
class FaultyProxy:
    """The proxy: `choose(n, method, path)` says what becomes of the n-th request since `begin`."""

    endpoint: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Condition()
        self._choose: Choose = lambda n, method, path: None
        self._count = 0
        self._open = 0
        self._over = threading.Event()

    def begin(self, choose: Choose | None = None) -> None:
        """Count from nought, with other faults."""
        with self._lock:
            self.exchanges = []
            self._count = 0
            self._choose = choose or (lambda n, method, path: None)
            self._over = threading.Event()

    def settle(self) -> list[Exchange]:
        """The operation is over: let the stragglers through, and wait until nothing is on its way."""
        self._over.set()
        with self._lock:
            self._lock.wait_for(lambda: self._open == 0)
            return list(self.exchanges)

    def _arrived(self, method: str, path: str) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            self._open += 1
            self._count += 1
            return self._choose(self._count - 1, method, path), self._over

    def _left(self, exchange: Exchange | None) -> None:
        with self._lock:
            if exchange is not None:
                self.exchanges.append(exchange)
            self._open -= 1
            self._lock.notify_all()


@contextlib.contextmanager
def faulty_proxy(endpoint: str) -> Iterator[FaultyProxy]:
    """A proxy before the server at `endpoint`, in threads of this process."""
    made = FaultyProxy()

    class Handler(_Handler):
        address = urlsplit(endpoint).netloc
        proxy = made

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.settle()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: no client waits for the second half
    address: str
    proxy: FaultyProxy

    def setup(self) -> None:
        super().setup()
        self.upstream = HTTPConnection(self.address)

    def finish(self) -> None:
        self.upstream.close()
        with contextlib.suppress(OSError):  # the client may have gone first
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        fault, over = self.proxy._arrived(self.command, unquote(path))
        status = None
        try:
            status = self._faulted(fault, over)
        finally:
            self.proxy._left(Exchange(self.command, unquote(path), unquote(query), fault, status))

    def _faulted(self, fault: Fault | None, over: threading.Event) -> int | None:
        """The status of the store's answer; None where the store wasn't asked."""
        length = int(self.headers.get("Content-Length", 0))
        if fault is Fault.REQUEST_CUT:
            self.rfile.read(length // 2)
            self._reset()
            return None
        body = self.rfile.read(length)
        if fault is Fault.REQUEST_LOST:
            self.close_connection = True
            return None
        if fault in (Fault.ERROR, Fault.SLOW_DOWN):
            self._refuse(fault)
            return None
        if fault in (Fault.LATE, Fault.STRAGGLER):
            self._wait_for_the_client_to_give_up()
            if fault is Fault.STRAGGLER:
                over.wait()
        answer, content = self._forward(body)
        if fault is Fault.SLOW:
            self._wait_for_the_client_to_give_up()
        if fault in (Fault.LATE, Fault.STRAGGLER, Fault.SLOW, Fault.ANSWER_LOST):
            self.close_connection = True
        elif fault is Fault.ERROR_AFTER:
            self._refuse(fault)
        elif fault is Fault.ANSWER_CUT:
            self._answer(answer, content, len(content) // 2)
            self._reset()
        else:
            self._answer(answer, content, len(content))
        return answer.status

    def _forward(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                self.upstream.putheader(name, value)
        self.upstream.endheaders(body)
        answer = self.upstream.getresponse()
        return answer, answer.read()

    def _answer(self, answer: HTTPResponse, content: bytes, sent: int) -> None:
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

    def _refuse(self, fault: Fault) -> None:
        status, code = (503, "SlowDown") if fault is Fault.SLOW_DOWN else (500, "InternalError")
        text = f"<Error><Code>{code}</Code><Message>As the test wants.</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # It is reset when its last owner closes it, before anything ends it in order.
        for owner in (self.wfile, self.rfile, self.connection):
            owner.close()
        self.wfile = io.BytesIO()  # the caller flushes

    def _wait_for_the_client_to_give_up(self) -> None:
        ready, _, _ = select.select([self.connection], [], [], _GIVEN_UP_WITHIN_S)
        if not ready:
            raise TimeoutError("the client waits for ever")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the exchanges have it."""
