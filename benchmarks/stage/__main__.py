"""Writes of Delta tables by dfd and by its peers, candidates in turn, in one go.

    python -m benchmarks.stage [--scale 1] [--rounds 3] [--only stream partitions query reads]
                               [--candidates dfd deltalake-zstd ...] [--json PATH]

Cases: a stream of 20M rows, made batch by batch as it is read; 4M rows into 1,000 partitions that come in
no order; the result of a query over 10M rows. Each candidate writes in a process of its own,
in rotating order: seconds by the clock and of CPU, and the peak of resident memory, libraries and
source included (`source` is the source alone). What was written is read back after every round: rows and
sums are equal, or the candidate is out. Medians. `reads`: the files of the stream, read by dfd, polars and duckdb.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dfd
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.scan import report
from benchmarks.stage import data, reads
from benchmarks.stage.candidates import CANDIDATES

CASES = ("stream", "partitions", "query", "reads")
# Whose files are read: each has other encodings or another codec.
READ = ("dfd", "deltalake-zstd", "deltalake")
Found = dict[str, Any]


def written(target: Path, is_delta: bool) -> dict[str, int]:
    """Rows and sums of what lies there."""
    with dfd.connect() as runtime:
        if is_delta:
            runtime.register("t", target)
        elif any(path.is_dir() for path in target.iterdir()):
            runtime.session.register_parquet(
                "t", str(target), table_partition_cols=[("p", pa.int32())]
            )
        else:
            runtime.session.register_parquet("t", str(target))
        (sums,) = runtime.sql(f"select {data.SUMS} from t").to_arrow_table().to_pylist()
    return dict(sums)


def once(
    name: str, case: str, scale: float, directory: Path
) -> tuple[Found, dict[str, int] | None]:
    """What a candidate needed, and what it wrote."""
    target = directory / "written"
    command = [sys.executable, "-m", "benchmarks.stage.once", name, case, str(scale), str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(lines[-1])
        measured: Found = json.loads(done.stdout.splitlines()[-1])
        if name == "source":
            return measured, None
        paths = list(target.rglob("*.parquet"))
        measured["files"] = len(paths)
        measured["bytes"] = sum(path.stat().st_size for path in paths)
        return measured, written(target, CANDIDATES[name].is_delta)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def measure(case: str, options: argparse.Namespace, directory: Path) -> dict[str, Found]:
    """Medians by candidate, or why it has none. The first round warms the page cache and isn't counted."""
    if case == "query":
        data.source(options.scale)
    rounds: dict[str, list[Found]] = {name: [] for name in options.candidates}
    missing: dict[str, str] = {}
    agreed: dict[str, int] | None = None
    for turn in range(options.rounds + 1):
        for place in range(len(options.candidates)):
            name = options.candidates[(place + turn) % len(options.candidates)]
            if name in missing:
                continue
            if sys.stderr.isatty():
                print(f"\r\x1b[K{case}: round {turn}, {name}", end="", file=sys.stderr, flush=True)
            try:
                measured, sums = once(name, case, options.scale, directory)
            except RuntimeError as error:
                missing[name] = str(error)[:300]
                continue
            if sums is not None:
                agreed = agreed or sums
                if sums != agreed:
                    missing[name] = f"wrong: it wrote {sums} instead of {agreed}"
            if turn:
                rounds[name].append(measured)
    return {
        name: {"missing": missing[name]}
        if name in missing or not each
        else {
            **{key: statistics.median(one[key] for one in each) for key in each[0]},
            "rounds": each,
        }
        for name, each in rounds.items()
    }


def show(console: Console, case: str, found: Mapping[str, Found]) -> None:
    """A case as a table, times and memory as multiples of dfd's too; `+MB`: above the idle process."""
    shown = Table(title=case)
    shown.add_column("candidate", no_wrap=True)
    for title in ("s", "/ dfd", "CPU s", "peak MB", "/ dfd", "+MB", "MB out", "files"):
        shown.add_column(title, justify="right")
    base = found.get("dfd", {})
    for name, each in found.items():
        if "missing" in each:
            continue
        of_time, of_peak = (
            f"{each[key] / base[key]:.2f}" if base.get(key) else ""
            for key in ("seconds", "peak_bytes")
        )
        shown.add_row(
            name,
            f"{each['seconds']:.2f}",
            of_time,
            f"{each['cpu_seconds']:.2f}",
            f"{each['peak_bytes'] / 1e6:.0f}",
            of_peak,
            f"{(each['peak_bytes'] - each['before_bytes']) / 1e6:.0f}",
            f"{each['bytes'] / 1e6:.0f}" if "bytes" in each else "",
            str(int(each["files"])) if "files" in each else "",
        )
    console.print(shown)
    for name, each in found.items():
        if "missing" in each:
            console.print(f"n/a: {name}: {each['missing']}", markup=False, highlight=False)


def show_reads(console: Console, found: Mapping[str, Mapping[str, float]]) -> None:
    """Sizes, and the time of each reader as a multiple of that over dfd's files."""
    shown = Table(title="reads")
    shown.add_column("files of", no_wrap=True)
    readers = [name for name in found[READ[0]] if name != "MB"]
    for title in ("MB", *(f"{reader} / dfd's" for reader in readers)):
        shown.add_column(title, justify="right")
    for name, each in found.items():
        shown.add_row(name, f"{each['MB']:.0f}", *(f"{each[reader]:.2f}" for reader in readers))
    console.print(shown)


def targets(found: Mapping[str, Mapping[str, Found]]) -> list[dict[str, Any]]:
    """What is asked for: never more memory than write_deltalake, and faster than every one of them."""
    rows = []
    for case, measured in found.items():
        dfd_has = measured.get("dfd", {})
        for name, each in measured.items():
            if name in ("dfd", "source") or "seconds" not in each or "seconds" not in dfd_has:
                continue
            keys = ["seconds"] + (["peak_bytes"] if name.startswith("deltalake") else [])
            for key in keys:
                value = dfd_has[key] / each[key]
                title = f"{case}: {key.replace('_bytes', ' memory')}, dfd / {name}"
                rows.append({"target": title, "asked": 1.0, "measured": value, "met": value <= 1})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", type=float, default=1, help="of 20M, 4M and 10M rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--directory", type=Path, help="where to write; a temporary one by default")
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    options = parser.parse_args()
    os.environ.setdefault("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    console = Console()
    found: dict[str, dict[str, Found]] = {}
    facts: Found = {"scale": options.scale, "rounds": options.rounds}
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        for case in options.only:
            if case == "reads":
                facts[case] = reads.measure(READ, options.scale, options.rounds, Path(name))
                show_reads(console, facts[case])
            else:
                found[case] = measure(case, options, Path(name))
                show(console, case, found[case])
            if options.json:
                measured = {**report.installation(), **facts, **found, "targets": targets(found)}
                options.json.write_text(json.dumps(measured, indent=1))
    if found:
        report.show_targets(console, targets(found))
    if any(each.get("dfd", {}).get("missing", "").startswith("wrong") for each in found.values()):
        sys.exit("dfd wrote other rows than the others.")


if __name__ == "__main__":
    main()
