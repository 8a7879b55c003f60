"""Writers on S3 whose requests are hit by faults, and the table on the server's own disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tools")]

import delta_log  # noqa: E402
from faulted_operations import NO_TABLE, TABLES, Rows  # noqa: E402
from faulty_proxy import FaultyProxy, faulty_proxy  # noqa: E402
from servers import Server, versitygw  # noqa: E402

LONG = bool(os.environ.get("DFD_LONG"))
# Well above what a request to loopback takes, also where the machine is busy.
TIMEOUT_S = 0.7


class Lane:
    """A writer behind a proxy of its own, and a table that is laid out anew for each case."""

    def __init__(self, proxy: FaultyProxy, server: Server, disk: Path, name: str) -> None:
        self.proxy = proxy
        self._uri = f"s3://lake/{name}"
        self.root = disk / name
        self._disk = disk
        self._writer = subprocess.Popen(
            [sys.executable, str(HERE / "faulted_writer.py"), proxy.endpoint, server.key_id,
             server.secret, str(TIMEOUT_S)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, uri: str, mutation: str | None, mark: str, attempts: int = 10) -> dict[str, Any]:
        """What the writer answers."""
        assert self._writer.stdin is not None
        assert self._writer.stdout is not None
        asked = {"uri": uri, "mutation": mutation, "mark": mark, "attempts": attempts}
        print(json.dumps(asked), file=self._writer.stdin, flush=True)
        line = self._writer.stdout.readline()
        assert line, "the writer is gone"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def lay_out(self, table: str) -> Rows:
        """A table, as mutations find it."""
        shutil.rmtree(self.root, ignore_errors=True)
        if table != NO_TABLE:
            # With its extended attributes: the server keeps the ETags there.
            shutil.copytree(self._disk / table, self.root)
        return delta_log.rows(self.root)

    def mutate(self, mutation: str, mark: str, attempts: int = 10) -> dict[str, Any]:
        """The writer's answer, when nothing is on its way any more."""
        answer = self.ask(self._uri, mutation, mark, attempts)
        self.proxy.settle()
        return answer

    def close(self) -> None:
        assert self._writer.stdin is not None
        self._writer.stdin.close()
        self._writer.wait()


@pytest.fixture(scope="session")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    """Two writers, four in the long session, on a server whose disk is looked at."""
    directory = tmp_path_factory.mktemp("faulted")
    disk = directory / "buckets/lake"
    disk.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(versitygw(directory))
        made = []
        for n in range(4 if LONG else 2):
            proxy = stack.enter_context(faulty_proxy(server.endpoint))
            made.append(Lane(proxy, server, disk, f"lane{n}"))
            stack.callback(made[-1].close)
        for table in TABLES:
            assert made[0].ask(f"s3://lake/{table}", None, "layout") == {"conflicts": []}
        yield made
