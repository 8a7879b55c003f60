"""Two tables, `orders` and `customers`, written by deltalake."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from lake import Lake

REGIONS = ["north", "süd/west %41", None, "a b=c"]
ORDERS = pa.table(
    {
        "id": pa.array(range(600), pa.int64()),
        "customer": pa.array([n * 7 % 40 for n in range(600)], pa.int64()),
        "region": pa.array([REGIONS[n % 4] for n in range(600)], pa.string()),
        "amount": pa.array([n * 37 % 1000 / 4 for n in range(600)], pa.float64()),
        "note": pa.array([None if n % 9 == 0 else f"note {n:03}" for n in range(600)], pa.string()),
    }
)
CUSTOMERS = pa.table(
    {
        "id": pa.array(range(40), pa.int64()),
        "name": pa.array([f"customer {n}" for n in range(40)], pa.string()),
        "tier": pa.array([n % 3 for n in range(40)], pa.int32()),
    }
)


def write(lake: Lake) -> None:
    """`orders`: six appends by partitions, a checkpoint, a deletion; and `customers`, one append."""
    orders, options = lake.uri("orders"), lake.options
    for start in range(0, 600, 100):
        write_deltalake(
            orders,
            ORDERS.slice(start, 100),
            mode="append",
            partition_by=["region"],
            storage_options=options,
        )
    table = DeltaTable(orders, storage_options=options)
    table.create_checkpoint()
    table.delete("id >= 250 and id < 275")
    write_deltalake(lake.uri("customers"), CUSTOMERS, storage_options=options)
