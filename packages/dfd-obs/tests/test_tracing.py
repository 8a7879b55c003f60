"""delta-rs's spans reach a collector with our attributes; started once, and never in silence."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPT = """
import os, sys
import dfd_obs, deltalake, pyarrow as pa
endpoint, table, before = sys.argv[1], sys.argv[2], os.environ.get("OTEL_RESOURCE_ATTRIBUTES")
with dfd_obs.run("run-of-this-test"):
    first = dfd_obs.init_delta_tracing(endpoint)
assert dfd_obs.init_delta_tracing() == dfd_obs.init_delta_tracing(endpoint) == first
assert os.environ.get("OTEL_RESOURCE_ATTRIBUTES") == before
try:
    dfd_obs.init_delta_tracing(endpoint + "/other")
except dfd_obs.TracingUnavailable as error:
    print(error, flush=True)
if os.fork() == 0:
    try:
        dfd_obs.init_delta_tracing()
    except dfd_obs.TracingUnavailable as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
deltalake.write_deltalake(table, pa.table({"n": [1]}))
sys.stdin.read()
"""


class Collector(NamedTuple):
    """A loopback server that keeps what is posted to it."""

    endpoint: str
    received: list[bytes]
    something: threading.Event


@pytest.fixture
def collector() -> Iterator[Collector]:
    received: list[bytes] = []
    something = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            something.set()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Collector(f"http://127.0.0.1:{server.server_port}/v1/traces", received, something)
    server.shutdown()
    thread.join()
    server.server_close()


def test_once_per_process(collector: Collector, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, collector.endpoint, str(tmp_path / "t")],
        env={
            "OTEL_RESOURCE_ATTRIBUTES": "team=flights",
            "RUST_LOG": "info",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        collector.something.wait(60)
        out, err = process.communicate("")
    assert process.returncode == 0, err
    other, forked = out.splitlines()
    assert "another endpoint" in other
    assert "forked" in forked
    sent = b"".join(collector.received)
    assert b"run-of-this-test" in sent
    assert b"flights" in sent
