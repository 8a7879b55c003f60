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
from urllib.parse import unquote, urlsplit

from relay import Relay, served

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

    with served(Handler) as made.endpoint:
        try:
            yield made
        finally:
            made.settle()


class _Handler(Relay):
    proxy: FaultyProxy

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def handled(self) -> None:
        path, _, query = self.path.partition("?")
        fault, over = self.proxy._arrived(self.command, unquote(path))
        status = None
        try:
            status = self._faulted(fault, over)
        finally:
            self.proxy._left(Exchange(self.command, unquote(path), unquote(query), fault, status))

    def _faulted(self, fault: Fault | None, over: threading.Event) -> int | None:
        """The status of the store's answer; None where the store wasn't asked."""
        if fault is Fault.REQUEST_CUT:
            self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
            self._reset()
            return None
        body = self.body()
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
        answer, content = self.forward(body)
        if fault is Fault.SLOW:
            self._wait_for_the_client_to_give_up()
        if fault in (Fault.LATE, Fault.STRAGGLER, Fault.SLOW, Fault.ANSWER_LOST):
            self.close_connection = True
        elif fault is Fault.ERROR_AFTER:
            self._refuse(fault)
        elif fault is Fault.ANSWER_CUT:
            self.answer(answer, content, len(content) // 2)
            self._reset()
        else:
            self.answer(answer, content)
        return answer.status

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
