"""What the statements of the page have done."""

from deltalake import DeltaTable

history = runtime.sql("describe history lake.orders").to_arrow_table()
operations = history["operation"].to_pylist()[::-1]
assert operations == [
    "CREATE TABLE",
    "ADD COLUMNS",
    "ADD CONSTRAINT",
    "DROP CONSTRAINT",
    "SET TBLPROPERTIES",
    "UNSET TBLPROPERTIES",
    *["WRITE"] * 6,
    "UPDATE",
    "MERGE",
    "DELETE",
    "MERGE",
    "MERGE",
    "RESTORE",
    "OPTIMIZE",
], operations
assert DeltaTable("/data/lake/daily").version() == 1
