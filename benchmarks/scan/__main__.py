"""Reads of Delta tables by dfd and by its peers, candidates in turn, in one go.

    python -m benchmarks.scan [--scale 1] [--rounds 5] [--only tpch ranges open crossing]
                              [--queries q01 q17 ...] [--candidates engine ...] [--json PATH]
    python -m benchmarks.scan --profile-query 17

Each round runs every candidate once on every task, in random order; the first warms up and isn't
counted. Medians; ratios to DataFusion on the same files as plain Parquet, in a default session
(`default-raw`) and in one with the settings of `dfd.connect()` (`session-raw`); geometric means
over the tasks that both answered. Rows are compared in every round: who differs from the most is out.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from benchmarks.scan import candidates, data, report, tasks
from benchmarks.scan.measure import Timings, in_turn

PARTS = ("tpch", "ranges", "open", "crossing")
# Who opens a table at all.
OPENERS = [name for name in candidates.CANDIDATES if "raw" not in name]


def _progress(title: str, turn: int, task: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{title}: round {turn}, {task}", end="", file=sys.stderr, flush=True)


def tpch(options: argparse.Namespace) -> dict[str, Timings]:
    """The 22 queries."""
    queries = tasks.tpch_queries(options.scale)
    chosen = {name: sql for name, sql in queries.items() if name in (options.queries or queries)}
    works, missing = tasks.works(data.tpch(options.scale), chosen, options.candidates)
    found = in_turn(works, options.rounds, partial(_progress, "TPC-H"))
    for each in found.values():
        each.missing.update(missing)
    return found


def ranges(options: argparse.Namespace) -> dict[str, Timings]:
    """Selective reads of the sorted table, in 4 files and in 2,000."""
    found: dict[str, Timings] = {}
    for files in (4, data.MANY):
        queries = tasks.range_queries(options.scale)
        named = {f"{name}, {files} files": sql for name, sql in queries.items()}
        table = data.keys(files, options.scale)
        works, missing = tasks.works((table,), named, options.candidates)
        title = f"Ranges, {files} files"
        for name, each in in_turn(works, options.rounds, partial(_progress, title)).items():
            each.missing.update(missing)
            found[name] = each
    return found


def opening(options: argparse.Namespace) -> dict[str, Timings]:
    """A table of 2,000 commits, each time in a new process."""
    found: dict[str, Timings] = {}
    for kept in (True, False):
        table = data.keys(data.MANY, options.scale, checkpoint=kept)
        each = found[f"{data.MANY} commits, {'with' if kept else 'no'} checkpoint"] = Timings()
        for turn in range(options.rounds + 1):
            for name in (name for name in OPENERS if name in options.candidates):
                _progress("Opening", turn, name)
                if name not in each.missing:
                    try:
                        seconds = tasks.opening_seconds(name, table)
                    except RuntimeError as error:
                        each.missing[name] = str(error)[:300]
                        continue
                    if turn:
                        each.seconds.setdefault(name, []).append(seconds)
    return found


def profile(options: argparse.Namespace, console: Console) -> None:
    """One query's plan and metrics, of the engine and of the session over plain Parquet."""
    queries = tasks.tpch_queries(options.scale)
    name = f"q{options.profile_query:02}"
    tables = data.tpch(options.scale)
    engine = candidates.opened("engine", tables)
    raw = candidates.opened("session-raw", tables)
    assert isinstance(engine, candidates.Engine)
    engine.run(queries[name])
    raw.run(queries[name])
    console.rule(f"{name}, dfd's engine")
    print(engine.runtime.sql(queries[name]).explain(analyze=True))
    console.rule(f"{name}, the same settings over plain Parquet")
    plans: pa.Table = raw.run(f"explain analyze {queries[name]}")
    print("\n".join(plans["plan"].to_pylist()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", type=float, default=1, help="of TPC-H, and of 10M keys")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--queries", nargs="+", help="of TPC-H: q01 to q22")
    parser.add_argument(
        "--candidates",
        nargs="+",
        choices=candidates.CANDIDATES,
        default=list(candidates.USUAL),
    )
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    parser.add_argument(
        "--profile-query", type=int, metavar="N", help="of TPC-H; nothing else is run"
    )
    options = parser.parse_args()
    console = Console()
    if options.profile_query:
        profile(options, console)
        return
    found: dict[str, Any] = {}
    for part, title, measure in (
        ("tpch", f"TPC-H, scale {options.scale:g}", tpch),
        ("ranges", "Selective reads", ranges),
        ("open", "Opening a table, to the answer of count(*)", opening),
    ):
        if part in options.only:
            found[part] = measure(options)
            _progress("", 0, "")
            report.show(console, title, found[part], options.candidates)
            _save(options, found)
    if "crossing" in options.only:
        found["crossing"] = tasks.crossing(options.scale, repeats=10 * options.rounds)
        report.show_crossing(console, found["crossing"])
        _save(options, found)
    report.show_targets(console, report.targets(found))
    if report.are_wrong(found, ("engine", "leaf")):
        sys.exit("dfd gave other rows than the others.")


def _save(options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.json:
        facts = {"scale": options.scale, "rounds": options.rounds}
        written = {**report.installation(), **facts, **report.as_json(found)}
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
