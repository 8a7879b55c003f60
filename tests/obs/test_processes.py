"""A trace and a run go on in other processes, and in the cells of a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dfd
import nbformat
import pytest
from deltalake import DeltaTable
from file_spans import read_from
from nbclient import NotebookClient

HERE = Path(__file__).parent
ROWS = 20_000


def spans_of(directory: Path) -> list[dict[str, Any]]:
    """The spans of all processes, but the caller's."""
    spans = read_from(directory / "spans.jsonl")
    return [span for span in spans if span["name"] != "caller"]


def check(directory: Path, trace_id: str, records: list[list[Any]], processes: int) -> None:
    found = spans_of(directory)
    assert {span["context"]["trace_id"] for span in found} == {f"0x{trace_id}"}
    assert {span["attributes"]["dfd.run_id"] for span in found} == {"job"}
    names = [span["name"].partition(" file:")[0] for span in found]
    wanted = {"SELECT flights": 2, "append": 1, "stage": 1, "commit": 1}
    assert {name: names.count(name) for name in wanted} == {
        name: count * processes for name, count in wanted.items()
    }
    assert sorted(map(tuple, records)) == sorted(
        [("job", ROWS), ("job", ROWS), ("job", 0)] * processes
    )
    for number in range(processes):
        (commit,) = DeltaTable(directory / f"copy_{number}").history()
        assert commit["dfd.run_id"] == "job"


@pytest.mark.parametrize(("way", "processes"), [("spawn", 2), ("fork", 1)])
def test_processes_work_for_the_job_that_starts_them(
    runtime: dfd.Runtime, uri: Path, way: str, processes: int
) -> None:
    ran = subprocess.run(
        [sys.executable, str(HERE / "job.py"), way, str(uri.parent)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    check(uri.parent, told["trace_id"], told["records"], processes)


SETUP = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from file_spans import export_to
directory = Path({directory!r})
export_to(directory / "spans.jsonl")
import dfd, dfd_obs
from opentelemetry import trace
runtime = dfd.connect().__enter__()
runtime.register("flights", directory / "flights")
"""
READ = """
with dfd_obs.run("job"), trace.get_tracer("user").start_as_current_span("caller") as caller:
    query = runtime.sql("select id from flights")
    await asyncio.to_thread(query.to_arrow_table)
    await asyncio.gather(asyncio.to_thread(runtime.write, directory / "copy_0", query))
"""
CLOSE = """
runtime.close()
records = [(record.run_id, record.rows) for record in runtime.observer.records]
records += [(record.run_id, 0) for record in runtime.observer.operations]
trace_id = format(caller.get_span_context().trace_id, "032x")
print(json.dumps(dict(trace_id=trace_id, records=records)))
"""


def test_a_notebook_reads_in_one_cell_and_closes_in_another(
    runtime: dfd.Runtime, uri: Path
) -> None:
    setup = SETUP.format(here=str(HERE), directory=str(uri.parent))
    cells = [nbformat.v4.new_code_cell(cell) for cell in (setup, READ, CLOSE)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (printed,) = notebook.cells[-1].outputs
    told = json.loads(printed["text"])
    check(uri.parent, told["trace_id"], told["records"], processes=1)
