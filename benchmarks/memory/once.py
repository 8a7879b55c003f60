"""One candidate answers one query within a limit, once, in this process.

    python -m benchmarks.memory.once CANDIDATE QUERY LIMIT_BYTES THREADS DELTA PARQUET SPILL_DIRECTORY

Prints, as JSON, rows and a checksum (of rows in their place where the query has an order), or the error; seconds by the clock and of CPU;
the peak of resident memory, of the query and of the process before it; and the bytes that were written,
which are those that were spilled. A limit of 0: none.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.memory.queries import QUERIES, Query

ADDRESS_SPACE = 16 << 30
BATCH_ROWS = 8_192
Answer = Callable[[str], Iterable[pa.RecordBatch]]


def dfd_engine(limit: int, threads: int, delta: str, _parquet: str, spill: str) -> Answer:
    """dfd's engine, with so many partitions."""
    import dfd
    from dfd.profile import EngineConfig

    runtime = dfd.connect(
        engine=EngineConfig(memory_limit_bytes=limit or None, spill_directory=spill),
        session={"datafusion.execution.target_partitions": str(threads)},
    )
    runtime.register("keys", delta)

    def answer(sql: str) -> Iterable[pa.RecordBatch]:
        query = runtime.sql(sql)
        if query.route != "engine":
            raise RuntimeError(f"it ran in the session: {query.route_reason}")
        return pa.RecordBatchReader.from_stream(query)

    return answer


def duckdb_parquet(limit: int, threads: int, _delta: str, parquet: str, spill: str) -> Answer:
    """duckdb over the same files, with the settings that its manual has for more than fits into memory."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set threads = {threads}; set temp_directory = '{spill}'")
    connection.execute("set preserve_insertion_order = false")
    if limit:
        connection.execute(f"set memory_limit = '{limit}B'")
    connection.execute(f"create view keys as from read_parquet('{parquet}/*.parquet')")

    def answer(sql: str) -> Iterable[pa.RecordBatch]:
        found = connection.execute(sql)
        read = getattr(found, "to_arrow_reader", None) or found.fetch_record_batch
        return read(BATCH_ROWS)

    return answer


CANDIDATES = {"dfd": dfd_engine, "duckdb": duckdb_parquet}


def resident_bytes(field: str) -> int:
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def written_bytes() -> int:
    found = re.search(r"^wchar: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def consumed(batches: Iterable[pa.RecordBatch], is_ordered: bool) -> tuple[int, int]:
    """Rows, and the sum of their hashes, each times its place where they have an order."""
    rows, checksum = 0, 0
    for batch in batches:
        hashes = pl.DataFrame(batch).select(_same_types(batch.schema)).hash_rows().to_numpy()
        if is_ordered:
            hashes = hashes * np.arange(rows + 1, rows + len(hashes) + 1, dtype=np.uint64)
        rows += len(hashes)
        checksum = (checksum + int(hashes.sum(dtype=np.uint64))) % (1 << 64)
    return rows, checksum


def _same_types(schema: pa.Schema) -> list[pl.Expr]:
    """Whole numbers as 64 bits, and sums of floats in ten digits: the two add up in another order."""
    return [
        pl.col(field.name).cast(pl.Int64)
        if pa.types.is_integer(field.type) or pa.types.is_decimal(field.type)
        else pl.col(field.name).round_sig_figs(10)
        if pa.types.is_floating(field.type)
        else pl.col(field.name).cast(pl.String)
        if field.type != pa.date32()
        else pl.col(field.name)
        for field in schema
    ]


def measured(answer: Answer, query: Query) -> dict[str, Any]:
    """Of one run."""
    found: dict[str, Any] = {}
    before, written = resident_bytes("VmRSS"), written_bytes()
    started, started_cpu = time.perf_counter(), time.process_time()
    try:
        rows, checksum = consumed(answer(query.sql), query.is_ordered)
        found |= {"rows": rows, "checksum": checksum}
    except Exception as error:  # noqa: BLE001  what a user would see is the result
        found["error"] = f"{type(error).__name__}: {error}"
    return found | {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "peak_bytes": resident_bytes("VmHWM") - before,
        "before_bytes": before,
        "spilled_bytes": written_bytes() - written,
    }


def main() -> None:
    """Answer and print."""
    name, query, limit, threads, *places = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    answer = CANDIDATES[name](int(limit), int(threads), *places)
    # Everything is loaded, and the table's log read, before the measured run.
    consumed(answer("select id, label from keys where id < 10"), False)
    print(json.dumps(measured(answer, QUERIES[query])))


if __name__ == "__main__":
    main()
