"""The suite that Spark wrote (`tools/write_spark_tables.py`) reads exactly, at every version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

Read = Callable[[Path, int, str], pa.Table]
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


def by_runtime(table: Path, version: int, sql: str) -> pa.Table:
    with dfd.connect() as runtime:
        runtime.register("t", table / "delta", version=version)
        return runtime.sql(sql).to_arrow_table()


def by_plain_session(table: Path, version: int, sql: str) -> pa.Table:
    context = SessionContext()
    context.register_table("t", dfd_native.delta_table((table / "delta").as_uri(), version=version))
    return context.sql(sql).to_arrow_table()


@pytest.mark.parametrize("read", [by_runtime, by_plain_session])
@pytest.mark.parametrize(("table", "version"), list(versions()))
def test_reads_exactly(table: Path, version: int, read: Read) -> None:
    found = read(table, version, "select * from t")
    counted = read(table, version, "select count(*) as n from t")
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
