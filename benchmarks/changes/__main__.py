"""Changes of a few rows of large tables, by dfd (copies, vectors) and by bare deltalake, in turn, in one go.

    python -m benchmarks.changes [--rows 10000000] [--files 100] [--shapes narrow wide] [--rounds 3]
                                 [--cases delete-0.1% update-in-each-file merge-1% merge-10%]
                                 [--candidates dfd-copies dfd-vectors deltalake] [--json PATH]

`narrow` has four columns, `wide` a hundred and a tenth of the rows. Each run changes a table of its own, which shares
its files with the one that was made, in a process of its own; the candidates take turns, in rotating order. Medians
over the rounds; written are the bytes of all new files, logs too. The rows afterwards are counted and summed by
deltalake, and are the same for all. At last the narrow table with a tenth of its rows deleted by vectors is read beside
the same, compacted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder
from rich.console import Console
from rich.table import Table

from benchmarks.changes.once import CASES

ROOT = Path(__file__).parents[2]
CANDIDATES = ("dfd-copies", "dfd-vectors", "deltalake")
SHAPES = {"narrow": (1, 2), "wide": (10, 98)}
Found = dict[str, Any]


def numbered(ids: np.ndarray[Any, Any], more: int) -> pa.Table:
    """Rows of these ids: a whole number, and texts and floating-point numbers by turns."""
    columns: dict[str, pa.Array] = {
        "id": pa.array(ids),
        "k": pa.array((ids * 7 % 1000).astype("int32")),
    }
    for n in range(more):
        values = ids * (n + 3) % 10_007
        columns[f"c{n}"] = pa.array(values.astype("U")) if n % 2 else pa.array(values / 7)
    return pa.table(columns)


def made(directory: Path, shape: str, rows: int, files: int) -> Path:
    """The directory of a table without deletion vectors, one with, and the sources."""
    from dfd_delta_policy import GuardedTable

    divisor, more = SHAPES[shape]
    rows //= divisor
    home = directory / shape
    home.mkdir()
    (home / "shape.json").write_text(json.dumps({"rows": rows, "files": files}))
    table = GuardedTable(home / "copies")
    for part in np.array_split(np.arange(rows), files):
        table.append(numbered(part, more))
    shutil.copytree(home / "copies", home / "vectors", copy_function=linked)
    with_vectors(home / "vectors")
    chance = np.random.default_rng(7)
    for case, share in (("merge-1%", 100), ("merge-10%", 10)):
        ids = np.concatenate(
            [chance.choice(rows, rows // share, replace=False), np.arange(rows, rows + 100)]
        )
        pq.write_table(numbered(ids, more), home / f"{case}.parquet")
    return home


def with_vectors(table: Path) -> None:
    """Gives a table the feature, and the property, by a commit made by hand."""
    log = sorted((table / "_delta_log").glob("*.json"))
    first = [json.loads(line) for line in log[0].read_text().splitlines()]
    metadata = next(action["metaData"] for action in first if "metaData" in action)
    metadata["configuration"]["delta.enableDeletionVectors"] = "true"
    protocol = {
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"],
    }  # fmt: skip
    lines = [json.dumps({"protocol": protocol}), json.dumps({"metaData": metadata})]
    (table / f"_delta_log/{len(log):020}.json").write_text("\n".join(lines) + "\n")


def linked(source: str, target: str) -> None:
    """Files never change: a link is a copy."""
    Path(target).hardlink_to(source)


def once(candidate: str, case: str, home: Path) -> Found:
    """What one run took and wrote, and what the table is then."""
    table = home / "run"
    origin = home / ("vectors" if candidate == "dfd-vectors" else "copies")
    shutil.copytree(origin, table, copy_function=linked)
    there = {path.name for path in table.rglob("*")}
    try:
        command = [sys.executable, "-m", "benchmarks.changes.once", candidate, case, str(table)]
        command.append(str(home / f"{case}.parquet"))
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        found: Found = json.loads(done.stdout.splitlines()[-1])
        new = [path for path in table.rglob("*") if path.is_file() and path.name not in there]
        found["written"] = sum(path.stat().st_size for path in new)
        opened = QueryBuilder().register("t", DeltaTable(table))
        summed = "select count(*) as n, sum(id) as i, sum(k) as k, sum(c0) as c from t"
        found["rows"] = pa.table(opened.execute(summed)).to_pylist()[0]
        return found
    finally:
        shutil.rmtree(table)


def measure(home: Path, shape: str, options: argparse.Namespace) -> list[Found]:
    """A line for each case and candidate."""
    lines = []
    for case in options.cases:
        runs: dict[str, list[Found]] = {name: [] for name in options.candidates}
        for turn in range(options.rounds):
            split = turn % len(options.candidates)
            for name in options.candidates[split:] + options.candidates[:split]:
                runs[name].append(once(name, case, home))
        sums = [
            (run["rows"]["n"], run["rows"]["i"], run["rows"]["k"], round(run["rows"]["c"]))
            for found in runs.values()
            for run in found
        ]
        if len(set(sums)) != 1:
            raise RuntimeError(f"{case}: the candidates differ: {sums}")
        for name, found in runs.items():
            keys = ("seconds", "cpu", "peak_mb", "written")
            medians = {key: statistics.median(run[key] for run in found) for key in keys}
            each = [run["seconds"] for run in found]
            lines.append({"shape": shape, "case": case, "candidate": name, "each": each, **medians})
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def read_back(home: Path, rounds: int) -> Found:
    """The time of a query over the table with vectors on a tenth of its rows, of that of the same compacted."""
    import dfd
    from dfd_delta_policy import GuardedTable

    tables = {}
    for name in ("marked", "compacted"):
        shutil.copytree(home / "vectors", home / name, copy_function=linked)
        tables[name] = GuardedTable(home / name)
        tables[name].delete("id % 10 = 3")
    tables["compacted"].optimize()
    took: dict[str, list[float]] = {name: [] for name in tables}
    for _ in range(2 * rounds + 1):
        for name in tables:
            with dfd.connect() as runtime:
                runtime.register("t", home / name)
                began = time.perf_counter()
                runtime.sql(
                    "select count(*), sum(id), sum(k), sum(c0), max(c1) from t"
                ).to_arrow_table()
                took[name].append(time.perf_counter() - began)
    # The first of each warms the disk's cache.
    medians = {name: statistics.median(times[1:]) for name, times in took.items()}
    return {**medians, "ratio": medians["marked"] / medians["compacted"]}


def show(lines: list[Found]) -> None:
    """A table for each shape."""
    for shape in dict.fromkeys(line["shape"] for line in lines):
        shown = Table(
            "case", "candidate", "s", "of deltalake's", "CPU s", "of", "written MB", "of",
            "peak MB", "of", title=shape,
        )  # fmt: skip
        for line in (line for line in lines if line["shape"] == shape):
            peers = [
                other
                for other in lines
                if (other["shape"], other["case"]) == (shape, line["case"])
                and other["candidate"] == "deltalake"
            ]
            cells = [line["case"], line["candidate"]]
            for key, scale in (("seconds", 1), ("cpu", 1), ("written", 1e6), ("peak_mb", 1)):
                cells.append(f"{line[key] / scale:.2f}")
                cells.append(f"{line[key] / peers[0][key]:.3f}" if peers else "")
            shown.add_row(*cells)
        Console(width=120).print(shown)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dfd-changes-") as directory:
        lines: list[Found] = []
        for shape in options.shapes:
            home = made(Path(directory), shape, options.rows, options.files)
            lines += measure(home, shape, options)
            if shape == "narrow":
                lines.append({"shape": "reading", **read_back(home, options.rounds)})
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))
    show([line for line in lines if line["shape"] != "reading"])
    for line in lines:
        if line["shape"] == "reading":
            print(f"Reading with vectors on a tenth of the rows, of compacted: {line['ratio']:.3f}")


if __name__ == "__main__":
    main()
