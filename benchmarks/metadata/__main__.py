"""Opening tables of many commits, and asking them twice: dfd and its peers in turn, on a disk and on a slow S3.

    python -m benchmarks.metadata [--files 10 1000 10000] [--places disk s3] [--logs commits checkpoint]
                                  [--rounds 3] [--delay-ms 20] [--candidates NAME ...] [--json PATH]

`commits` is a table of so many commits of one file of 20 columns each, `checkpoint` the same with a checkpoint of its
last version. Each run has a process of its own, in which a candidate opens the table, looks one row up twice, and opens
the table again; libraries were imported before. The candidates take turns, in rotating order. Shown are
medians; in brackets the requests, where the store counts them.
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
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.metadata.candidates import CANDIDATES
from benchmarks.metadata.data import made
from benchmarks.metadata.slow_store import SlowStore, slow_store

ROOT = Path(__file__).parents[2]
STEPS = ("open", "first", "second", "open again")
BUCKET = "lake"
Steps = dict[str, dict[str, float]]


class Place(NamedTuple):
    """Where tables are: the disk, or a store."""

    directory: Path
    store: SlowStore | None

    def uri(self, table: str) -> str:
        """A table's URI."""
        return f"s3://{BUCKET}/{table}" if self.store else str(self.directory / table)


def once(candidate: str, place: Place, table: str, files: int) -> Steps:
    """What each step took in a new process; nothing, where the candidate can't."""
    options, counter = place.store or ({}, "")
    command = [sys.executable, "-m", "benchmarks.metadata.once", candidate, place.uri(table)]
    command += [str(files), json.dumps(options), counter]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        print(f"{candidate}, {table}: {done.stderr[-1000:]}", file=sys.stderr)
        return {}
    found: Steps = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(place: Place, table: str, files: int, options: argparse.Namespace) -> dict[str, Steps]:
    """The medians of each candidate's steps."""
    runs: dict[str, list[Steps]] = {name: [] for name in options.candidates}
    for turn in range(options.rounds):
        split = turn % len(options.candidates)
        for name in options.candidates[split:] + options.candidates[:split]:
            if found := once(name, place, table, files):
                runs[name].append(found)
    return {
        name: {
            step: {
                kind: statistics.median(run[step][kind] for run in found)
                for kind in ("seconds", "requests")
            }
            for step in STEPS
        }
        for name, found in runs.items()
        if found
    }


def show(title: str, found: dict[str, Steps]) -> None:
    """A table of milliseconds."""
    shown = Table("candidate", *(f"{step}, ms" for step in STEPS), title=title)
    for name, steps in found.items():
        cells = []
        for step in STEPS:
            requests = int(steps[step]["requests"])
            counted = f" ({requests})" if any(one["requests"] for one in steps.values()) else ""
            cells.append(f"{steps[step]['seconds'] * 1000:.1f}{counted}")
        shown.add_row(name, *cells)
    Console(width=110).print(shown)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", nargs="+", type=int, default=[10, 1_000, 10_000])
    parser.add_argument("--places", nargs="+", choices=("disk", "s3"), default=["disk", "s3"])
    logs = ("commits", "checkpoint")
    parser.add_argument("--logs", nargs="+", choices=logs, default=list(logs))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=float, default=20)
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dfd-metadata-") as name:
        directory = Path(name) / "buckets" / BUCKET
        directory.mkdir(parents=True)
        for files in options.files:
            made(directory, files)
        with slow_store(Path(name), options.delay_ms / 1000) as store:
            for where in options.places:
                place = Place(directory, store if where == "s3" else None)
                for log in options.logs:
                    for files in options.files:
                        found = measured(place, f"{log}-{files}", files, options)
                        show(f"{where}, {files} files, {log}", found)
                        lines.append({"place": where, "files": files, "log": log, **found})
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
