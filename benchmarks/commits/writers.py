"""Several processes append to one table, once:
`python -m benchmarks.commits.writers CANDIDATE URI WRITERS APPENDS DIRECTORY ENDPOINT KEY_ID SECRET`.

The writers are forks, which begin at once when all are there. Prints what they counted, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials, StorageProfile

ROWS = 100


def batch_of(writer: int, n: int) -> pa.Table:
    """The rows of one append, with its mark."""
    return pa.table(
        {
            "mark": pa.array([writer * 1_000_000 + n] * ROWS, pa.int64()),
            "value": pa.array([i / 7 for i in range(ROWS)], pa.float64()),
            "text": [f"row {i} of {n}" for i in range(ROWS)],
        }
    )


def appender(
    candidate: str, uri: str, profile: StorageProfile | None, writer: int
) -> Callable[[int, pa.Table], int]:
    """One append, which gives the attempts that it took."""
    if candidate == "deltalake":
        options = None if profile is None else profile.to_deltalake_options()

        def bare(n: int, rows: pa.Table) -> int:
            write_deltalake(uri, rows, mode="append", storage_options=options)
            return 1

        return bare
    table = GuardedTable(uri, storage=profile)

    def guarded(n: int, rows: pa.Table) -> int:
        if candidate == "dfd-app-id":
            return table.append(rows, app_id=f"writer {writer}", app_version=n).attempts
        return table.append(rows).attempts

    return guarded


def work(append: Callable[[int, pa.Table], int], writer: int, appends: int) -> dict[str, Any]:
    """Append; what was acknowledged, and how long each took."""
    found: dict[str, Any] = {"marks": [], "seconds": [], "errors": [], "attempts": 0}
    for n in range(appends):
        rows = batch_of(writer, n)
        started = time.perf_counter()
        try:
            found["attempts"] += append(n, rows)
        except Exception as error:  # noqa: BLE001  what a user would see is a failure
            found["errors"].append(f"{type(error).__name__}: {error}"[:300])
            continue
        found["seconds"].append(time.perf_counter() - started)
        found["marks"].append(writer * 1_000_000 + n)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {**found, "cpu": used.ru_utime + used.ru_stime, "ended": time.monotonic()}


def main() -> None:
    """Fork, begin, wait and print."""
    candidate, uri, writers, appends, directory, *server = sys.argv[1:]
    profile: StorageProfile | None = None
    if server[0]:
        profile = S3Profile(
            uri="s3://lake",
            endpoint=server[0],
            allow_http=True,
            credentials=StaticCredentials(server[1], Secret(server[2])),
        )
    held, released = os.pipe()
    forks = []
    for writer in range(int(writers)):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(released)
                append = appender(candidate, uri, profile, writer)
                os.read(held, 1)  # until the parent closes its end
                found = work(append, writer, int(appends))
                Path(directory, f"{writer}.json").write_text(json.dumps(found))
                status = 0
            except BaseException:  # noqa: BLE001  a fork never goes on as its parent
                sys.excepthook(*sys.exc_info())
            os._exit(status)
        forks.append(pid)
    # The table is there before the start, with no rows: who makes it isn't the question.
    options = None if profile is None else profile.to_deltalake_options()
    pid = os.fork()
    if pid == 0:
        write_deltalake(uri, batch_of(0, 0).slice(0, 0), storage_options=options)
        os._exit(0)
    os.waitpid(pid, 0)
    started = time.monotonic()
    os.close(released)
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in forks]
    if any(ended):
        sys.exit("a writer failed")
    found = [json.loads(path.read_text()) for path in Path(directory).glob("*.json")]
    acknowledged = {mark for one in found for mark in one["marks"]}
    rows = pa.table(DeltaTable(uri, storage_options=options).scan(["mark"]))["mark"].to_pylist()
    there = set(rows)
    print(
        json.dumps(
            {
                "elapsed": max(one["ended"] for one in found) - started,
                "acknowledged": len(acknowledged),
                "failures": sum(len(one["errors"]) for one in found),
                "errors": sorted({error for one in found for error in one["errors"]}),
                "lost": len(acknowledged - there),
                "too_many": len(there - acknowledged) + (len(rows) - len(there) * ROWS) // ROWS,
                "seconds": [second for one in found for second in one["seconds"]],
                "attempts": sum(one["attempts"] for one in found),
                "cpu": sum(one["cpu"] for one in found),
            }
        )
    )


if __name__ == "__main__":
    main()
