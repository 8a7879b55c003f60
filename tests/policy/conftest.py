"""Tables on disk and on S3, written by dfd's own stage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as fs
import pytest
from deltalake import DeltaTable

sys.path[:0] = [str(Path(__file__).parents[2] / "tools")]

from servers import Server, versitygw  # noqa: E402

Rows = list[tuple[object, ...]]


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """Nothing about a cloud comes from outside, and nothing goes there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """versitygw, with the bucket `lake`."""
    with versitygw(tmp_path_factory.mktemp("s3")) as server:
        host, port = server.address
        files = fs.S3FileSystem(
            access_key=server.key_id,
            secret_key=server.secret,
            endpoint_override=f"{host}:{port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        files.create_dir("lake")
        yield server


@pytest.fixture
def rows() -> Callable[..., Rows]:
    """The sorted rows of a table, or of one of its versions."""

    def read(root: Path, version: int | None = None) -> Rows:
        found = pa.table(DeltaTable(root, version=version).scan())
        return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True), key=repr)

    return read


@pytest.fixture
def files() -> Callable[[Path], set[str]]:
    """The data files that are there, in the table or not."""

    def find(root: Path) -> set[str]:
        return {
            str(path.relative_to(root))
            for path in root.rglob("*.parquet")
            if "_delta_log" not in path.parts
        }

    return find


@pytest.fixture
def together() -> Callable[..., list[str]]:
    """Run a script in several processes at once, each with arguments of its own; what they printed."""

    def run(script: str, *arguments: list[str]) -> list[str]:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", script, *each], stdout=subprocess.PIPE, text=True
            )
            for each in arguments
        ]
        printed = [process.communicate()[0] for process in running]
        assert [process.returncode for process in running] == [0] * len(running)
        return printed

    return run
