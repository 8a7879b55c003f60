"""Every page and every README: all code on them runs, in order, each page in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tools")]

import servers  # noqa: E402
from page import blocks  # noqa: E402

Replaced = dict[str, str]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "packages/*/README.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts
)
WITH_CODE = [page for page in PAGES if any(b.kind != "text" for b in blocks(page.read_text()))]


@contextmanager
def s3(directory: Path) -> Iterator[Replaced]:
    """versitygw, with an empty bucket `lake`, in place of MinIO at its usual port."""
    with servers.versitygw(directory) as server:
        (directory / "buckets/lake").mkdir()
        yield {
            "http://localhost:9000": server.endpoint,
            "minio-key": server.key_id,
            "minio-secret": server.secret,
        }


@contextmanager
def azure(directory: Path) -> Iterator[Replaced]:
    """Azurite."""
    with servers.azurite(directory) as server:
        yield {"http://127.0.0.1:10000": server.endpoint}


@contextmanager
def gcs(directory: Path) -> Iterator[Replaced]:
    """fake-gcs, with a bucket `lake` that has a table."""
    import pyarrow as pa
    from deltalake import write_deltalake

    write_deltalake(
        directory / "buckets/lake/orders", pa.table({"id": [1, 2], "price": [5.0, 7.5]})
    )
    with servers.fake_gcs(directory) as server:
        yield {"http://localhost:4443": server.endpoint}


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Replaced]]] = {
    "docs/stores/s3.md": s3,
    "docs/stores/azure.md": azure,
    "docs/stores/gcs.md": gcs,
    "packages/dfd-storage/README.md": s3,
}


@contextmanager
def nothing(directory: Path) -> Iterator[Replaced]:
    """No server."""
    yield {}


def environment() -> dict[str, str]:
    """That of this process, without what belongs to a cloud or to dfd, and with dfd's command on its path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "AZURE_", "GOOGLE_", "OTEL_", "DFD_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    loopback = {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **loopback, "PATH": path, "COLUMNS": "100", "TZ": "UTC"}


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_runs(page: Path, tmp_path: Path) -> None:
    serve = SERVERS.get(str(page.relative_to(ROOT)), nothing)
    (tmp_path / "page").mkdir()
    with serve(tmp_path / "server") as replaced:
        ran = subprocess.run(
            [sys.executable, str(HERE / "run_page.py"), str(page), str(tmp_path / "page")],
            input=json.dumps(replaced),
            env=environment(),
            cwd=tmp_path / "page",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr


def test_there_are_pages() -> None:
    assert len(WITH_CODE) > 30
