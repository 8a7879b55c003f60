"""A reverse proxy on loopback that writes down every request, before any HTTP server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from relay import Relay, served


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

    recording = Recording("")
    Handler.recording = recording
    with served(Handler) as recording.endpoint:
        yield recording


class _Handler(Relay):
    recording: Recording
    is_lost: Callable[[Request], bool]

    def handled(self) -> None:
        answer, content = self.forward(self.body())
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
        self.answer(answer, content)
