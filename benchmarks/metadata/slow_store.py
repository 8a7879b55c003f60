"""An S3 server on loopback that answers each request some milliseconds later, and counts them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from relay import Relay, served
from servers import versitygw

COUNTED = "/requests-so-far"


class SlowStore(NamedTuple):
    """Options that deltalake and dfd-native take alike, and where the count of requests is."""

    options: dict[str, str]
    counter: str


@contextlib.contextmanager
def slow_store(directory: Path, delay_s: float) -> Iterator[SlowStore]:
    """Serve the buckets that are directories of `directory`."""
    with versitygw(directory) as server:

        class Handler(_Handler):
            address = urlsplit(server.endpoint).netloc
            delay = delay_s

        Handler.count = 0
        with served(Handler) as endpoint:
            options = {
                "aws_endpoint": endpoint,
                "aws_access_key_id": server.key_id,
                "aws_secret_access_key": server.secret,
                "aws_region": "us-east-1",
                "aws_allow_http": "true",
            }
            yield SlowStore(options, endpoint + COUNTED)


class _Handler(Relay):
    delay: float
    count: int

    def handled(self) -> None:
        if self.path == COUNTED:
            content = str(type(self).count).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        type(self).count += 1
        time.sleep(self.delay)
        answer, content = self.forward(self.body())
        self.answer(answer, content)
