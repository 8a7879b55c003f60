"""DataFrames of datafusion: all partitions at once, of the types that come, and no more than is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import DataFrame, SessionContext, udf

LIMIT_S = 120
FAILING = "select 1 / (value - 5000) as n from generate_series(1, 9000)"
# A join whose partitions wait for one another, in a process that is ended when it waits for ever.
JOIN = """
import sys
import dfd_native
import pyarrow as pa
from datafusion import SessionConfig, SessionContext

session = SessionContext(SessionConfig().with_target_partitions(4))
for name in ("a", "b"):
    session.register_parquet(name, f"{sys.argv[1]}/{name}")
frame = session.sql("select b.k as k, v from a join b on a.k = b.k")
read = {
    "adapt_stream": lambda: pa.table(dfd_native.adapt_stream(frame)).num_rows,
    "arrow_stream_to_batches": lambda: sum(
        batch.num_rows for batch in dfd_native.arrow_stream_to_batches(frame)
    ),
    "stage": lambda: dfd_native.stage(f"file://{sys.argv[1]}/t", frame).rows,
}
print(read[sys.argv[2]](), frame.count())
"""

Read = Callable[[Any], pa.Table]


def staged(data: Any, directory: Path) -> pa.Table:
    with dfd_native.stage(directory.as_uri(), data) as stage:
        return pa.concat_tables(
            pq.read_table(directory / action["path"]) for action in stage.actions
        )


@pytest.fixture(params=["adapt_stream", "arrow_stream_to_batches", "stage"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    reads: dict[str, Read] = {
        "adapt_stream": lambda data: pa.table(dfd_native.adapt_stream(data)),
        "arrow_stream_to_batches": lambda data: pa.Table.from_batches(
            map(pa.record_batch, dfd_native.arrow_stream_to_batches(data))
        ),
        "stage": lambda data: staged(data, tmp_path / "t"),
    }
    return reads[request.param]


@pytest.mark.parametrize("door", ["adapt_stream", "arrow_stream_to_batches", "stage"])
def test_partitions_that_wait_for_one_another(tmp_path: Path, door: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for n in range(2):
        keys = pa.table({"k": range(n * 1000, n * 1000 + 1000)})
        pq.write_table(keys, tmp_path / f"a/{n}.parquet")
    for n in range(4):
        keys = [key % 5000 for key in range(n * 50_000, n * 50_000 + 50_000)]
        pq.write_table(pa.table({"k": keys, "v": range(50_000)}), tmp_path / f"b/{n}.parquet")
    done = subprocess.run(
        [sys.executable, "-c", JOIN, str(tmp_path), door],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout.split() == ["80000", "80000"]


@pytest.mark.parametrize("inner", [False, True], ids=["frame", "what-it-is-made-of"])
def test_types_are_those_of_the_rows(read: Read, inner: bool) -> None:
    frame = SessionContext().sql("select 1 as n, null as s union all select 1.5, 'x'")
    found = read(frame.df if inner else frame)
    assert sorted(found.to_pylist(), key=lambda row: row["n"]) == [
        {"n": 1.0, "s": None},
        {"n": 1.5, "s": "x"},
    ]


def test_nothing_may_not_be_null(read: Read) -> None:
    assert read(SessionContext().sql("select 1 as n")).schema.field("n").nullable


def test_a_frame_that_fails(tmp_path: Path) -> None:
    frame = SessionContext().sql(FAILING)
    with pytest.raises(dfd_native.StreamError, match=r"(?i)divide by zero"):
        list(dfd_native.adapt_stream(frame))
    with pytest.raises(dfd_native.StreamError, match=r"(?i)divide by zero"):
        dfd_native.arrow_stream_to_batches(frame)
    with pytest.raises(dfd_native.StageError, match=r"(?i)divide by zero"):
        dfd_native.stage((tmp_path / "t").as_uri(), frame)


def test_a_frame_that_cannot_be_planned_fails_when_it_is_read() -> None:
    frame = SessionContext().sql("select arrow_cast('no number', 'Int32') + 1 as n")
    stream = dfd_native.adapt_stream(frame)
    with pytest.raises(dfd_native.StreamError, match="no number"):
        list(stream)


def test_no_more_is_read_than_is_asked_for() -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    def frame() -> DataFrame:
        session = SessionContext()
        session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
        return session.sql("select watch(value) as n from generate_series(1, 3000000)")

    stream = dfd_native.adapt_stream(frame())
    assert seen == []
    reader = pa.RecordBatchReader.from_stream(stream)
    reader.read_next_batch()
    del reader, stream
    assert 0 < sum(seen) < 3_000_000
