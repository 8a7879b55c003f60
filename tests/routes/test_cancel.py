"""A stream that is dropped, an error in the middle and Ctrl-C stop the work, and its memory is free."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext, udf
from deltalake import write_deltalake

# Each of these queries would go on for hours. The room is for a busy machine.
BOUND_S = 10.0
ENDLESS = (
    "select a.value, b.value as other from generate_series(1, 1000) a "
    "cross join generate_series(1, 100000000000) b where a.value * b.value % 1000 = 7"
)
# Holds a hash table of two million rows while it gives batches.
JOINED = (
    "select a.value as n, b.value as other from generate_series(1, 2000000) a "
    "join generate_series(1, 4000000000) b on a.value = b.value % 2000000"
)


def until(reached: Callable[[], bool], seconds: float = BOUND_S) -> float:
    """How long it took until something was reached; an assertion when it wasn't in time."""
    start = time.monotonic()
    while not reached():
        waited = time.monotonic() - start
        assert waited < seconds, f"not reached within {waited:.1f} s"
        time.sleep(0.01)
    return time.monotonic() - start


def idles() -> bool:
    """Whether no thread of this process works, for a fifth of a second."""
    before = time.process_time()
    time.sleep(0.2)
    return time.process_time() - before < 0.05


def watched(seen: list[int]) -> object:
    """A function that only this process can run, as it appends to a list."""

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    return udf(watch, [pa.int64()], pa.int64(), "volatile", "watch")


@pytest.fixture
def runtime() -> dfd.Runtime:
    connected = dfd.connect()
    connected.session.register_udf(watched([]))
    return connected


def on_route(sql: str, route: str) -> str:
    """The query as it has to be written to run on the route."""
    return sql if route == "engine" else sql.replace("select a.value", "select watch(a.value)", 1)


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("sql", [ENDLESS, JOINED], ids=["endless", "joined"])
def test_a_dropped_stream_stops(runtime: dfd.Runtime, route: str, sql: str) -> None:
    query = runtime.sql(on_route(sql, route))
    assert query.route == route
    reader = query.reader()
    assert reader.read_next_batch().num_rows > 0
    if (route, sql) == ("engine", JOINED):
        assert runtime.engine.reserved_bytes > 0
    del reader
    gc.collect()
    until(lambda: runtime.engine.reserved_bytes == 0)
    until(idles)
    assert runtime.observer.records[-1].status == "abandoned"


# A batch of the right side makes billions of pairs before the next one is asked for.
WIDE = ENDLESS.replace("generate_series(1, 1000)", "generate_series(1, 100000)")


def test_a_join_that_multiplies_stops(runtime: dfd.Runtime) -> None:
    reader = runtime.sql(WIDE).reader()
    assert reader.read_next_batch().num_rows > 0
    assert runtime.engine.reserved_bytes > 0
    del reader
    gc.collect()
    until(lambda: runtime.engine.reserved_bytes == 0)
    until(idles)


@pytest.mark.parametrize("take", ["c_stream", "engine_run"])
def test_a_dropped_c_stream_stops(runtime: dfd.Runtime, take: str) -> None:
    if take == "c_stream":
        reader = pa.RecordBatchReader.from_stream(runtime.sql(JOINED))
    else:
        plan = runtime.session.sql(JOINED).optimized_logical_plan()
        run = runtime.engine.run(plan, runtime.session)
        reader = pa.RecordBatchReader.from_stream(run)
        del plan, run
    assert reader.read_next_batch().num_rows > 0
    assert runtime.engine.reserved_bytes > 0
    del reader
    gc.collect()
    until(lambda: runtime.engine.reserved_bytes == 0)
    until(idles)


def big_table(directory: Path) -> str:
    """Sixteen files of 100,000 rows."""
    for start in range(16):
        ids = pa.array(range(start * 100_000, (start + 1) * 100_000), pa.int64())
        write_deltalake(directory / "big", pa.table({"id": ids}), mode="append")
    return (directory / "big").as_uri()


def test_a_dropped_stream_of_the_leaf_stops(tmp_path: Path) -> None:
    session = SessionContext()
    session.register_table("big", dfd_native.delta_table(big_table(tmp_path)))
    sql = "select a.id, b.id as other from big a cross join big b where a.id * b.id % 1000 = 7"
    stream = session.sql(sql).execute_stream()
    assert next(stream).to_pyarrow().num_rows > 0
    del stream
    gc.collect()
    until(idles)


def fails(values: pa.Array) -> pa.Array:
    if values[-1].as_py() > 1_000_000:
        raise ValueError("no more than a million")
    return values


