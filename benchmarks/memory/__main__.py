"""Queries over 6M rows within a memory limit, by dfd's engine and by duckdb, candidates in turn.

    python -m benchmarks.memory [--limits 400 100 50] [--threads 2 4 16] [--files 4] [--scale 0.6]
                                [--queries sort join ...] [--rounds 1] [--json PATH] [--known PATH]

`dfd-4` is dfd's engine with 4 partitions, `duckdb-2` duckdb with 2 threads over the same files. Each run is a
process of its own: whether it finishes, seconds, the peak of resident memory above that of the process that
has loaded its libraries, and the bytes that were spilled. Rows and a checksum are compared with those of duckdb
without a limit, rows of sorted queries in their place. Limits in MB; where to spill and
write: `TMPDIR`; the tables are kept under `~/.cache/dfd/bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.memory.queries import QUERIES
from benchmarks.scan import data, report

PATIENCE_S = 600
Found = dict[str, Any]


def once(name: str, query: str, limit: int, threads: int, table: data.Stored) -> Found:
    """What one run found and needed, or its error."""
    with tempfile.TemporaryDirectory() as spill:
        command = [sys.executable, "-m", "benchmarks.memory.once", name, query, str(limit)]
        command += [str(threads), table.delta, table.parquet, spill]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=PATIENCE_S
            )
        except subprocess.TimeoutExpired:
            return {"error": f"it took more than {PATIENCE_S} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [""]
        return {"error": f"exit code {done.returncode}: {lines[-1]}"}
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def judged(found: Found, right: Found) -> Found:
    """With an error where its rows aren't the right ones."""
    if "error" in found:
        return found
    same = all(found[key] == right[key] for key in ("rows", "checksum"))
    return found if same else {**found, "error": f"wrong: {found['rows']} of {right['rows']} rows"}


def median(runs: list[Found]) -> Found:
    """Of the runs of one candidate; an error is the first one."""
    for run in runs:
        if "error" in run:
            return run
    keys = ("seconds", "cpu_seconds", "peak_bytes", "spilled_bytes")
    return {**runs[0], **{key: statistics.median(run[key] for run in runs) for key in keys}}


def measure(options: argparse.Namespace, query: str, limit: int, right: Found) -> dict[str, Found]:
    """A query within one limit, by candidate."""
    table = data.keys(options.files, options.scale)
    candidates = [("dfd", threads) for threads in options.threads] + [("duckdb", 2)]
    runs: dict[str, list[Found]] = {f"{name}-{threads}": [] for name, threads in candidates}
    for turn in range(options.rounds):
        for place in range(len(candidates)):
            name, threads = candidates[(place + turn) % len(candidates)]
            found = once(name, query, limit, threads, table)
            runs[f"{name}-{threads}"].append(judged(found, right))
    return {name: median(each) for name, each in runs.items()}


def cell(found: Found) -> str:
    """Seconds of CPU, MB of memory and MB spilled; or that it failed."""
    if "error" in found:
        return "[b]failed[/b]"
    peak, spilled = found["peak_bytes"] / 1e6, found["spilled_bytes"] / 1e6
    return f"{found['cpu_seconds']:.1f} s {peak:.0f} +{spilled:.0f}"


def show(console: Console, title: str, found: dict[str, dict[str, Found]]) -> None:
    """Queries by candidate, and the errors below."""
    shown = Table(title=f"{title}: CPU seconds, peak MB, +MB spilled")
    shown.add_column("query", no_wrap=True)
    for name in next(iter(found.values())):
        shown.add_column(name, justify="right", no_wrap=True)
    for query, each in found.items():
        shown.add_row(query, *(cell(one) for one in each.values()))
    console.print(shown)
    for query, each in found.items():
        for name, one in each.items():
            if "error" in one:
                line = f"{query}, {name}: {one['error'][:600]}"
                console.print(line, markup=False, highlight=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--limits", type=int, nargs="+", default=[400, 100, 50], help="in MB")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 4, 16])
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--scale", type=float, default=0.6, help="of 10M rows")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--queries", nargs="+", choices=QUERIES, default=list(QUERIES))
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    parser.add_argument("--known", type=Path, help="JSON of a run over the same rows: its answers")
    options = parser.parse_args()
    os.environ.setdefault("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    console = Console()
    table = data.keys(options.files, options.scale)
    known = json.loads(options.known.read_text())["unlimited"] if options.known else {}
    right = {
        query: known.get(query) or once("duckdb", query, 0, 2, table) for query in options.queries
    }
    unjudged = {query: one["error"] for query, one in right.items() if "error" in one}
    if unjudged:
        sys.exit("\n".join(f"{query}, without a limit: {why}" for query, why in unjudged.items()))
    measured: dict[str, dict[str, dict[str, Found]]] = {}
    for limit in options.limits:
        title = f"{limit} MB, {data.key_rows(options.scale):,} rows in {options.files} files"
        measured[title] = found = {}
        for query in options.queries:
            found[query] = measure(options, query, limit * 1_000_000, right[query])
            if options.json:
                facts = {**report.installation(), "unlimited": right, **measured}
                options.json.write_text(json.dumps(facts, indent=1))
        show(console, title, found)
    errors = [
        one.get("error", "")
        for found in measured.values()
        for each in found.values()
        for one in each.values()
    ]
    if any(error.startswith("wrong") for error in errors):
        sys.exit("Rows differ.")
    if all(errors):
        sys.exit("No candidate finished a query.")


if __name__ == "__main__":
    main()
