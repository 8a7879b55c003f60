"""One change by one candidate, in a process of its own: `python -m benchmarks.changes.once CANDIDATE CASE TABLE SOURCE`."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

CASES = ("delete-0.1%", "update-in-each-file", "merge-1%", "merge-10%")
DELETED = "id % 1000 = 7"


def in_each_file(table: Path) -> str:
    """A predicate of one row in each file."""
    rows = json.loads((table.parent / "shape.json").read_text())
    every = rows["rows"] // rows["files"]
    return f"id % {every} = {every // 2}"


def by_dfd(case: str, table: Path, source: Path) -> Callable[[], Any]:
    """The change by dfd."""
    from dfd_delta_policy import GuardedTable

    guarded = GuardedTable(table)
    if case.startswith("delete"):
        return lambda: guarded.delete(DELETED)
    if case.startswith("update"):
        predicate = in_each_file(table)
        return lambda: guarded.update({"k": "k + 1"}, predicate)
    return lambda: (
        guarded.merge(lambda: rows(source), "t.id = s.id", "s", "t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


def by_deltalake(case: str, table: Path, source: Path) -> Callable[[], Any]:
    """The change by bare deltalake."""
    from deltalake import DeltaTable

    opened = DeltaTable(table)
    if case.startswith("delete"):
        return lambda: opened.delete(DELETED)
    if case.startswith("update"):
        predicate = in_each_file(table)
        return lambda: opened.update(updates={"k": "k + 1"}, predicate=predicate)
    return lambda: (
        opened.merge(rows(source), "t.id = s.id", "s", "t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


def rows(source: Path) -> Any:
    """The rows of a source, as a stream."""
    import pyarrow as pa

    file = pq.ParquetFile(source)
    return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())


def main() -> None:
    """Print what it took, as JSON."""
    candidate, case, table, source = sys.argv[1:]
    change = (by_deltalake if candidate == "deltalake" else by_dfd)(case, Path(table), Path(source))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    change()
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Of this process alone: `ru_maxrss` begins with what the one that started it held.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    peak_mb = int(peak[1]) / 1024 if peak else None
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
