"""Files written anew: the same rows, in other files."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dfd_native
import made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from dfd_native import RuleViolation, StagedFiles, StageError, active_files, rewrite, stage

# What a rewrite would have to keep and can't, by the feature's name.
REFUSED = {"writers": "rowTracking", "variant": "variant column `v`"}
REWRITTEN = sorted(
    path.name
    for path in made.SUITE.iterdir()
    if (path / "delta").exists() and path.name not in {"widening", *REFUSED}
)


def rows(uri: Path, version: int | None = None) -> pa.Table:
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri.as_uri(), version=version))
    return session.sql("select * from t").to_arrow_table()


def by_deltalake(uri: Path) -> pa.Table:
    builder = QueryBuilder().register("t", DeltaTable(str(uri)))
    return pa.table(builder.execute("select * from t"))


def replace(uri: Path, paths: Sequence[str] | None = None, **how: Any) -> StagedFiles:
    """Rewrite files, all by default, and commit that."""
    before = active_files(uri.as_uri())
    chosen = [file["path"] for file in before.actions] if paths is None else list(paths)
    staged = rewrite(uri.as_uri(), version=before.version, paths=chosen, **how)
    dfd_native.commit_files(
        uri.as_uri(),
        read_version=before.version,
        info=made.OPTIMIZE,
        adds=[staged],
        removes=before.only(chosen),
        keeps_rows=True,
    )
    staged.release()
    return staged


def orderable(table: pa.Table, partition_by: Sequence[str]) -> list[str]:
    plain = (column for column in table.schema if not pa.types.is_nested(column.type))
    return [column.name for column in plain if column.name not in partition_by]


@pytest.mark.parametrize("order", ["kept", "sorted", "z"])
@pytest.mark.parametrize("name", REWRITTEN)
def test_tables_of_spark_keep_their_rows(tmp_path: Path, name: str, order: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    before, files = rows(uri), active_files(uri.as_uri())
    log = DeltaTable(str(uri)).metadata()
    names = orderable(before, log.partition_columns)[:3]
    how = {"kept": {}, "sorted": {"sort_by": names}, "z": {"z_order_by": names}}[order]
    staged = replace(uri, **how)
    assert made.comparable(rows(uri)) == made.comparable(before)
    assert made.comparable(rows(uri, files.version)) == made.comparable(before)
    assert staged.read_version == files.version
    assert staged.partition_by == log.partition_columns
    values = {tuple(sorted(file["partitionValues"].items())) for file in files.actions}
    after = active_files(uri.as_uri())
    assert all("deletionVector" not in file for file in after.actions)
    assert {tuple(sorted(file["partitionValues"].items())) for file in after.actions} <= values
    # One file for each partition that still has rows.
    assert len(after.actions) == len({tuple(sorted(file["partitionValues"].items())) for file in after.actions})  # fmt: skip


@pytest.mark.parametrize("name", ["mapping_id", "mapping_name", "mapping_dv", "dv_partitioned"])
def test_deltalake_reads_the_same(tmp_path: Path, name: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    before = made.comparable(rows(uri))
    staged = replace(uri)
    assert made.comparable(by_deltalake(uri).select(rows(uri).column_names)) == before
    names = pq.read_schema(uri / staged.actions[0]["path"])
    ids = [(field.metadata or {}).get(b"PARQUET:field_id") for field in names]
    assert all(ids) == name.startswith("mapping")


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_kept_is_refused(tmp_path: Path, name: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    before = made.listing(uri)
    found = active_files(uri.as_uri())
    paths = [file["path"] for file in found.actions]
    with pytest.raises(RuleViolation, match=f"(?i){REFUSED[name]}"):
        rewrite(uri.as_uri(), version=found.version, paths=paths)
    assert made.listing(uri) == before


@pytest.mark.parametrize("feature", ["rowTracking", "clustering", "icebergCompatV2"])
def test_features_that_ask_more_of_a_rewrite(tmp_path: Path, feature: str) -> None:
    uri = made.table(
        tmp_path / "t", [made.column("a", "long")], features=[feature, "domainMetadata"]
    )
    with pytest.raises(RuleViolation, match=f"(?i){feature}"):
        rewrite(uri.as_uri(), version=0, paths=[])


def test_only_the_chosen_files_of_that_version(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    for number in range(4):
        write_deltalake(uri, pa.table({"a": [number] * 3}), mode="append")
    (first, second, *_) = sorted(
        active_files(uri.as_uri()).actions, key=lambda file: file["modificationTime"]
    )
    staged = rewrite(uri.as_uri(), version=2, paths=[second["path"], first["path"]])
    assert made.data_files(uri, staged)["a"].to_pylist() == [1, 1, 1, 0, 0, 0]
    assert (staged.read_version, staged.rows) == (2, 6)
    staged.drop()
    newest = active_files(uri.as_uri()).actions
    last = max(newest, key=lambda file: file["modificationTime"])["path"]
    for path in (last, "nowhere.parquet"):
        with pytest.raises(RuleViolation, match=f"version 2 of the table has no file {path}"):
            rewrite(uri.as_uri(), version=2, paths=[path])
    with pytest.raises(RuleViolation, match="twice"):
        rewrite(uri.as_uri(), version=2, paths=[first["path"]] * 2)
    assert len(list(uri.rglob("*.parquet"))) == 4
    assert not (uri / "_dfd").exists()


def test_nothing_to_write(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    write_deltalake(uri, pa.table({"a": [1]}))
    staged = rewrite(uri.as_uri(), version=0, paths=[])
    assert (staged.rows, staged.actions) == (0, [])


def test_widened_types_are_refused(tmp_path: Path) -> None:
    uri = made.spark("widening", tmp_path / "t")
    with pytest.raises(StageError, match="typeWidening"):
        rewrite(uri.as_uri(), version=1, paths=[])


def test_rows_that_break_a_rule_stay(tmp_path: Path) -> None:
    """They were written before the rule, or by a writer that doesn't look."""
    uri = made.table(
        tmp_path / "t",
        [made.column("a", "long"), made.column("b", "long", delta__generationExpression="a + 1")],
        configuration={"delta.constraints.positive": "a > 0", "delta.constraints.odd": "no(a)"},
    )
    data = pa.table({"a": [-1, 1], "b": [7, 8]})
    pq.write_table(data, uri / "x.parquet")
    add = {"path": "x.parquet", "partitionValues": {}, "size": (uri / "x.parquet").stat().st_size,
           "modificationTime": 0, "dataChange": True, "stats": '{"numRecords":2}'}  # fmt: skip
    made.put(uri, 1, {"add": add})
    with rewrite(uri.as_uri(), version=1, paths=["x.parquet"]) as staged:
        assert made.data_files(uri, staged).to_pylist() == data.to_pylist()


