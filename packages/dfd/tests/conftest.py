"""Runtimes and tables for the tests of the composition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest

ROWS = pa.table({"id": [1, 2, 3, 4], "s": ["a", "b", None, "d"], "p": ["x", "x", "y", "y"]})


@pytest.fixture
def runtime() -> Iterator[dfd.Runtime]:
    with dfd.connect() as connected:
        yield connected


@pytest.fixture
def uri(runtime: dfd.Runtime, tmp_path: Path) -> Path:
    """A table of four rows, registered as `t`."""
    location = tmp_path / "t"
    runtime.write(location, ROWS, partition_by=["p"])
    runtime.register("t", location)
    return location
