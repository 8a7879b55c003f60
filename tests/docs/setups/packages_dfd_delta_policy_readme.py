"""Batches of flights, and a source for the MERGE."""

import pyarrow as pa

batches = pa.table(
    {
        "year": pa.array([2013, 2013], pa.int32()),
        "id": [1, 2],
        "carrier": ["UA", "AA"],
        "origin": ["ewr", "jfk"],
        "dep_time": pa.array([517, None], pa.int32()),
        "arr_delay": [11.0, None],
    }
)
schema, source = batches.schema, batches.slice(0, 1)
