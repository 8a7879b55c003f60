"""A session, a table, and data of other types than the table's."""

import dfd_native
import pyarrow as pa
from datafusion import SessionContext
from deltalake import write_deltalake

session_context = SessionContext()
dfd_native.ensure_compatible()
session_context = session_context.with_extensions(dfd_native.DeltaExtension())
target = pa.schema({"a": pa.int64(), "b": pa.string()})
write_deltalake("/data/t", pa.table({"a": [3, 1], "b": ["x", "y"]}, schema=target))
source = pa.table({"a": pa.array([5, 4], pa.int32()), "b": ["z", "w"]})
