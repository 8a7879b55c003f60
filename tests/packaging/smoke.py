"""What an installed dfd has to do before anything else is asked of it; needs nothing but dfd.

    python smoke.py DIRECTORY

A snapshot, the gate, a scan, a staged write, a delete, an optimize, a function of dfd's and one of
Python's, the report. Prints what was found, and ends with an error where that is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
from datafusion import udf

ROWS = pa.table({"n": [1, 2, 3, 4, 5, 6], "p": ["y", "x", "y", "x", "y", "x"]})
QUERY = "select p, sum(n) as s, max(dfd_hhmm_minutes(n)) as m from t group by p order by p"
BEFORE = {"p": ["x", "y"], "s": [12, 9], "m": [6, 5]}
AFTER = {"p": ["x", "y"], "s": [12, 8], "m": [6, 5]}


def doubled(numbers: pa.Array) -> pa.Array:
    """A function of Python's, as DataFusion calls it."""
    return pa.array([2 * number for number in numbers.to_pylist()], pa.int64())


def main(directory: Path) -> None:
    """Do it all, once."""
    dfd_native.ensure_compatible()
    uri = (directory / "t").as_uri()
    with dfd.connect() as runtime:
        runtime.write(uri, ROWS, partition_by=["p"])
        runtime.register("t", uri)
        query = runtime.sql(QUERY)
        assert query.route == "engine", query.route_reason
        assert query.to_arrow_table().to_pydict() == BEFORE
        runtime.session.register_udf(udf(doubled, [pa.int64()], pa.int64(), "stable", "doubled"))
        doubles = runtime.sql("select sum(doubled(n)) as d from t").to_arrow_table()
        assert doubles.to_pydict() == {"d": [42]}
        runtime.delete(uri, "n = 1")
        runtime.write(uri, ROWS.slice(0, 0))
        runtime.optimize(uri)
        runtime.refresh()
        assert runtime.sql(QUERY).to_arrow_table().to_pydict() == AFTER
        report = runtime.report().to_dict()
    table = dfd_native.delta_table(uri)
    print(f"{sys.version.split()[0]}: {table}, {len(report)} parts of a report")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
