"""What a stage leaves: nothing where it was dropped or failed, and what is found again where its process was killed."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dfd_native
import made
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_native import RuleViolation, StageError, abandoned_stages, stage

# For a busy machine; what is waited for comes at once otherwise.
BOUND_S = 20.0
ROWS = pa.table({"id": pa.array(range(1000), pa.int64()), "g": [n % 5 for n in range(1000)]})
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "partitioned": {"partition_by": ["g"]},
    "sorted": {"sort_by": ["id"]},
    "one": {"writers": 1, "target_file_bytes": 10_000},
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@pytest.fixture
def uri(tmp_path: Path) -> Path:
    """Where no table is."""
    return tmp_path / "t"


@pytest.fixture
def table(uri: Path) -> Path:
    """A table, partitioned by `g`."""
    write_deltalake(uri, ROWS, partition_by=["g"])
    return uri


def until(reached: Callable[[], object]) -> None:
    """An assertion where something isn't reached in time."""
    start = time.monotonic()
    while not reached():
        assert time.monotonic() - start < BOUND_S
        time.sleep(0.01)


def stages_of(uri: Path) -> list[Path]:
    return sorted((uri / "_dfd/stages").glob("*.json"))


# Dropped, released, forgotten


def in_a_block(staged: dfd_native.StagedFiles) -> None:
    with staged:
        pass


def in_a_block_that_fails(staged: dfd_native.StagedFiles) -> None:
    with pytest.raises(KeyError), staged:
        raise KeyError


@layouts
@pytest.mark.parametrize("drop", [dfd_native.StagedFiles.drop, in_a_block, in_a_block_that_fails])
def test_what_is_dropped_is_gone(
    uri: Path, layout: dict[str, Any], drop: Callable[[dfd_native.StagedFiles], None]
) -> None:
    staged = stage(uri.as_uri(), ROWS, **layout)
    assert [path.stem for path in stages_of(uri)] == [staged.stage_id]
    assert len(made.listing(uri)) == len(staged.actions) + 1
    drop(staged)
    # The directories too.
    assert not uri.exists()
    staged.drop()


def test_what_is_forgotten_is_gone(uri: Path) -> None:
    staged = stage(uri.as_uri(), ROWS)
    assert uri.exists()
    del staged
    gc.collect()
    assert not uri.exists()


def test_what_was_there_stays(table: Path) -> None:
    before = made.listing(table)
    with stage(table.as_uri(), ROWS) as staged:
        assert len(made.listing(table)) == len(before) + len(staged.actions) + 1
        assert abandoned_stages(table.as_uri()) == []
    assert made.listing(table) == before


def test_what_is_released_stays(table: Path) -> None:
    before = made.listing(table)
    with stage(table.as_uri(), ROWS) as staged:
        paths = {table / action["path"] for action in staged.actions}
        staged.release()
        assert made.listing(table) == before | paths
    staged.drop()
    del staged
    gc.collect()
    assert made.listing(table) == before | paths
    assert stages_of(table) == []