def test_a_file_of_other_rows_than_the_log_tells_of_is_left(tmp_path: Path) -> None:
    uri = made.table(tmp_path / "t", [made.column("a", "long")])
    pq.write_table(pa.table({"a": [1, 2]}), uri / "x.parquet")
    add = {"path": "x.parquet", "partitionValues": {}, "size": (uri / "x.parquet").stat().st_size,
           "modificationTime": 0, "dataChange": True, "stats": '{"numRecords":3}'}  # fmt: skip
    made.put(uri, 1, {"add": add})
    before = made.listing(uri)
    with pytest.raises(StageError, match="2 rows were read of files that have 3"):
        rewrite(uri.as_uri(), version=1, paths=["x.parquet"])
    assert made.listing(uri) == before


def test_files_of_a_partition_are_joined_to_the_target(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    chance = np.random.default_rng(3)
    for _ in range(6):
        data = pa.table({"p": [1] * 50_000 + [2] * 50_000, "v": chance.random(100_000)})
        write_deltalake(uri, data, partition_by=["p"], mode="append")
    before = active_files(uri.as_uri()).actions
    assert len(before) == 12
    size = before[0]["size"]
    wanted = made.comparable(rows(uri))
    replace(uri, target_file_bytes=3 * size + size // 2)
    after = active_files(uri.as_uri()).actions
    assert Counter(file["partitionValues"]["p"] for file in after) == {"1": 2, "2": 2}
    replace(uri)
    after = active_files(uri.as_uri()).actions
    assert Counter(file["partitionValues"]["p"] for file in after) == {"1": 1, "2": 1}
    assert made.comparable(rows(uri)) == wanted


def test_rows_keep_their_order_or_get_one(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    values = list(range(100_000))
    random.Random(4).shuffle(values)
    for part in range(4):
        data = pa.table({"v": values[part::4], "s": [f"x{value}" for value in values[part::4]]})
        write_deltalake(uri, data, mode="append")
    files = sorted(active_files(uri.as_uri()).actions, key=lambda file: file["path"])
    paths = [file["path"] for file in files]
    wanted = pa.concat_tables([pq.ParquetFile(uri / path).read() for path in paths])
    with rewrite(uri.as_uri(), version=3, paths=paths) as kept:
        assert made.data_files(uri, kept)["v"].equals(wanted["v"])
        assert len(kept.actions) == 1
    with rewrite(uri.as_uri(), version=3, paths=paths, sort_by=["v"], writers=4) as by_value:
        assert made.data_files(uri, by_value)["v"].to_pylist() == list(range(100_000))
        assert len(by_value.actions) == 1
    few = {"sort_by": ["s", "v"], "memory_limit_bytes": 1 << 20, "writers": 1}
    with rewrite(uri.as_uri(), version=3, paths=paths, **few) as spilled:
        assert made.data_files(uri, spilled)["s"].to_pylist() == sorted(wanted["s"].to_pylist())


def skipped(uri: Path, column: str) -> float:
    """The part of the files that a range of a column leaves out."""
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri.as_uri()))
    frame = session.sql(f'select count(*) from t where "{column}" between 100 and 199')
    plan = frame.execution_plan().display_indent()
    found = plan.partition("files=")[2].split("]")[0].split(",")[0].split()
    scanned, considered = int(found[0]), int(found[2])
    return 1 - scanned / considered


def test_a_z_order_lets_readers_skip_by_each_column(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    chance = np.random.default_rng(5)
    for _ in range(4):
        drawn = {name: chance.integers(0, 10_000, 50_000) for name in ("a", "b", "c")}
        flag = pa.array(chance.integers(0, 2, 50_000).astype(bool))
        nulls = pa.array(drawn["b"], mask=chance.random(50_000) < 0.1)
        write_deltalake(
            uri,
            pa.table({"a": drawn["a"], "b": nulls, "c": drawn["c"], "flag": flag}),
            mode="append",
        )
    before = made.comparable(rows(uri))
    assert [skipped(uri, name) for name in "abc"] == [0, 0, 0]
    replace(uri, z_order_by=["a", "b", "flag"], target_file_bytes=1 << 16, writers=2)
    found = active_files(uri.as_uri()).actions
    assert len(found) >= 16
    # Of four bits or so, the flag has one, and the others share the rest.
    assert skipped(uri, "a") > 0.4
    assert skipped(uri, "b") > 0.4
    assert skipped(uri, "c") == 0
    # Two values count as much as thousands.
    flags = [set(pq.ParquetFile(uri / file["path"]).read()["flag"].to_pylist()) for file in found]
    assert sum(len(values) == 1 for values in flags) > len(flags) / 2
    assert made.comparable(rows(uri)) == before


def test_a_z_order_of_many_columns_and_kinds(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    kinds = {
        "text": pa.array([None, "", "ä" * 300, "ä" * 299, *("x" * n for n in range(96))]),
        "float": pa.array([None, float("nan"), float("-inf"), -0.0, *map(float, range(96))]),
        "same": pa.array([7] * 100),
        "none": pa.array([None] * 100, pa.int64()),
        "blob": pa.array([bytes([n]) for n in range(100)]),
        "flag": pa.array([n % 2 == 0 for n in range(100)]),
        "day": pa.array(range(100), pa.int32()).cast(pa.date32()),
        "at": pa.array(range(100), pa.timestamp("us", "UTC")),
        "price": pa.array(range(100), pa.decimal128(20, 0)),
    }
    write_deltalake(uri, pa.table(kinds))
    before = made.comparable(rows(uri))
    replace(uri, z_order_by=list(kinds))
    assert made.comparable(rows(uri)) == before


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"sort_by": ["a"], "z_order_by": ["a"]}, "exclude one another"),
        ({"z_order_by": ["p"]}, "same in all rows of a partition"),
        ({"z_order_by": ["nowhere"]}, "isn't there"),
        ({"z_order_by": ["l"]}, "has no order"),
        ({"z_order_by": ["a", "a"]}, "named twice"),
        ({"sort_by": ["a", "a"]}, "named twice"),
    ],
)
def test_an_order_that_is_none(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    uri = tmp_path / "t"
    write_deltalake(uri, pa.table({"a": [1], "p": [1], "l": [[1]]}), partition_by=["p"])
    (file,) = active_files(uri.as_uri()).actions
    with pytest.raises(RuleViolation, match=said):
        rewrite(uri.as_uri(), version=0, paths=[file["path"]], **how)


def test_a_file_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    for number in range(3):
        write_deltalake(
            uri, pa.table({"a": [number], "p": [number]}), partition_by=["p"], mode="append"
        )
    paths = [file["path"] for file in active_files(uri.as_uri()).actions]
    (uri / paths[1]).unlink()
    before = made.listing(uri)
    with pytest.raises(StageError, match="the table's files can't be read"):
        rewrite(uri.as_uri(), version=2, paths=paths)
    assert made.listing(uri) == before


INTERRUPTED = """
import os, signal, sys, threading
import dfd_native
uri = sys.argv[1]
found = dfd_native.active_files(uri)
def interrupt():
    import pathlib, urllib.parse, urllib.request
    root = pathlib.Path(urllib.request.url2pathname(urllib.parse.urlparse(uri).path))
    stages = root / "_dfd/stages"
    while not (stages.exists() and any(stages.iterdir())):
        pass
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    dfd_native.rewrite(
        uri, version=found.version, paths=[file["path"] for file in found.actions], z_order_by=["a", "b"]
    )
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    chance = np.random.default_rng(6)
    data = pa.table({name: chance.random(1_500_000) for name in ("a", "b")})
    made.commit(uri, stage(uri.as_uri(), data))
    before = made.listing(uri)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, uri.as_uri()],
        capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ),
    )  # fmt: skip
    assert done.stdout.strip() == "interrupted", done.stderr
    assert made.listing(uri) == before
