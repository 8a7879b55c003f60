"""What queries free is kept for the next."""

from __future__ import annotations

import os
import subprocess
import sys

FAULTS = """
import resource, time
import dfd_native, pyarrow as pa
from datafusion import SessionContext
session = SessionContext().with_extensions(dfd_native.DeltaExtension())
engine = dfd_native.Engine()
sql = "select max(v) from (select value as v from generate_series(1, 1500000) order by v % 1000, v desc limit 1400000)"
for _ in range(3):
    time.sleep(1.5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pa.table(engine.run(session.sql(sql).optimized_logical_plan(), session, is_sql=True))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def pages_fetched(**variables: str) -> int:
    """By the last of three runs, a second and a half after the one before."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIMALLOC_")}
    ran = subprocess.run(
        [sys.executable, "-c", FAULTS], env=kept | variables, capture_output=True, check=True
    )
    return int(ran.stdout)


def test_freed_memory_is_kept_for_seconds() -> None:
    # Were it given back, both would fetch the same.
    assert pages_fetched() * 1.5 < pages_fetched(MIMALLOC_PURGE_DELAY="100")
