"""Assets that are materialized by Dagster itself, and what their tables have then."""

from pathlib import Path

import dfd
import pyarrow as pa
import pyarrow.compute as pc
from dagster import (
    AssetExecutionContext,
    StaticPartitionsDefinition,
    asset,
    materialize,
)
from dfd_dagster import DeltaIOManager

DAYS = StaticPartitionsDefinition(["2026-01-01", "2026-01-02"])


@asset
def orders() -> pa.Table:
    return pa.table({"id": [1, 2, 3], "price": [5.0, 7.5, 1.0]})


@asset
def dear_orders(orders: pa.Table) -> pa.Table:
    return orders.filter(pc.greater(orders["price"], 4))


@asset(partitions_def=DAYS)
def visits(context: AssetExecutionContext) -> pa.Table:
    return pa.table({"page": [f"{context.partition_key}/{n}" for n in range(2)]})


@asset(partitions_def=DAYS)
def pages(visits: pa.Table) -> pa.Table:
    return visits.select(["page"])


def manager(folder: Path) -> dict[str, DeltaIOManager]:
    return {"io_manager": DeltaIOManager(root=str(folder))}


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with dfd.connect() as runtime:
        runtime.register_schema("lake", folder)
        return runtime.sql(sql).fetch_all()


def test_assets_are_tables(tmp_path: Path) -> None:
    for _ in range(2):
        done = materialize([orders, dear_orders], resources=manager(tmp_path))
        assert done.success
    assert rows(tmp_path, "select id from lake.dear_orders order by id") == [(1,), (2,)]
    assert rows(tmp_path, "select count(*) from lake.orders") == [(3,)]
    (event,) = done.asset_materializations_for_node("orders")
    assert event.metadata["version"].value == 1
    assert event.metadata["rows"].value == 3


def test_a_partition_is_replaced_and_no_other(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-02", "2026-01-01"):
        done = materialize([visits, pages], partition_key=day, resources=manager(tmp_path))
        assert done.success
    assert rows(tmp_path, "select partition, count(*) from lake.visits group by 1 order by 1") == [
        ("2026-01-01", 2),
        ("2026-01-02", 2),
    ]
    assert rows(tmp_path, "select count(distinct page) from lake.pages") == [(4,)]
