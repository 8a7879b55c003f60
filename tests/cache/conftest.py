"""Tables and runtimes for the tests of caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from deltalake import write_deltalake


@pytest.fixture
def uri(tmp_path: Path) -> Path:
    """A table of one row, in version 0."""
    write_deltalake(tmp_path / "t", pa.table({"n": [0]}))
    return tmp_path / "t"


@pytest.fixture
def runtime(uri: Path) -> Iterator[dfd.Runtime]:
    """A runtime to which it is `t`."""
    with dfd.connect() as connected:
        connected.register("t", uri)
        yield connected


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """What belongs to the process is as before for the next test."""
    yield
    dfd.connect().close()
