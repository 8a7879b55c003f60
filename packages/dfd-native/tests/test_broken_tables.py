"""What can't be read is told with its place: the table, the file, and the column where it is one.

The tables are broken by hand. Each is read on both routes: in the engine, and as the opaque table of a
plain session, which has texts of errors alone.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_native import TableError

# What libraries put around a text, and behind it.
NOISE = re.compile(
    r"External error|External:|Arrow error: External|Kernel error|<unknown>|start_thread|backtrace|\n"
)
Break = Callable[[Path], str]


def rows(first: int) -> pa.Table:
    """100 rows of a file of its own, in the partition of their hundred."""
    ids = list(range(first, first + 100))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "n": pa.array(ids, pa.int32()),
            "s": [f"text {n}" for n in ids],
            "p": pa.array([first] * 100, pa.int64()),
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three commits of a file each, in partitions."""
    path = tmp_path / "a table"
    for first in (0, 100, 200):
        write_deltalake(path, rows(first), mode="append", partition_by=["p"])
    return path


def commit(table: Path, version: int) -> Path:
    return table / f"_delta_log/{version:020}.json"


def actions(table: Path, version: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in commit(table, version).read_text().splitlines()]


def rewrite(table: Path, version: int, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the add action of a commit."""
    found = actions(table, version)
    for action in found:
        if "add" in action:
            change(action["add"])
    commit(table, version).write_text("\n".join(map(json.dumps, found)))


def path_of(table: Path, version: int) -> str:
    """The data file that a commit adds."""
    (found,) = [action["add"]["path"] for action in actions(table, version) if "add" in action]
    return str(found)


def relative(table: Path, path: Path) -> str:
    return path.relative_to(table).as_posix()


def assert_told(error: BaseException, *parts: str) -> None:
    text = str(error)
    assert not NOISE.search(text), text
    for part in parts:
        assert part in text, text


# The log


def cut_commit(table: Path) -> str:
    whole = commit(table, 1).read_bytes()
    commit(table, 1).write_bytes(whole[: len(whole) - 40])
    return relative(table, commit(table, 1))


def no_json(table: Path) -> str:
    commit(table, 2).write_bytes(b"\x00\xff\x80 what is this\n")
    return relative(table, commit(table, 2))


def another_type_in_the_log(table: Path) -> str:
    rewrite(table, 1, lambda add: add.update(size="large"))
    return relative(table, commit(table, 1))


def huge_number(table: Path) -> str:
    text = commit(table, 1).read_text()
    commit(table, 1).write_text(re.sub(r'"size": ?\d+', '"size":1e400', text))
    return relative(table, commit(table, 1))


def missing_commit(table: Path) -> str:
    commit(table, 1).unlink()
    return relative(table, commit(table, 1))


def with_checkpoint(table: Path) -> Path:
    """A checkpoint in place of the commits before it."""
    DeltaTable(table).create_checkpoint()
    write_deltalake(table, rows(300), mode="append")
    for version in range(3):
        commit(table, version).unlink()
    (found,) = (table / "_delta_log").glob("*.checkpoint.parquet")
    return found


def cut_checkpoint(table: Path) -> str:
    checkpoint = with_checkpoint(table)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    return relative(table, checkpoint)


def corrupt_checkpoint(table: Path) -> str:
    checkpoint = with_checkpoint(table)
    content = bytearray(checkpoint.read_bytes())
    content[4:200] = b"\xff" * 196
    checkpoint.write_bytes(content)
    return relative(table, checkpoint)


def with_sidecar(table: Path) -> Path:
    """The checkpoint as one of version 2: JSON, with the files in a sidecar."""
    checkpoint = with_checkpoint(table)
    content = pq.read_table(checkpoint)
    sidecar = table / "_delta_log/_sidecars/016ae953-37a9-438e-8683-9a9a4a79a395.parquet"
    sidecar.parent.mkdir()
    adds = content.filter(pa.compute.is_valid(content["add"])).select(["add"])
    pq.write_table(adds, sidecar)
    row = {
        name: value
        for one in content.select(["protocol", "metaData"]).to_pylist()
        for name, value in one.items()
        if value
    }
    metadata = {name: value for name, value in row["metaData"].items() if value is not None}
    metadata["configuration"] = dict(metadata.get("configuration") or {})
    metadata["format"] = {"provider": "parquet", "options": {}}
    features = ["v2Checkpoint"]
    lines = [
        {"checkpointMetadata": {"version": 2}},
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
                      "readerFeatures": features, "writerFeatures": features}},
        {"metaData": metadata},
        {"sidecar": {"path": sidecar.name, "sizeInBytes": sidecar.stat().st_size,
                     "modificationTime": 0}},
    ]  # fmt: skip
    name = "00000000000000000002.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"
    (table / "_delta_log" / name).write_text("\n".join(map(json.dumps, lines)))
    checkpoint.unlink()
    (table / "_delta_log/_last_checkpoint").unlink()
    return sidecar


def corrupt_sidecar(table: Path) -> str:
    sidecar = with_sidecar(table)
    sidecar.write_bytes(sidecar.read_bytes()[:-50])
    return relative(table, sidecar)


def missing_sidecar(table: Path) -> str:
    sidecar = with_sidecar(table)
    sidecar.unlink()
    return relative(table, sidecar)


LOG: list[Break] = [
    cut_commit, no_json, another_type_in_the_log, huge_number, missing_commit, cut_checkpoint,
    corrupt_checkpoint, corrupt_sidecar, missing_sidecar,
]  # fmt: skip


def test_the_tables_can_be_read_before_they_are_broken(table: Path) -> None:
    assert dfd_native.delta_table(table.as_uri()).version == 2
    assert in_engine(table.as_uri()) == in_plain_session(table.as_uri())
    with_sidecar(table)
    found = dfd_native.active_files(table.as_uri())
    assert (found.version, len(found.actions)) == (3, 4)


@pytest.mark.parametrize("broken", LOG, ids=lambda broken: broken.__name__)
def test_a_log_names_the_file(table: Path, broken: Break) -> None:
    path = broken(table)
    with pytest.raises(TableError) as caught:
        dfd_native.delta_table(table.as_uri())
    error = caught.value
    assert error.path == path
    assert error.uri is not None
    assert error.uri.rstrip("/") == table.as_uri()
    assert_told(error, path, error.uri)
    assert_told(dfd_native.ErrorCause(str(error.__cause__)))
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.uri, str(again)) == (path, error.uri, str(error))


@pytest.mark.parametrize("broken", [cut_commit, no_json], ids=lambda broken: broken.__name__)
def test_a_commit_that_comes_later_is_named_too(table: Path, broken: Break) -> None:
    path = broken(table)
    kept = commit(table, 2).read_bytes()
    for version in (1, 2):
        held = commit(table, version)
        held.rename(held.with_suffix(".held"))
    before = dfd_native.delta_table(table.as_uri())
    assert (before.version, len(kept) > 0) == (0, True)
    for version in (1, 2):
        commit(table, version).with_suffix(".held").rename(commit(table, version))
    with pytest.raises(TableError) as caught:
        dfd_native.refresh([before])
    assert caught.value.path == path


def test_a_partition_value_of_another_type(table: Path) -> None:
    rewrite(table, 1, lambda add: add["partitionValues"].update(p="x"))
    with pytest.raises(TableError) as caught:
        dfd_native.delta_table(table.as_uri())
    error = caught.value
    assert (error.path, error.column) == (path_of(table, 1), "p")
    assert_told(error, "`p`", '"x"', path_of(table, 1))


def test_a_deletion_vector_of_an_unknown_kind(table: Path) -> None:
    features = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
    protocol |= {"readerFeatures": features, "writerFeatures": features}
    lines = [{"protocol": protocol} if "protocol" in a else a for a in actions(table, 0)]
    commit(table, 0).write_text("\n".join(map(json.dumps, lines)))
    vector = {"storageType": "x", "pathOrInlineDv": "0", "sizeInBytes": 1, "cardinality": 1}
    rewrite(table, 1, lambda add: add.update(deletionVector=vector))
    with pytest.raises(TableError) as caught:
        dfd_native.delta_table(table.as_uri())
    assert caught.value.path == path_of(table, 1)
    assert_told(caught.value, "'x'", path_of(table, 1))


def test_no_table_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        dfd_native.delta_table((tmp_path / "nothing").as_uri())
    assert caught.value.path is None
    assert caught.value.uri == (tmp_path / "nothing").as_uri() + "/"


# The files


def data_file(table: Path) -> Path:
    return table / path_of(table, 1)


def cut_file(table: Path) -> None:
    data_file(table).write_bytes(data_file(table).read_bytes()[:-200])


def corrupt_page(table: Path) -> None:
    content = bytearray(data_file(table).read_bytes())
    content[4:120] = b"\xff" * 116
    data_file(table).write_bytes(content)


def missing_file(table: Path) -> None:
    data_file(table).unlink()


def replaced(table: Path, column: str, values: pa.Array) -> None:
    """The file with other values in a column, under the size that the log has of it."""
    stored = rows(100).drop_columns(["p"])
    place = stored.column_names.index(column)
    pq.write_table(stored.set_column(place, column, values), data_file(table))
    size = data_file(table).stat().st_size
    rewrite(table, 1, lambda add: add.update(size=size, stats=None))


def another_type(table: Path) -> None:
    replaced(table, "id", pa.array([f"no number {n}" for n in range(100)]))


def another_width(table: Path) -> None:
    replaced(table, "n", pa.array([5_000_000_000 + n for n in range(100)], pa.int64()))


def another_kind(table: Path) -> None:
    replaced(table, "n", pa.array([[n] for n in range(100)], pa.list_(pa.int64())))


FILES: list[tuple[Callable[[Path], None], str | None]] = [
    (cut_file, None),
    (corrupt_page, None),
    (missing_file, None),
    (another_type, "id"),
    (another_width, "n"),
    (another_kind, "n"),
]
QUERY = "select sum(id), sum(n), max(s) from t where id >= 0"


def in_engine(uri: str) -> pa.Table:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table(uri))
    plan = session.sql(QUERY).optimized_logical_plan()
    return pa.Table.from_batches(
        [pa.record_batch(batch) for batch in dfd_native.Engine().run(plan, session)]
    )


def in_plain_session(uri: str) -> pa.Table:
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(uri))
    return session.sql(QUERY).to_arrow_table()


@pytest.mark.parametrize(
    ("broken", "column"), FILES, ids=lambda case: getattr(case, "__name__", case)
)
def test_a_query_names_the_file(
    table: Path, broken: Callable[[Path], None], column: str | None
) -> None:
    path = path_of(table, 1)
    broken(table)
    with pytest.raises(dfd_native.EngineError) as caught:
        in_engine(table.as_uri())
    error = caught.value
    assert (error.path, error.column) == (path, column)
    assert str(error.uri).rstrip("/") == table.as_uri()
    assert_told(error, path, str(error.uri), *([f"its column {column}"] if column else []))
    assert isinstance(error.__cause__, dfd_native.ErrorCause)
    with pytest.raises(Exception, match=re.escape(path)) as plain:
        in_plain_session(table.as_uri())
    assert str(error) in str(plain.value)
    if column:
        assert f"its column {column}" in str(plain.value)


@pytest.mark.parametrize("broken", [cut_file, corrupt_page, missing_file])
def test_a_rewrite_names_the_file(table: Path, broken: Callable[[Path], None]) -> None:
    path = path_of(table, 1)
    broken(table)
    paths = [path_of(table, version) for version in range(3)]
    with pytest.raises(dfd_native.StageError) as caught:
        dfd_native.rewrite(table.as_uri(), version=2, paths=paths)
    assert caught.value.path == path
    assert_told(caught.value, path)


@pytest.mark.parametrize("broken", [cut_file, missing_file])
def test_a_look_at_footers_names_the_file(table: Path, broken: Callable[[Path], None]) -> None:
    path = path_of(table, 1)
    broken(table)
    with pytest.raises(TableError) as caught:
        dfd_native.misread_columns(table.as_uri(), version=2)
    assert caught.value.path == path
    assert_told(caught.value, path)


def test_no_stack_of_a_thread_is_in_a_message(table: Path) -> None:
    cut_commit(table)
    program = """
import sys, dfd_native
try:
    dfd_native.delta_table(sys.argv[1])
except dfd_native.TableError as error:
    while error is not None:
        print(error)
        error = error.__cause__
"""
    environment = {**os.environ, "RUST_BACKTRACE": "full", "RUST_LIB_BACKTRACE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, table.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.startswith(
        "the file _delta_log/00000000000000000001.json of the Delta table"
    )
    for line in done.stdout.splitlines():
        assert not NOISE.search(line), done.stdout
