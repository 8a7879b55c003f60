"""Write a table once, correct it, and query it with DataFusion: python examples/quickstart.py."""

import tempfile
from pathlib import Path

import dfd
import pyarrow as pa

orders = pa.table({"id": [1, 2, 3], "state": ["new", "new", "paid"], "total": [10.0, 25.5, 7.25]})

with tempfile.TemporaryDirectory() as directory, dfd.connect() as runtime:
    uri = Path(directory) / "orders"

    first = runtime.write(uri, orders, app_id="loader", app_version=1)
    again = runtime.write(uri, orders, app_id="loader", app_version=1)
    print(first.status, "then", again.status)

    paid = pa.table({"id": [2]})
    merge = runtime.merge(uri, paid, "s.id = t.id").when_matched_update({"state": "'paid'"})
    print("merged at version", merge.execute().version)

    runtime.register("orders", uri)
    runtime.register("orders_before", uri, version=first.version)
    query = runtime.sql(
        "select o.id, b.state as before, o.state as now from orders o join orders_before b using (id) "
        "where o.state <> b.state and o.total > $low",
        params={"low": 5},
    )
    query.show()
