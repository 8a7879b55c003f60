"""Ctrl-C in a source written in Python is one KeyboardInterrupt, whoever reads the stream."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SOURCE = """
import sys, threading, time
import dfd_native, pyarrow as pa

AHEAD = int(sys.argv[1])
NUMBERS = pa.schema([("n", pa.int64())])
at_work = threading.Event()

def batches():
    yield pa.record_batch([pa.array([1])], schema=NUMBERS)
    at_work.set()
    print("at work", flush=True)
    while True:
        time.sleep(0.001)

source = pa.RecordBatchReader.from_batches(NUMBERS, batches())
stream = dfd_native.adapt_stream(source, prefetch_batches=AHEAD)
"""

READ = """
after = "nothing"
try:
    try:
        {read}
    except Exception as error:
        after = type(error).__name__
        while True:
            pass
except KeyboardInterrupt:
    print("interrupted after", after, stream.interrupted)
for _ in range(100_000):
    pass
print("goes on")
"""

OURS = [
    "list(stream)",
    "dfd_native.arrow_stream_to_batches(stream)",
    "list(dfd_native.adapt_stream(stream))",
    "list(dfd_native.adapt_stream(stream, prefetch_batches=2))",
]
OTHERS = [
    "pa.table(stream)",
    "list(pa.RecordBatchReader.from_stream(stream))",
    "import polars; polars.DataFrame(stream)",
    "import datafusion; datafusion.SessionContext().from_arrow(stream)",
    "import arro3.core; arro3.core.Table.from_arrow(stream)",
    "import nanoarrow; nanoarrow.ArrayStream(stream).read_all()",
]


def interrupted(script: str, ahead: int) -> tuple[int, str, str]:
    """Code and outputs of a process that gets a SIGINT while its source is at work."""
    command = [sys.executable, "-c", script, str(ahead)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        try:
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, errors


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("read", OURS)
def test_our_own_reading_raises_it(read: str, ahead: int) -> None:
    code, out, errors = interrupted(SOURCE + READ.format(read=read), ahead)
    lines = out.splitlines()
    assert (code, lines[-1], errors) == (0, "goes on", "")
    assert lines[0].startswith("interrupted after nothing")


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("read", OTHERS)
def test_it_follows_the_error_of_another_library(read: str, ahead: int) -> None:
    code, out, errors = interrupted(SOURCE + READ.format(read=read), ahead)
    lines = out.splitlines()
    assert (code, lines[-1], errors) == (0, "goes on", "")
    assert lines[0].startswith("interrupted after")
    assert lines[0].endswith("True")


def test_a_handler_of_the_user_is_called_once() -> None:
    handler = """
import signal
calls = []
def handler(number, frame):
    calls.append(number)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, handler)
try:
    pa.table(stream)
except BaseException as error:
    print(type(error).__name__, stream.interrupted)
print(len(calls))
"""
    code, out, errors = interrupted(SOURCE + handler, 0)
    assert (code, out, errors) == (0, "ArrowInvalid True\n1\n", "")


def test_it_follows_when_another_library_reads_a_run() -> None:
    script = """
import dfd_native, pyarrow as pa
from datafusion import SessionContext
session = SessionContext().with_extensions(dfd_native.DeltaExtension())
endless = session.sql(
    "select a.value from generate_series(1, 1000) a cross join generate_series(1, 100000000000) b "
    "where a.value * b.value % 1000 = 1007"
)
stream = dfd_native.Engine().run(endless.optimized_logical_plan(), session, is_sql=True)
"""
    # It is told where Ctrl-C is caught: the read itself may not have begun when that comes.
    read = 'print("at work", flush=True); pa.table(stream)'
    read = READ.format(read=read).replace("stream.interrupted", "'run'")
    code, out, errors = interrupted(script + read, 0)
    assert (code, errors) == (0, "")
    first, last = out.splitlines()
    assert first.startswith("interrupted after")
    assert last == "goes on"


def test_an_error_that_only_speaks_of_one_is_none() -> None:
    import dfd_native
    import pyarrow as pa

    def batches():  # type: ignore[no-untyped-def]
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ValueError("KeyboardInterrupt was seen") from error
        yield

    source = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
    stream = dfd_native.adapt_stream(source)
    with pytest.raises(dfd_native.StreamError, match="was seen"):
        list(stream)
    assert not stream.interrupted


AT_WORK = "next(stream); at_work.wait(10)"
WAITING = """
source = pa.table({"n": range(100)}).to_reader(max_chunksize=1)
stream = dfd_native.adapt_stream(source, prefetch_batches=2)
next(stream)
"""


@pytest.mark.parametrize("state", [AT_WORK, WAITING])
def test_a_process_ends_while_a_thread_reads_ahead(state: str) -> None:
    script = f"{SOURCE}\n{state}\nsys.exit(7)"
    done = subprocess.run(
        [sys.executable, "-c", script, "1"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (7, "")
