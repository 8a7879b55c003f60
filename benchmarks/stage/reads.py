"""What readers make of the files that each writer leaves: the same rows, the same queries, in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dfd
import duckdb
import polars as pl

from benchmarks.scan.measure import geometric_mean

QUERIES = {
    "whole numbers": "select sum(id) as a, sum(code) as b from t",
    "floats": "select sum(value) as a from t",
    "texts": "select max(label) as a from t",
    "groups": "select day, count(*) as n, sum(code) as a from t group by day order by day",
    "some rows": "select count(*) as n, max(label) as a from t where code < 4000000",
}
Run = Callable[[str], Any]


def _dfd(table: Path) -> Run:
    runtime = dfd.connect()
    runtime.register("t", table)
    return lambda sql: runtime.sql(sql).to_arrow_table().to_pylist()


def _polars(table: Path) -> Run:
    context = pl.SQLContext(t=pl.scan_parquet(f"{table}/*.parquet"))
    return lambda sql: context.execute(sql).collect(engine="streaming").rows(named=True)


def _duckdb(table: Path) -> Run:
    connection = duckdb.connect()
    connection.execute(f"create view t as from read_parquet('{table}/*.parquet')")
    return lambda sql: connection.sql(sql).arrow().read_all().to_pylist()


READERS: dict[str, Callable[[Path], Run]] = {"dfd": _dfd, "polars": _polars, "duckdb": _duckdb}


def measure(
    writers: Sequence[str], scale: float, rounds: int, directory: Path
) -> dict[str, dict[str, float]]:
    """By writer: megabytes, and for each reader the geometric mean over `QUERIES` of its time as a multiple of
    that over dfd's files, of medians. The first round warms up and isn't counted."""
    for name in writers:
        target = directory / name
        command = [sys.executable, "-m", "benchmarks.stage.once", name, "stream", str(scale), str(target)]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    runs = {(name, reader): made(directory / name) for reader, made in READERS.items() for name in writers}  # fmt: skip
    seconds: dict[tuple[str, str, str], list[float]] = {}
    for query, sql in QUERIES.items():
        answers: list[Any] = []
        for turn in range(rounds + 1):
            for place in range(len(writers)):
                name = writers[(place + turn) % len(writers)]
                for reader in READERS:
                    started = time.perf_counter()
                    answers.append(runs[name, reader](sql))
                    if turn:
                        took = time.perf_counter() - started
                        seconds.setdefault((query, name, reader), []).append(took)
        if not all(_agree(answers[0], answer) for answer in answers):
            sys.exit(f"{query}: the readers disagree.")
    found: dict[str, dict[str, float]] = {}
    for name in writers:
        size = sum(path.stat().st_size for path in (directory / name).rglob("*.parquet"))
        found[name] = {"MB": size / 1e6}
        for reader in READERS:
            ratios = [
                statistics.median(seconds[query, name, reader])
                / statistics.median(seconds[query, writers[0], reader])
                for query in QUERIES
            ]
            found[name][reader] = geometric_mean(ratios) or 0.0
    return found


def _agree(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Sums of floats depend on their order."""

    def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        ]

    return rounded(one) == rounded(other)
