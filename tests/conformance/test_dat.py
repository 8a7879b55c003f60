"""Every reference table that Spark wrote reads exactly: rows, names and types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAT = Path(__file__).parents[3] / "shared/conformance/dat"


def versions() -> Iterator[object]:
    for table in sorted(DAT.glob("*/")):
        for expected in sorted((table / "expected").iterdir()):
            version = json.loads((expected / "table_version_metadata.json").read_text())["version"]
            yield pytest.param(table, expected, version, id=f"{table.name}-{expected.name}")


def comparable(table: pa.Table) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())


@pytest.mark.skipif(not DAT.is_dir(), reason="the reference tables are not beside the project")
@pytest.mark.parametrize(("table", "expected", "version"), list(versions()) if DAT.is_dir() else [])
def test_reads_exactly(table: Path, expected: Path, version: int) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", table / "delta", version=version)
        result = runtime.sql("select * from t").to_arrow_table()
    files = sorted((expected / "table_content").glob("*.parquet"))
    wanted = pa.concat_tables(pq.ParquetFile(file).read() for file in files)
    assert sorted(result.column_names) == sorted(wanted.column_names)
    assert comparable(result) == comparable(wanted)