FAILURES = {
    "divide": (
        "select value % 1000000 as k, sum(1 / (value - 3000000)) as s "
        "from generate_series(1, 400000000) group by k",
        r"(?i)divide by zero",
    ),
    "python": (
        "select sum(fails(value)) as s from generate_series(1, 400000000)",
        "no more than a million",
    ),
    "join": (
        "select a.value, 1 / (b.value - 3000000) as x from generate_series(1, 2000000) a "
        "join generate_series(1, 4000000000) b on a.value = b.value % 2000000",
        r"(?i)divide by zero",
    ),
}


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_in_the_middle_stops(runtime: dfd.Runtime, failure: str, route: str) -> None:
    sql, message = FAILURES[failure]
    runtime.session.register_udf(udf(fails, [pa.int64()], pa.int64(), "volatile", "fails"))
    if route == "session":
        sql = f"select * from ({sql}) where watch(1) = 1"
    query = runtime.sql(sql)
    assert query.route == route
    with pytest.raises(dfd.QueryError, match=message):
        query.to_arrow_table()
    until(lambda: runtime.engine.reserved_bytes == 0)
    until(idles)
    assert [record.status for record in runtime.observer.records] == ["error"]


INTERRUPTED = """
import sys, time
import dfd, dfd_native, pyarrow as pa
from datafusion import SessionContext, udf

route, take, sql, table = sys.argv[1:]
seen = []

def watch(values):
    seen.append(len(values))
    return values

runtime = dfd.connect()
runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
plain = SessionContext()
if table:
    plain.register_table("big", dfd_native.delta_table(table))
query = None if route == "leaf" else runtime.sql(sql)
assert query is None or query.route == route, query.route_reason
print("running", flush=True)
try:
    try:
        if query is None:
            plain.sql(sql).collect()
        elif take == "table":
            query.to_arrow_table()
        elif take == "stream":
            pa.table(query)
        else:
            for _ in query.reader():
                pass
    except pa.ArrowException as error:
        # Through Arrow's C interface an error is text, and the interrupt follows it.
        assert take == "stream" and "KeyboardInterrupt" in str(error), error
        while True:
            pass
except KeyboardInterrupt:
    print("interrupted", time.monotonic(), flush=True)
else:
    sys.exit("the query ended")
while True:
    before = time.process_time()
    time.sleep(0.2)
    if time.process_time() - before < 0.05 and runtime.engine.reserved_bytes == 0:
        break
print("idle", time.monotonic(), runtime.engine.reserved_bytes, flush=True)
# What stops must let the next query run.
print(runtime.sql("select 1 as a").to_arrow_table().to_pydict()["a"], flush=True)
"""
# Gives no batch before it ends, so that only the wait itself can be interrupted.
COUNT = ENDLESS.replace("select a.value, b.value as other", "select count(*) as n")
COUNT_ON_ROUTE = {
    "engine": COUNT,
    "session": COUNT.replace("count(*)", "watch(count(*))"),
    # The leaf is read all the while, and DataFusion looks up after every so many of its batches.
    "leaf": "select count(distinct id % 1000000) as n from "
    f"({' union all '.join(['select id from big'] * 150)})",
}


def cpu_s(pid: int) -> float:
    """The time that the process has worked for itself."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("route", "take"),
    [
        ("engine", "table"),
        ("engine", "batches"),
        ("engine", "stream"),
        ("session", "table"),
        ("session", "batches"),
        ("session", "stream"),
        ("leaf", "table"),
    ],
)
def test_ctrl_c(tmp_path: Path, route: str, take: str) -> None:
    table = big_table(tmp_path) if route == "leaf" else ""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, route, take, COUNT_ON_ROUTE[route], table],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        begun = cpu_s(process.pid)
        until(lambda: cpu_s(process.pid) - begun > 0.5, 30)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    interrupted, idle, after = out.splitlines()
    word, at = interrupted.split()
    assert word == "interrupted"
    print(f"KeyboardInterrupt after {float(at) - sent:.2f} s")
    assert float(at) - sent < BOUND_S
    word, at, reserved = idle.split()
    print(f"idle after {float(at) - sent:.2f} s")
    assert (word, reserved) == ("idle", "0")
    # A fifth of a second is what the process looks at itself.
    assert float(at) - sent < BOUND_S + 0.2
    assert after == "[1]"


FORKED = """
import os, signal, sys, warnings
import dfd, dfd_native, pyarrow as pa

warnings.simplefilter("ignore")
what, uri = sys.argv[1:]
runtime = dfd.connect()
runtime.session.from_pydict({"x": [1]}, name="memory")
runtime.register("t", uri)
used = {"delta": "select id from t", "memory": "select x from memory", "statement": "show tables"}
kept = runtime.sql(used[what])
assert runtime.sql(used[what]).to_arrow_table().num_rows > 0
child = os.fork()
if child == 0:
    signal.alarm(8)
    try:
        if what == "memory":
            runtime.unregister("t")
        rows = kept.to_arrow_table() if what == "statement" else runtime.sql(used[what]).to_arrow_table()
        print("rows", rows.num_rows, flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print("signal", os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
"""


@pytest.mark.parametrize("what", ["delta", "memory", "statement"])
def test_a_forked_process_is_told(tmp_path: Path, what: str) -> None:
    write_deltalake(tmp_path / "t", pa.table({"id": [1, 2]}))
    done = subprocess.run(
        [sys.executable, "-c", FORKED, what, str(tmp_path / "t")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told, ended = (
        done.stdout.splitlines()[-2:] if "\n" in done.stdout.strip() else ("", done.stdout)
    )
    assert ended.strip() == "signal 0", "the child hung"
    assert "QueryError" in told
    assert "forked" in told
