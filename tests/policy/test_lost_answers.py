"""Commits on S3 whose answers are lost: each lands once, with its rows, and keeps its files.

The writer is a process of its own: deltalake reads the history with the GIL held, which the proxy needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_storage import S3Profile, Secret, StaticCredentials
from recording_proxy import Recording, Request, recording_proxy
from servers import Server

WRITER = """
import json, logging, sys
import pyarrow as pa
from dfd_delta_policy import Clock, DeltaRetryPolicy, GuardedTable, RetriesExhausted
from dfd_storage import S3Profile, Secret, StaticCredentials
logging.basicConfig(level=logging.WARNING, format="%(message)s")
uri, endpoint, key_id, secret, mode, attempts, times = sys.argv[1:]
profile = S3Profile(uri="s3://lake", endpoint=endpoint, allow_http=True,
                    credentials=StaticCredentials(key_id, Secret(secret)))
table = GuardedTable(uri, storage=profile, policy=DeltaRetryPolicy(attempts=int(attempts)),
                     clock=Clock(sleep=lambda seconds: None))
batch = pa.record_batch({"n": [1, 2, 3]})
for _ in range(int(times)):
    stream = pa.RecordBatchReader.from_batches(batch.schema, iter([batch]))
    try:
        outcome = getattr(table, mode)(stream)
    except RetriesExhausted as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"status": outcome.status, "version": outcome.version,
                          "rows": outcome.metrics["rows"]}))
"""
COMMIT = re.compile(r"/_delta_log/\d{20}\.json$")


def is_commit(request: Request) -> bool:
    return request.method == "PUT" and COMMIT.search(request.path) is not None


class Lossy:
    """A table behind a proxy that loses the answers of so many requests of a kind."""

    recording: Recording

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._uri = f"s3://lake/{name}"
        self.left = 0
        self.kind: Callable[[Request], bool] = is_commit
        self.warned = ""

    def loses(self, request: Request) -> bool:
        if self.left and self.kind(request):
            self.left -= 1
            return True
        return False

    def write(self, mode: str, attempts: int = 10, times: int = 1) -> list[dict[str, Any]]:
        """Write three rows, so many times, through the proxy."""
        done = subprocess.run(
            [sys.executable, "-c", WRITER, self._uri, self.recording.endpoint,
             self._server.key_id, self._server.secret, mode, str(attempts), str(times)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.warned = done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def rows(self) -> list[int]:
        profile = S3Profile(
            uri="s3://lake",
            endpoint=self._server.endpoint,
            allow_http=True,
            credentials=StaticCredentials(self._server.key_id, Secret(self._server.secret)),
        )
        table = DeltaTable(self._uri, storage_options=profile.to_deltalake_options())
        return sorted(pa.table(table.scan())["n"].to_pylist())

    def data_files(self) -> set[str]:
        """Those that were written since this was last asked."""
        return {
            request.path
            for request in self.recording.take()
            if request.method in ("PUT", "POST") and request.path.endswith(".parquet")
        }


@pytest.fixture
def lossy(gateway: Server, tmp_path: Path) -> Iterator[Lossy]:
    made = Lossy(gateway, tmp_path.name)
    with recording_proxy(gateway.endpoint, made.loses) as recording:
        made.recording = recording
        yield made


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
def test_a_commit_whose_answer_is_lost_lands_once(lossy: Lossy, mode: str, lost: int) -> None:
    if mode != "create":
        lossy.write("append")
    lossy.data_files()
    lossy.left = lost
    (outcome,) = lossy.write("overwrite" if mode == "overwrite" else "append")
    assert lossy.left < lost
    assert outcome["version"] == (0 if mode == "create" else 1)
    assert outcome["status"] in ("committed", "landed_after_error")
    assert outcome["rows"] == 3
    assert lossy.rows() == ([1, 1, 2, 2, 3, 3] if mode == "append" else [1, 2, 3])
    assert len(lossy.data_files()) == 1


def test_every_third_answer_is_lost_and_every_row_is_there(lossy: Lossy) -> None:
    commits: list[Request] = []

    def every_third(request: Request) -> bool:
        if is_commit(request):
            commits.append(request)
        return is_commit(request) and len(commits) % 3 == 0

    lossy.kind, lossy.left = every_third, 10_000
    outcomes = lossy.write("append", times=12)
    assert [outcome["version"] for outcome in outcomes] == list(range(12))
    assert {outcome["status"] for outcome in outcomes} == {"committed", "landed_after_error"}
    assert lossy.rows() == sorted([1, 2, 3] * 12)
    assert len(lossy.data_files()) == 12


def test_where_nobody_can_tell_the_files_stay(lossy: Lossy) -> None:
    """The commit landed, and then the log can't be read any more: its rows outlive the error."""
    lossy.write("append")
    committed: list[bool] = []

    def loses(request: Request) -> bool:
        if is_commit(request):
            committed.append(True)
        return bool(committed) and (is_commit(request) or request.method in ("GET", "HEAD"))

    lossy.kind, lossy.left = loses, 10_000
    (outcome,) = lossy.write("append", attempts=1)
    assert "Whether it was committed is unknown" in outcome["error"]
    assert "its files stay" in lossy.warned
    lossy.left = 0
    assert lossy.rows() == [1, 1, 2, 2, 3, 3]
