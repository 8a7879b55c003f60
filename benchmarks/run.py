"""Reads and writes of dfd beside its peers, candidates in turn, in one go.

    nox -s bench -- [--rounds N] [--rows N]

Prints, for every task, each candidate's median wall time as a ratio to the first candidate's. The
machine's noise hits all candidates alike, because each round runs all of them once.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dfd
import duckdb
import polars as pl
import pyarrow as pa
from datafusion import SessionContext
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from dfd.demo import source
from rich.console import Console
from rich.table import Table

AGGREGATE = "select origin, count(*) as n, avg(arr_delay) as d from flights group by origin"
FILTER = "select count(*) as n, sum(distance) as s from flights where carrier = 'AA' and month = 7"
Task = dict[str, Callable[[], object]]


def sql_tasks(uri: str, raw: Path) -> dict[str, Task]:
    """The same questions to each reader of the table, and to DataFusion on plain Parquet."""
    runtime = dfd.connect()
    runtime.register("flights", uri)
    plain = SessionContext()
    plain.register_parquet("flights", str(raw))
    builder = QueryBuilder().register("flights", DeltaTable(uri))
    frames = pl.SQLContext(flights=pl.scan_delta(uri))
    return {
        name: {
            "dfd": lambda sql=sql: runtime.sql(sql).to_arrow_table(),  # type: ignore[misc]
            "DataFusion, raw Parquet": lambda sql=sql: plain.sql(sql).to_arrow_table(),  # type: ignore[misc]
            "deltalake QueryBuilder": lambda sql=sql: pa.table(builder.execute(sql)),  # type: ignore[misc]
            "polars scan_delta": lambda sql=sql: frames.execute(sql).collect(),  # type: ignore[misc]
        }
        for name, sql in (("aggregate", AGGREGATE), ("filter", FILTER))
    }


def write_tasks(directory: Path, table: pa.Table) -> Task:
    """One append into a new table."""
    runtime = dfd.connect()

    def fresh() -> Path:
        target = directory / "written"
        shutil.rmtree(target, ignore_errors=True)
        return target

    return {
        "dfd": lambda: runtime.write(fresh(), table, partition_by=["origin"]),
        "write_deltalake": lambda: write_deltalake(fresh(), table, partition_by=["origin"]),
        "polars write_delta": lambda: pl.from_arrow(table).write_delta(  # type: ignore[union-attr]
            str(fresh()), delta_write_options={"partition_by": ["origin"]}
        ),
        "duckdb, raw Parquet": lambda: duckdb.from_arrow(table).write_parquet(
            str(fresh()), partition_by=["origin"]
        ),
    }


def measure(task: Task, rounds: int) -> dict[str, float]:
    """Median seconds of each candidate; the first round warms up and isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in task}
    for turn in range(rounds + 1):
        for name, work in task.items():
            started = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=source.FLIGHTS)
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        table = pa.Table.from_batches(source.flights(arguments.rows))
        write_deltalake(directory / "flights", table, partition_by=["origin"])
        duckdb.from_arrow(table).write_parquet(str(directory / "raw.parquet"))
        tasks = sql_tasks(str(directory / "flights"), directory / "raw.parquet")
        tasks["write"] = write_tasks(directory, table)
        for title, task in tasks.items():
            found = measure(task, arguments.rounds)
            base = next(iter(found.values()))
            shown = Table("candidate", "median ms", "of dfd's time", title=title)
            for candidate, seconds in found.items():
                shown.add_row(candidate, f"{seconds * 1000:.1f}", f"{seconds / base:.2f}")
            console.print(shown)


if __name__ == "__main__":
    main()
