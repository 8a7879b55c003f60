"""delta-rs's spans reach a collector with our attributes; started once, and never in silence."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
deltalake.DeltaTable(table)
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_once_per_process(collector: tuple[str, list[bytes]], tmp_path: Path) -> None:
    endpoint, received = collector
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, endpoint, str(tmp_path / "t")],
        env={"OTEL_RESOURCE_ATTRIBUTES": "team=flights", "RUST_LOG": "info"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    other, forked = ran.stdout.splitlines()
    assert "another endpoint" in other
    assert "forked" in forked
    sent = b"".join(received)
    assert b"run-of-this-test" in sent
    assert b"flights" in sent
