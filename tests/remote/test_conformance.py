"""The tables of the conformance suites, as objects of a store, read as they do on disk."""

from __future__ import annotations

import json
from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from lake import (
    Lake,
    Route,
    azure_files,
    engine,
    leaf,
    on_azure,
    on_disk,
    on_s3,
    rows,
    s3_files,
    upload,
)
from servers import Server

SPARK = Path(__file__).parents[1] / "conformance/spark"
DAT = Path(__file__).parents[3] / "shared/conformance/dat"
TABLES = [
    pytest.param(path.parent, id=f"{path.parents[1].name}-{path.parent.name}")
    for suite in (SPARK, DAT)
    for path in sorted(suite.glob("*/delta"))
]

# Odd names of partitions, files of deletion vectors, a checkpoint beside the log, renamed columns.
ON_AZURE = ("partitions", "dv_partitioned", "checkpoint_v2", "mapping_dv")


def versions(table: Path) -> list[int]:
    """The versions for which the suite has rows."""
    of_spark = {int(file.stem) for file in table.glob("expected/*.parquet")}
    of_dat = {
        int(json.loads(file.read_text(encoding="utf-8"))["version"])
        for file in table.glob("expected/*/table_version_metadata.json")
    }
    return sorted(of_spark | of_dat)


def read(lake: Lake, table: Path, version: int, route: Route) -> pa.Table | str:
    """What a route reads of a version; or how it is refused, without where."""
    name = f"{table.parent.name}/{table.name}/delta"
    try:
        opened = lake.table(name, version=version)
    except dfd_native.TableError as error:
        return str(error).partition(" can't be read: ")[2]
    return route({"t": opened})("select * from t")


def assert_same(found: pa.Table | str, wanted: pa.Table | str) -> None:
    if isinstance(found, pa.Table) and isinstance(wanted, pa.Table):
        assert found.schema == wanted.schema
        assert found.equals(wanted) or rows(found) == rows(wanted)
    else:
        assert found == wanted


@pytest.fixture(scope="module")
def bucket(gateway: Server) -> Lake:
    """A bucket with both suites."""
    for suite in (SPARK, DAT):
        upload(s3_files(gateway), suite, "*/delta/**/*", f"lake/{suite.name}")
    return on_s3(gateway)


@pytest.fixture(scope="module")
def container(emulator: Server) -> Lake:
    """A container with some of the tables."""
    for name in ON_AZURE:
        upload(azure_files(emulator), SPARK, f"{name}/delta/**/*", f"lake/{SPARK.name}")
    return on_azure(emulator)


@pytest.mark.parametrize("route", [leaf, engine])
@pytest.mark.parametrize("table", TABLES)
def test_on_s3(bucket: Lake, table: Path, route: Route) -> None:
    disk = on_disk(table.parents[1])
    assert versions(table)
    for version in versions(table):
        assert_same(read(bucket, table, version, route), read(disk, table, version, route))


@pytest.mark.parametrize("route", [leaf, engine])
@pytest.mark.parametrize("name", ON_AZURE)
def test_on_azure(container: Lake, name: str, route: Route) -> None:
    table = SPARK / name
    disk, version = on_disk(table.parents[1]), versions(table)[-1]
    assert_same(read(container, table, version, route), read(disk, table, version, route))
