"""Where DataFusion itself has other rows than duckdb: what queries of this folder leave out, and why."""

from __future__ import annotations

import pyarrow as pa
import pytest
from datafusion import SessionContext

# A null struct whose field has a value beneath it, as pyarrow builds them.
HIDDEN = pa.StructArray.from_arrays(
    [pa.array(["beneath", "b"])], ["w"], mask=pa.array([True, False])
)
KNOWN = {
    # apache/datafusion#12955: a semi join, and an anti join, which keep all or none of a row's doubles.
    "intersect all": ("select x from two intersect all select x from one order by x", [1]),
    "except all": ("select x from two except all select x from one order by x", [1]),
    # apache/datafusion#24258: two lists of one column become one, and a null in them is passed over.
    "nulls in lists": ("select x from one where not (x in (2, null) or x not in (1))", []),
    # apache/datafusion-sqlparser-rs#2436: the parser takes AND for a part of what is compared.
    "distinct from": ("select false is not distinct from true and false as x", [False]),
    # apache/datafusion#25120: a field is read without the nulls of its struct. Files have no values beneath
    # null structs, so only memory shows it.
    "null structs": ("select r['w'] as x from hidden order by x nulls first", [None, "b"]),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.xfail(strict=True, reason="DataFusion's own", raises=AssertionError)
def test_datafusions_own(name: str) -> None:
    """Once one passes, its shape belongs into the queries."""
    sql, expected = KNOWN[name]
    session = SessionContext()
    session.from_pydict({"x": [1]}, "one")
    session.from_pydict({"x": [1, 1]}, "two")
    session.register_record_batches("hidden", [[pa.record_batch([HIDDEN], ["r"])]])
    batches = session.sql(sql).collect()
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == expected
