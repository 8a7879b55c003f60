"""Commits a row every 50 ms, and tells of each version when it is acknowledged: `python writer.py TABLE SECONDS`."""

import sys
import time

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

table, seconds = sys.argv[1], float(sys.argv[2])
end = time.monotonic() + seconds
while time.monotonic() < end:
    write_deltalake(table, pa.table({"n": [1]}), mode="append")
    print(DeltaTable(table).version(), time.time(), flush=True)
    time.sleep(0.05)
