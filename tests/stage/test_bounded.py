"""The memory of a stage grows neither with the stream nor with the number of its partitions.

With DFD_LONG in the environment the streams are twice as long, and of every layout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LONG = bool(os.environ.get("DFD_LONG"))
# Unlike `ru_maxrss`, it isn't that of the process which started this one.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return int(status.read().partition("VmHWM:")[2].split()[0]) // 1024
"""
STAGES = f"""{PEAK}
import json, sys
import dfd_native, numpy as np, numpy.random, pyarrow as pa

uri, rows, partitions, layout = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
schema = pa.schema([("id", pa.int64()), ("key", pa.int64()), ("x", pa.float64()), ("noise", pa.binary(200))])

def batches():
    random = np.random.default_rng(1)
    for start in range(0, rows, 16384):
        count = min(16384, rows - start)
        keys = random.integers(0, partitions, count)
        yield pa.record_batch([
            pa.array(np.arange(start, start + count)), pa.array(keys), pa.array(random.random(count)),
            pa.FixedSizeBinaryArray.from_buffers(pa.binary(200), count, [None, pa.py_buffer(random.bytes(200 * count))]),
        ], schema)


for batch in batches():
    break
before = peak()
reader = pa.RecordBatchReader.from_batches(schema, batches())
with dfd_native.stage(uri, reader, writers=2, **layout) as staged:
    metrics = staged.metrics
print(json.dumps(dict(metrics, grown_mib=peak() - before)))
"""
LIMIT = 64 << 20


def staged(uri: Path, rows: int, partitions: int, **layout: Any) -> dict[str, Any]:
    """Metrics of a stage in a process of its own, and by how many mebibytes that has grown at most."""
    arguments = [uri.as_uri(), str(rows), str(partitions), json.dumps(layout)]
    done = subprocess.run(
        [sys.executable, "-c", STAGES, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    print(rows, partitions, layout, found)
    assert found["rows"] == rows
    return found


LAYOUTS = {"sorted": {"sort_by": ["x"]}}
if LONG:
    LAYOUTS |= {"plain": {}, "partitioned": {"partition_by": ["key"]}}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_does_not_grow_with_the_stream(tmp_path: Path, layout: dict[str, Any]) -> None:
    # Small files, so that both streams fill many; and both spill many times over, as the peak of one process
    # differs from the next by a fifth and that of a stream that hardly spills lies lower.
    limits = {"memory_limit_bytes": LIMIT, "target_file_bytes": 8 << 20}
    short, long = (
        staged(tmp_path / f"{rows}", rows, 20, **layout, **limits)
        for rows in ((3_000_000, 9_000_000) if LONG else (1_500_000, 4_500_000))
    )
    assert long["grown_mib"] < 1.5 * short["grown_mib"]
    assert long["peak_pool_bytes"] <= 1.1 * LIMIT
    if layout:
        assert long["spilled_bytes"] > 2 * short["spilled_bytes"] > 0


def test_memory_does_not_grow_with_the_partitions(tmp_path: Path) -> None:
    layout = {"partition_by": ["key"], "memory_limit_bytes": LIMIT}
    few, many = (
        staged(tmp_path / f"{partitions}", 1_000_000, partitions, **layout)
        for partitions in (10, 1000)
    )
    assert many["files"] == 1000
    assert many["grown_mib"] < 1.3 * few["grown_mib"]


WIDE = f"""{PEAK}
import sys
import dfd_native, numpy as np, numpy.random, pyarrow as pa

schema = pa.schema([("blob", pa.binary()), ("key", pa.int64())])

def batches():
    for seed in range(int(sys.argv[2])):
        noise = np.random.default_rng(seed).bytes(8 << 20)
        yield pa.record_batch([pa.array([noise[: 4 << 20], noise[4 << 20 :]]), pa.array([seed % 7, seed % 5])], schema)

for batch in batches():
    break
before = peak()
reader = pa.RecordBatchReader.from_batches(schema, batches())
with dfd_native.stage(sys.argv[1], reader, writers=2, partition_by=["key"], memory_limit_bytes=128 << 20):
    print(peak() - before)
"""


def test_rows_of_megabytes(tmp_path: Path) -> None:
    def grown_mib(batches: int) -> int:
        command = [sys.executable, "-c", WIDE, (tmp_path / f"{batches}").as_uri(), str(batches)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        print(batches, done.stdout.strip())
        return int(done.stdout)

    # The peak of one process differs from the next by a fifth.
    assert grown_mib(160 if LONG else 60) < 1.5 * grown_mib(40 if LONG else 30)