ENDS = """
import os, sys
import dfd_native, pyarrow as pa
staged = dfd_native.stage(sys.argv[1], pa.table({"id": [1, 2, 3]}))
print(len(staged.actions), flush=True)
how = sys.argv[2]
if how == "error":
    raise KeyError
if how == "exit":
    sys.exit(3)
if how == "fork" and os.fork() == 0:
    sys.exit(0)
if how == "fork":
    os.wait()
    print(os.path.exists(sys.argv[3]), flush=True)
"""


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("error", 1), ("exit", 3), ("fork", 0)])
def test_a_process_that_ends_removes_what_it_staged(uri: Path, how: str, code: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ENDS, uri.as_uri(), how, str(uri)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    # A fork that ends removes nothing.
    assert done.stdout.split() == (["1", "True"] if how == "fork" else ["1"])
    assert not uri.exists()


# Failures


def batches(last: int, fails: bool = True) -> Iterator[pa.RecordBatch]:
    for number in range(last):
        yield pa.record_batch({"id": [number] * 100, "g": [n % 5 for n in range(100)]})
    if fails:
        raise RuntimeError("the source broke")


@layouts
@pytest.mark.parametrize("at", [0, 1, 300])
def test_an_error_of_the_stream(uri: Path, layout: dict[str, Any], at: int) -> None:
    schema = pa.schema([("id", pa.int64()), ("g", pa.int64())])
    reader = pa.RecordBatchReader.from_batches(schema, batches(at))
    with pytest.raises(
        StageError, match=rf"failed after {at * 100} rows: .*the source broke"
    ) as error:
        stage(uri.as_uri(), reader, **layout)
    assert not isinstance(error.value, RuleViolation)
    assert not uri.exists()


def test_an_error_of_a_query(uri: Path) -> None:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    frame = session.sql("select 1 / (value - 300000) as x from generate_series(1, 1000000)")
    plan = frame.optimized_logical_plan()
    with pytest.raises(StageError, match=r"(?i)divide by zero"):
        stage(uri.as_uri(), dfd_native.Engine().run(plan, session, frame.schema()))
    assert not uri.exists()


@layouts
def test_a_row_that_breaks_a_rule(uri: Path, layout: dict[str, Any]) -> None:
    made.table(
        uri,
        [made.column("id", "long"), made.column("g", "long")],
        partition_by=layout.get("partition_by", ()),
        configuration={"delta.constraints.small": "id < 250"},
    )
    before = made.listing(uri)
    reader = pa.RecordBatchReader.from_batches(
        pa.schema([("id", pa.int64()), ("g", pa.int64())]), batches(400, fails=False)
    )
    with pytest.raises(RuleViolation, match=r"row \d+ .*`small`") as error:
        stage(uri.as_uri(), reader, **layout)
    # One of the rows that do, by its place in the stream: writers look at several at once.
    found = re.search(r"row (\d+).*id is (\d+)", str(error.value))
    assert found is not None
    row, value = map(int, found.groups())
    assert row >= 25_000
    assert value == row // 100
    assert made.listing(uri) == before


# What a process may write at most, in bytes of one file, stands for a disk that is full.
FULL = """
import json, resource, sys
import dfd_native, numpy as np, pyarrow as pa

def batches():
    for seed in range(64):
        noise = np.random.default_rng(seed).bytes(1 << 20)
        yield pa.record_batch({"noise": pa.array([noise[n : n + 1024] for n in range(0, 1 << 20, 1024)])})

uri, layout = sys.argv[1], json.loads(sys.argv[2])
reader = pa.RecordBatchReader.from_batches(pa.schema([("noise", pa.binary())]), batches())
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
try:
    dfd_native.stage(uri, reader, **layout)
except dfd_native.StageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("layout", "told"),
    [({}, ".zstd.parquet"), ({"sort_by": ["noise"], "memory_limit_bytes": 32 << 20}, "")],
    ids=["files", "spills"],
)
def test_a_full_disk(uri: Path, layout: dict[str, Any], told: str) -> None:
    command = [sys.executable, "-c", FULL, uri.as_uri(), json.dumps(layout)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "File too large" in done.stdout, done.stdout
    assert told in done.stdout
    assert not uri.exists()


# Killed and interrupted

HELD = """
import json, sys, threading
import dfd_native, numpy as np, pyarrow as pa

def batches():
    for seed in range(24):
        noise = np.random.default_rng(seed).bytes(1 << 20)
        yield pa.record_batch({
            "noise": pa.array([noise[n : n + 1024] for n in range(0, 1 << 20, 1024)]),
            "g": pa.array([seed] * 1024, pa.int64()),
        })
    threading.Event().wait()

schema = pa.schema([("noise", pa.binary()), ("g", pa.int64())])
dfd_native.stage(sys.argv[1], pa.RecordBatchReader.from_batches(schema, batches()), **json.loads(sys.argv[2]))
"""


def held(uri: Path, layout: dict[str, Any]) -> subprocess.Popen[str]:
    """A process that stages, and has written files whose stream doesn't end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, uri.as_uri(), json.dumps(layout)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: process.poll() is not None or len(list(uri.glob("**/*.parquet"))) > 3)
    assert process.poll() is None, process.communicate()
    return process


def test_what_a_killed_process_left_is_found_and_vacuumed(uri: Path) -> None:
    rows = pa.table({"noise": pa.array([b"x"]), "g": pa.array([1], pa.int64())})
    write_deltalake(uri, rows)
    before = made.listing(uri)
    process = held(uri, {"target_file_bytes": 2 << 20})
    try:
        with stage(uri.as_uri(), rows) as other:
            assert abandoned_stages(uri.as_uri()) == []
            process.kill()
            process.wait()
            left = made.listing(uri) - before - set(stages_of(uri))
            left -= {uri / action["path"] for action in other.actions}
            (found,) = abandoned_stages(uri.as_uri())
    finally:
        process.kill()
        process.communicate()
    assert {uri / path for path in found.files} == left
    assert found.bytes == sum(path.stat().st_size for path in left) > 0
    assert found.pid == process.pid
    assert found.started < found.expires
    assert [path.stem for path in stages_of(uri)] == [found.stage_id]
    assert all(found.stage_id in path for path in found.files)

    # Nothing of it is read, and a vacuum takes it once it is old.
    assert DeltaTable(uri).to_pyarrow_table() == rows
    DeltaTable(uri).vacuum(retention_hours=168, dry_run=False, full=True)
    assert len(made.listing(uri) & left) == len(left)
    age = time.time() - 200 * 3600
    for path in left:
        os.utime(path, (age, age))
    DeltaTable(uri).vacuum(retention_hours=168, dry_run=False, full=True)
    assert made.listing(uri) & left == set()
    assert abandoned_stages(uri.as_uri()) == []
    assert stages_of(uri) == []


def test_what_is_left_where_no_table_is_is_found(uri: Path) -> None:
    process = held(uri, {"target_file_bytes": 1 << 20, "writers": 1})
    process.kill()
    process.communicate()
    (found,) = abandoned_stages(uri.as_uri())
    assert {uri / path for path in found.files} == set(uri.glob("*.parquet"))


COMMITTED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import made, pyarrow as pa, dfd_native
from pathlib import Path
staged = dfd_native.stage(Path(sys.argv[1]).as_uri(), pa.table({"id": [1], "g": [2]}))
staged.release = lambda: os.kill(os.getpid(), signal.SIGKILL)
made.commit(Path(sys.argv[1]), staged)
"""


def test_a_process_that_is_killed_after_its_commit_left_nothing(table: Path) -> None:
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", COMMITTED, str(table), here], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(stages_of(table)) == 1
    assert abandoned_stages(table.as_uri()) == []
    assert stages_of(table) == []
    assert DeltaTable(table).to_pyarrow_table().num_rows == len(ROWS) + 1


def test_a_file_that_an_older_version_has_is_not_left_behind(table: Path) -> None:
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", COMMITTED, str(table), here], check=False)
    write_deltalake(table, ROWS, mode="overwrite")
    assert len(stages_of(table)) == 1
    assert abandoned_stages(table.as_uri()) == []
    assert DeltaTable(table, version=1).to_pyarrow_table().num_rows == len(ROWS) + 1


@pytest.mark.parametrize(("expires", "is_found"), [(-1, True), (60, False)])
def test_a_lease_of_another_host_is_believed_until_it_expires(
    table: Path, expires: int, is_found: bool
) -> None:
    staged = stage(table.as_uri(), ROWS)
    (path,) = stages_of(table)
    lease = json.loads(path.read_text())
    lease |= {"host": "elsewhere", "pid": 1, "expires_ms": int((time.time() + expires) * 1000)}
    path.write_text(json.dumps(lease))
    found = abandoned_stages(table.as_uri())
    assert [(each.host, each.stage_id) for each in found] == (
        [("elsewhere", staged.stage_id)] if is_found else []
    )
    staged.drop()


INTERRUPTED = """
import json, sys, threading, time
import dfd_native, pyarrow as pa
from datafusion import SessionContext

uri, source, layout = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
schema = pa.schema([("id", pa.int64()), ("g", pa.int64())])

def batches():
    number = 0
    while True:
        if number == 100:
            print("running", flush=True)
        if number == 100 and source == "blocked":
            threading.Event().wait()
        yield pa.record_batch({"id": [number] * 1000, "g": [n % 5 for n in range(1000)]}, schema)
        number += 1

if source == "query":
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    frame = session.sql("select value as id, value % 5 as g from generate_series(1, 100000000000)")
    data = dfd_native.Engine().run(frame.optimized_logical_plan(), session, frame.schema())
    print("running", flush=True)
else:
    data = pa.RecordBatchReader.from_batches(schema, batches())
try:
    dfd_native.stage(uri, data, **layout)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("source", ["endless", "blocked", "query"])
@layouts
def test_ctrl_c(uri: Path, source: str, layout: dict[str, Any]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, uri.as_uri(), source, json.dumps(layout)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        until(lambda: stages_of(uri))
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    print(f"KeyboardInterrupt after {float(out) - sent:.2f} s")
    assert float(out) - sent < BOUND_S
    assert not uri.exists()
