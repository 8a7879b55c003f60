"""A job of several processes that reads and writes a table: `python job.py WAY DIRECTORY`.

The spans of all its processes are in `spans.jsonl` of the directory; the job prints its trace id, and what each
process has recorded.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import dfd_obs
from file_spans import export_to
from opentelemetry import trace

Records = list[tuple[str, int]]


def work(directory: Path, number: int) -> Records:
    """Read the table and append to another; the run ids and rows of what was recorded."""
    import dfd

    runtime = dfd.connect()
    runtime.register("flights", directory / "flights")
    query = runtime.sql("select id from flights")
    query.to_arrow_table()
    runtime.write(directory / f"copy_{number}", query)
    queries = [(record.run_id, record.rows) for record in runtime.observer.records]
    return queries + [(record.run_id, 0) for record in runtime.observer.operations]


def work_for(carrier: dict[str, str], directory: Path, number: int) -> Records:
    """The same, in a process that was started by spawn."""
    export_to(directory / "spans.jsonl")
    with dfd_obs.continued(carrier):
        return work(directory, number)


def by_spawn(directory: Path) -> Records:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        carrier = dfd_obs.carrier()
        done = [pool.submit(work_for, carrier, directory, number) for number in range(2)]
        return [record for one in done for record in one.result()]


def by_fork(directory: Path) -> Records:
    """A child that has the context of its parent; dfd's threads aren't there yet."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = work(directory, 0)
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answer:
        found = json.load(answer)
    os.waitpid(child, 0)
    return [(run_id, rows) for run_id, rows in found]


def main(way: str, directory: Path) -> None:
    """Do it, within a run and a span."""
    export_to(directory / "spans.jsonl")
    with dfd_obs.run("job"), trace.get_tracer("user").start_as_current_span("caller") as caller:
        records = {"spawn": by_spawn, "fork": by_fork}[way](directory)
    trace_id = format(caller.get_span_context().trace_id, "032x")
    print(json.dumps({"trace_id": trace_id, "records": records}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
