"""Threads that load the library, use it and end, in any order: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType

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
    "a thousand short threads": "run(load)\nfor _ in range(1_000): run(use)",
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


AT_WORK = """
import sys, threading, time
import dfd_native
from datafusion import SessionContext

uri = sys.argv[1]
session = SessionContext().with_extensions(dfd_native.DeltaExtension())

def planned():
    plan = session.sql("select value from generate_series(1, 300000)").optimized_logical_plan()
    return dfd_native.Engine().run(plan, session, None, is_sql=True)

def read():
    for _ in planned():
        pass

def adapt():
    for _ in dfd_native.adapt_stream(planned(), batch_rows=100):
        pass

def stage():
    dfd_native.stage(uri, planned()).drop()

def look():
    dfd_native.delta_table(uri).history()

def for_ever(work):
    while True:
        work()

for _ in range(3):
    threading.Thread(target=for_ever, args=(globals()[sys.argv[2]],), daemon=True).start()
time.sleep(float(sys.argv[3]))
"""

# Python code that Rust has called, and that wants the lock of an interpreter that has ended.
CALLED_BACK = """
import sys, threading, time
import pyarrow as pa
import dfd_native
from datafusion import SessionContext

uri = sys.argv[1]
at_work = threading.Event()

def work(*_):
    at_work.set()
    while True:
        pass

class Slow:
    __arrow_c_stream__ = __arrow_c_array__ = work

def observed(on_begin):
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    plan = session.sql("select value from generate_series(1, 3)").optimized_logical_plan()
    run = dfd_native.Engine().run(plan, session, None, is_sql=True)
    run.observe(on_begin)
    return run

def adapt():
    dfd_native.adapt_stream(Slow())

def stage():
    dfd_native.stage(uri, Slow())

def begin():
    list(observed(work))

def end():
    list(observed(lambda: work))

def begin_elsewhere():
    pa.RecordBatchReader.from_stream(observed(work)).read_all()

def end_adapted():
    list(dfd_native.adapt_stream(observed(lambda: work)))

threading.Thread(target=globals()[sys.argv[2]], daemon=True).start()
assert at_work.wait(60)
"""


def ran(code: str, *arguments: str) -> tuple[int, str]:
    """The exit code of a program of its own, and what it says of errors."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


IN_ANOTHER_INTERPRETER = """
import dfd_native
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
try:
    failed = interpreters.run_string(other, "import dfd_native")
except Exception as error:
    failed = error
assert "subinterpreters" in str(failed), failed
dfd_native.ensure_compatible()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="older ones share all modules")
def test_a_subinterpreter_is_refused() -> None:
    """With an ImportError, and the main one goes on. It has loaded the library: Python 3.12.1 itself ends with a
    segmentation fault where a module written in C is refused in another interpreter first.
    """
    assert ran(IN_ANOTHER_INTERPRETER) == (0, "")


@pytest.mark.parametrize("way", WAYS)
def test_threads_come_and_go(way: str) -> None:
    assert ran(USE + WAYS[way]) == (0, "")


@pytest.mark.parametrize("work", ["read", "adapt", "stage", "look"])
@pytest.mark.parametrize("seconds", ["0.2", "0.33", "0.5"])
def test_a_process_ends_while_its_daemon_threads_are_at_work(
    tmp_path: Path, work: str, seconds: str
) -> None:
    table = tmp_path / "t"
    DeltaTable.create(table, Schema([Field("value", PrimitiveType("long"))]))
    assert ran(AT_WORK, table.as_uri(), work, seconds) == (0, "")


@pytest.mark.parametrize(
    "door", ["adapt", "stage", "begin", "end", "begin_elsewhere", "end_adapted"]
)
def test_a_process_ends_while_rust_waits_for_python_code(tmp_path: Path, door: str) -> None:
    table = tmp_path / "t"
    DeltaTable.create(table, Schema([Field("value", PrimitiveType("long"))]))
    assert ran(CALLED_BACK, table.as_uri(), door) == (0, "")
