"""The suite that Spark wrote (`tools/write_spark_tables.py`) reads exactly, at every version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SUITE = Path(__file__).parent / "spark"


# What deltalake's scan doesn't read is refused by the name of its feature.
REFUSED = {"widening": "TypeWidening"}


def versions() -> Iterator[object]:
    for expected in sorted(SUITE.glob("*/expected/*.parquet")):
        table = expected.parents[1]
        if table.name in REFUSED:
            continue
        yield pytest.param(table, int(expected.stem), id=f"{table.name}-{expected.stem}")


def comparable(table: pa.Table) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())


@pytest.mark.parametrize(("table", "version"), list(versions()))
def test_reads_exactly(table: Path, version: int) -> None:
    with dfd.connect() as runtime:
        runtime.register("t", table / "delta", version=version)
        found = runtime.sql("select * from t").to_arrow_table()
        counted = runtime.sql("select count(*) as n from t").to_arrow_table()
    wanted = pq.ParquetFile(table / f"expected/{version}.parquet").read()
    assert found.column_names == wanted.column_names
    assert counted["n"].to_pylist() == [wanted.num_rows]
    assert comparable(found) == comparable(wanted)


@pytest.mark.parametrize(("table", "feature"), REFUSED.items())
def test_refuses_by_name(table: str, feature: str) -> None:
    with dfd.connect() as runtime, pytest.raises(dfd.QueryError, match=feature):
        runtime.register("t", SUITE / table / "delta")


def test_the_suite_is_there() -> None:
    assert len(list(versions())) > 50
