"""What observation costs: TPC-H and a query of a millisecond, candidates in turn, in one go.

    python -m benchmarks.obs [--scale 0.1] [--rounds 5] [--queries q01 q06 ...] [--json PATH]

`unobserved` is dfd with an observer that notes nothing, `no-sdk` dfd as it is without an OpenTelemetry SDK,
`everything` with one, spans exported in batches, texts of queries recorded and the plan of each kept. Each is a
process of its own; for each query they take turns, in an order that is drawn anew. Medians over the rounds, of
which one more warms up.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.scan import data
from benchmarks.scan.tasks import tpch_queries

ROOT = Path(__file__).parents[2]
CANDIDATES = ("unobserved", "no-sdk", "everything")
SMALL = "small"


class Worker:
    """The process of a candidate."""

    def __init__(self, candidate: str, scale: float) -> None:
        command = [sys.executable, "-m", "benchmarks.obs.worker", candidate, str(scale)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def seconds(self, query: str) -> float:
        """Run a query."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{query}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """Wait for its end."""
        self._process.communicate()


def measure(queries: list[str], scale: float, rounds: int) -> dict[str, dict[str, float]]:
    """The median seconds of each candidate, by query."""
    workers = {name: Worker(name, scale) for name in CANDIDATES}
    found: dict[str, dict[str, list[float]]] = {}
    for turn in range(rounds + 1):
        for query in queries:
            for name in random.Random(f"{turn} {query}").sample(CANDIDATES, len(CANDIDATES)):
                seconds = workers[name].seconds(query)
                if turn:
                    found.setdefault(query, {}).setdefault(name, []).append(seconds)
    for worker in workers.values():
        worker.close()
    return {
        query: {name: statistics.median(seconds) for name, seconds in runs.items()}
        for query, runs in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.obs")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data.tpch(options.scale)
    queries = options.queries or list(tpch_queries(options.scale))
    found = measure([*queries, SMALL], options.scale, options.rounds)
    console = Console()
    table = Table("query", *(f"{name} [ms]" for name in CANDIDATES), "everything / no-sdk")
    ratios = []
    for query, seconds in found.items():
        ratio = seconds["everything"] / seconds["no-sdk"]
        if query != SMALL:
            ratios.append(ratio)
        table.add_row(query, *(f"{seconds[n] * 1e3:.2f}" for n in CANDIDATES), f"{ratio:.3f}")
    console.print(table)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    console.print(f"TPC-H, everything / no-sdk, geometric mean: {mean:.3f}")
    small = found[SMALL]
    for name in CANDIDATES[1:]:
        added_us = (small[name] - small["unobserved"]) * 1e6
        console.print(f"A small query, {name} - unobserved: {added_us:+.0f} µs")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
