"""Tables of which rows are changed, and duckdb as a judge of what becomes of them."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dfd_delta_policy import GuardedTable

sys.path.insert(0, str(Path(__file__).parent))
from row_tables import ROWS_PER_FILE, give, numbered

Make = Callable[..., GuardedTable]


@pytest.fixture
def make_rows(tmp_path: Path) -> Make:
    """A table with these properties, and files of `id` from 0 on, `p` of three values and a text."""

    def made(
        properties: dict[str, str] | None = None,
        files: int = 3,
        rows: int = ROWS_PER_FILE,
        partition_by: list[str] | None = None,
    ) -> GuardedTable:
        table = GuardedTable(tmp_path / uuid.uuid4().hex)
        table.append(numbered(0, 0), partition_by=partition_by)
        if properties:
            give(table, properties)
        for n in range(files):
            table.append(numbered(n * rows, rows))
        return table

    return made


@pytest.fixture
def judge() -> Iterator[Any]:
    """A connection to duckdb."""
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        yield connection
