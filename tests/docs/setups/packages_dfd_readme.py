"""A table of flights, and more of them."""

import dfd
import pyarrow as pa

batches = pa.table(
    {"origin": ["EWR", "JFK"], "month": pa.array([1, 2], pa.int32()), "dep_delay": [2.0, 90.0]}
)
dfd.connect().write("/data/flights", batches)
schema = batches.schema
