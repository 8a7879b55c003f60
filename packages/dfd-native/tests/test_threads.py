"""Threads that load the library, use it and end, in any order: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

USE = """
import gc, os, sys, threading
import pyarrow as pa

def load():
    import dfd_native

def use():
    import dfd_native
    dfd_native.ensure_compatible()
    dfd_native.capabilities_snapshot()
    table = pa.table({"n": list(range(5_000)), "s": ["text"] * 5_000})
    assert pa.RecordBatchReader.from_stream(dfd_native.adapt_stream(table)).read_all() == table
    return table

def run(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
WAYS = {
    "the first thread only loads": "run(load)\nfor _ in range(20): run(use)",
    "the first thread uses it too": "run(use)\nfor _ in range(20): run(use)",
    "several load at once": "run(load, load, load)\nrun(use, use, use, use)",
    "short threads by the hundred": "run(load)\nfor _ in range(200): run(use)",
    "the main thread loads": "load()\nfor _ in range(20): run(use)\nuse()",
    "the main thread comes late": "run(load)\nrun(use)\nuse()\ngc.collect()",
    "memory outlives its thread": "kept = []\nrun(lambda: kept.append(use()))\n"
    "for _ in range(20): run(lambda: kept.append(use()), kept.clear)",
    "a query in each thread": """
def query():
    import dfd_native
    from datafusion import SessionContext
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    plan = session.sql("select value from generate_series(1, 1000)")
    run = dfd_native.Engine().run(plan.optimized_logical_plan(), session, None, is_sql=True)
    assert sum(batch.num_rows for batch in run) == 1000
run(load)
for _ in range(10): run(query, query)
""",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attempt", range(2))
def test_threads_come_and_go(way: str, attempt: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", USE + WAYS[way]],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
