"""DataFrames of the session wherever data is taken: all rows, of the types that come, and no wait without end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dfd
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import DataFrame, udf
from dfd_delta_policy import GuardedTable
from dfd_delta_policy.source import plain_reader

LIMIT_S = 120
JOIN = "select b.k as k, v from a join b on a.k = b.k"
# Ints in the plan as it is written, doubles in the rows.
COERCED = "select 1 as n union all select 1.5"

# Each way in of a join of several partitions, in a process of its own: what hangs there is ended here.
DOORS = """
import json, sys
from pathlib import Path
import dfd, dfd_native, duckdb
import pyarrow as pa
from dfd_delta_policy import GuardedTable
from deltalake import DeltaTable

root = Path(sys.argv[1])
sql = sys.argv[2]
runtime = dfd.connect(session={"datafusion.execution.target_partitions": "4"})
for name in ("a", "b"):
    runtime.session.register_parquet(name, root / name)

def frame():
    return runtime.session.sql(sql)

def written(name, write):
    uri = root / name
    write(uri)
    files = [str(root / name / path) for path in DeltaTable(uri).file_uris()]
    return duckdb.read_parquet(files)

def staged(name, data):
    with dfd_native.stage((root / name).as_uri(), data) as stage:
        files = [str(root / name / action["path"]) for action in stage.actions]
        return duckdb.read_parquet(files).to_arrow_table()

def merged(table):
    table.append(pa.table({"k": [-1], "v": [-1]}))
    builder = table.merge(frame(), "s.k = t.k and s.v = t.v", source_alias="s", target_alias="t")
    builder.when_not_matched_insert_all().execute()
    table.delete("k = -1")

doors = {
    "adapt_stream": lambda: pa.table(dfd_native.adapt_stream(frame())),
    "adapt_stream ahead": lambda: pa.table(dfd_native.adapt_stream(frame(), prefetch_batches=2)),
    "arrow_stream_to_batches": lambda: pa.Table.from_batches(
        map(pa.record_batch, dfd_native.arrow_stream_to_batches(frame()))
    ),
    "stage": lambda: staged("staged", frame()),
    "stage what a frame is made of": lambda: staged("inner", frame().df),
    "append": lambda: written("append", lambda uri: GuardedTable(uri).append(frame())),
    "append of a callable": lambda: written("callable", lambda uri: GuardedTable(uri).append(frame)),
    "append that may add columns": lambda: written(
        "merging", lambda uri: GuardedTable(uri).append(frame(), schema_mode="merge")
    ),
    "append of a callable that may add columns": lambda: written(
        "callables", lambda uri: GuardedTable(uri).append(frame, schema_mode="merge")
    ),
    "overwrite": lambda: written("overwrite", lambda uri: GuardedTable(uri).overwrite(frame())),
    "merge": lambda: written("merged", lambda uri: merged(GuardedTable(uri))),
    "write": lambda: written("write", lambda uri: runtime.write(uri, frame())),
    "write of a callable": lambda: written("calls", lambda uri: runtime.write(uri, frame)),
    "write that may add columns": lambda: written(
        "widened", lambda uri: runtime.write(uri, frame(), schema_mode="merge")
    ),
    "merge of the runtime": lambda: written("both", lambda uri: merged(runtime_merge(uri))),
    "query": lambda: runtime.query(frame()).to_arrow_table(),
}

def runtime_merge(uri):
    table = runtime.table(uri)
    table.merge = lambda source, predicate, **names: runtime.merge(uri, source, predicate, **names)
    return table

for door, read in doors.items():
    print(json.dumps([door]), flush=True)
    rows = read()
    found = duckdb.sql("select count(*), sum(k), sum(v), sum(k * v) from rows").fetchall()[0]
    print(json.dumps([door, *map(int, found)]), flush=True)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for n in range(2):
        keys = pa.table({"k": range(n * 1000, n * 1000 + 1000)})
        pq.write_table(keys, tmp_path / f"a/{n}.parquet")
    for n in range(4):
        keys = [key % 5000 for key in range(n * 50_000, n * 50_000 + 50_000)]
        pq.write_table(pa.table({"k": keys, "v": range(50_000)}), tmp_path / f"b/{n}.parquet")
    return tmp_path


def test_a_join_of_several_partitions_comes_through_every_door(files: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DOORS, str(files), JOIN], stdout=subprocess.PIPE, text=True
    )
    try:
        printed, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, _ = process.communicate()
    tried = [json.loads(line) for line in printed.splitlines()]
    judged = JOIN.replace("from a", f"from '{files}/a/*.parquet' a").replace(
        "join b", f"join '{files}/b/*.parquet' b"
    )
    wanted = duckdb.sql(f"select count(*), sum(k), sum(v), sum(k * v) from ({judged})").fetchall()[
        0
    ]
    assert process.returncode == 0, f"ended at {tried[-1:]}"
    found = {door: tuple(figures) for door, *figures in tried if figures}
    assert found == dict.fromkeys(found, tuple(map(int, wanted)))
    assert len(found) == 16


def frame_of(runtime: dfd.Runtime, sql: str) -> DataFrame:
    return runtime.session.sql(sql)


def test_types_are_those_of_the_rows(runtime: dfd.Runtime, tmp_path: Path) -> None:
    for n, write in enumerate(
        (
            lambda uri: GuardedTable(uri).append(frame_of(runtime, COERCED)),
            lambda uri: GuardedTable(uri).append(lambda: frame_of(runtime, COERCED)),
            lambda uri: GuardedTable(uri).append(frame_of(runtime, COERCED), schema_mode="merge"),
            lambda uri: runtime.write(uri, frame_of(runtime, COERCED)),
            lambda uri: runtime.write(uri, lambda: frame_of(runtime, COERCED)),
        )
    ):
        write(tmp_path / str(n))
        runtime.register("c", tmp_path / str(n))
        read = runtime.sql("select n from c order by n").to_arrow_table()
        assert read.to_pydict() == {"n": [1.0, 1.5]}


def test_a_callable_of_a_frame_is_a_query_too(runtime: dfd.Runtime, tmp_path: Path) -> None:
    runtime.write(tmp_path / "c", lambda: frame_of(runtime, COERCED))
    assert [record.route for record in runtime.observer.records] == ["engine"]


def test_a_frame_that_fails_leaves_nothing(runtime: dfd.Runtime, tmp_path: Path) -> None:
    failing = frame_of(runtime, "select 1 / (value - 5000) as n from generate_series(1, 9000)")
    table = GuardedTable(tmp_path / "f")
    for append in (
        lambda: table.append(failing),
        lambda: table.append(lambda: failing),
        lambda: table.append(failing, schema_mode="merge"),
    ):
        with pytest.raises(Exception, match=r"(?i)divide by zero"):
            append()
    assert not (tmp_path / "f/_delta_log").exists()


def test_no_more_is_read_than_is_asked_for(runtime: dfd.Runtime) -> None:
    seen: list[int] = []

    def watch(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return values

    runtime.session.register_udf(udf(watch, [pa.int64()], pa.int64(), "volatile", "watch"))
    frame = frame_of(runtime, "select watch(value) as n from generate_series(1, 3000000)")
    reader = plain_reader(frame)
    assert seen == []
    reader.read_next_batch()
    del reader
    assert 0 < sum(seen) < 3_000_000
