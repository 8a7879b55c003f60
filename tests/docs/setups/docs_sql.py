"""A table for the page's first example."""

import dfd
import pyarrow as pa

dfd.connect().write("/data/lake/customers", pa.table({"id": [7, 8]}))
