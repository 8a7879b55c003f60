"""Stages on S3: in parts, and where the store goes away in the middle."""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dfd_native
import numpy as np
import pyarrow as pa
import pyarrow.fs as fs
import pytest
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction
from dfd_native import StagedFiles, StageError, abandoned_stages, stage
from lake import Lake, on_s3, s3_files
from recording_proxy import Recording, Request, recording_proxy
from servers import Server, versitygw

SCHEMA = pa.schema([("id", pa.int64()), ("noise", pa.binary())])


def noise(mebibytes: int, then: Callable[[], None] = lambda: None) -> pa.RecordBatchReader:
    """So many batches of a mebibyte that doesn't compress; after the last of them, `then` is called."""

    def batches() -> Iterator[pa.RecordBatch]:
        for seed in range(mebibytes):
            found = np.random.default_rng(seed).bytes(1 << 20)
            rows = [found[start : start + 1024] for start in range(0, 1 << 20, 1024)]
            yield pa.record_batch([pa.array(range(seed * 1024, (seed + 1) * 1024)), rows], SCHEMA)
        then()

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def objects(server: Server, prefix: str) -> list[str]:
    found = s3_files(server).get_file_info(fs.FileSelector(prefix, True, True))
    return [each.path for each in found if each.type == fs.FileType.File]


@pytest.fixture
def recording(gateway: Server) -> Iterator[Recording]:
    with recording_proxy(gateway.endpoint) as made:
        yield made


@pytest.fixture
def lake(gateway: Server, recording: Recording, request: pytest.FixtureRequest) -> Lake:
    """A prefix of this test's own, through the proxy."""
    proxied = on_s3(replace(gateway, endpoint=recording.endpoint))
    return replace(proxied, root=f"s3://lake/{request.node.name}")


def parts(requests: list[Request]) -> Counter[str]:
    """How often an upload in parts was begun, carried on, ended and given up."""
    kinds: Counter[str] = Counter()
    for made in requests:
        query = made.query
        if made.method == "POST" and query.startswith("uploads"):
            kinds["begun"] += 1
        elif made.method == "POST" and "uploadId" in query:
            kinds["completed"] += 1
        elif "uploadId" in query:
            kinds["part" if made.method == "PUT" else "aborted"] += 1
    return kinds


def commit(lake: Lake, staged: StagedFiles) -> None:
    schema = Schema.from_json(staged.schema_json)
    uri, options = lake.uri("t"), lake.options
    DeltaTable.create(uri, schema, storage_options=options)
    actions = [AddAction(**action, data_change=True) for action in staged.actions]
    found = DeltaTable(uri, storage_options=options)
    found.create_write_transaction(actions, "append", schema, staged.partition_by)
    staged.release()


def test_large_files_are_uploaded_in_parts(
    gateway: Server, lake: Lake, recording: Recording, request: pytest.FixtureRequest
) -> None:
    staged = stage(lake.uri("t"), noise(24), lake.options, writers=1)
    (action,) = staged.actions
    assert parts(recording.take()) == {
        "begun": 1,
        "part": -(-action["size"] // (8 << 20)),
        "completed": 1,
    }
    commit(lake, staged)
    prefix = f"lake/{request.node.name}"
    assert not [path for path in objects(gateway, prefix) if "/_dfd/" in path]
    with lake.connect() as runtime:
        runtime.register("t", lake.uri("t"))
        found = runtime.sql("select count(*) as n, sum(id) as s from t").to_arrow_table()
        assert found.to_pylist() == [{"n": 24 * 1024, "s": sum(range(24 * 1024))}]
    assert abandoned_stages(lake.uri("t"), lake.options) == []


@pytest.mark.parametrize("mebibytes", [1, 24])
def test_what_is_dropped_is_gone(
    gateway: Server, lake: Lake, request: pytest.FixtureRequest, mebibytes: int
) -> None:
    prefix = f"lake/{request.node.name}"
    with stage(lake.uri("t"), noise(mebibytes), lake.options):
        assert len(objects(gateway, prefix)) >= 2
    assert objects(gateway, prefix) == []
    staged = stage(lake.uri("t"), noise(mebibytes), lake.options)
    del staged
    gc.collect()
    assert objects(gateway, prefix) == []


def test_an_error_in_the_middle_leaves_no_part(
    gateway: Server, lake: Lake, recording: Recording, request: pytest.FixtureRequest
) -> None:
    def fails() -> None:
        raise RuntimeError("the source broke")

    with pytest.raises(StageError, match="the source broke"):
        stage(lake.uri("t"), noise(40, fails), lake.options, writers=1, target_file_bytes=64 << 20)
    found = parts(recording.take())
    assert found["begun"] == 1
    assert found["aborted"] >= 1  # asked again where the store was too busy to answer
    assert found["part"] > 0
    assert objects(gateway, f"lake/{request.node.name}") == []


def test_a_store_that_goes_away(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(versitygw(tmp_path))
        s3_files(server).create_dir("lake")
        lake = on_s3(server)
        options = lake.options | {"max_retries": "1", "retry_timeout": "1s"}
        with pytest.raises(StageError) as error:
            stage(lake.uri("t"), noise(40, stack.close), options, target_file_bytes=16 << 20)
    # What failed, and that something is left, which the store alone could remove.
    assert "the store failed on t/part-" in str(error.value)
    assert "can't be removed" in str(error.value)
    assert server.secret not in str(error.value)


def test_a_store_that_refuses(gateway: Server, request: pytest.FixtureRequest) -> None:
    wrong = on_s3(replace(gateway, secret="wrong"))
    with pytest.raises((StageError, dfd_native.TableError), match=r"(?i)403|forbidden|signature"):
        stage(wrong.uri(request.node.name), noise(1), wrong.options)
