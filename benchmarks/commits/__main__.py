"""Small appends by several processes to one table, of dfd and of bare deltalake, in turn, in one go.

    python -m benchmarks.commits [--writers 1 2 4 8] [--appends 50] [--rounds 3] [--place disk s3]
                                 [--candidates dfd dfd-app-id deltalake] [--json PATH]

Every writer appends a batch of 100 rows so many times, with the default settings of its library, to a
table that each run makes anew. The candidates take turns, in rotating order. Per second are counted the appends
that were acknowledged, from the common start to the end of the last writer; a failure is an append that
raised. The rows are counted afterwards: `lost` are acknowledged appends that aren't there, `too many` those that
are there and weren't acknowledged, or are there twice. Medians over the rounds; failures, lost and
too many are sums. `s3` is versitygw on loopback (`tools/servers.py install versitygw`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
CANDIDATES = ("dfd", "dfd-app-id", "deltalake")
Found = dict[str, Any]


@contextlib.contextmanager
def lake(place: str, directory: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Where tables go, for the writers and on this disk, and the server's endpoint and key."""
    if place == "disk":
        yield str(directory), directory, ["", "", ""]
        return
    sys.path[:0] = [str(ROOT / "tools")]
    from servers import versitygw

    buckets = directory / "buckets/lake"
    buckets.mkdir(parents=True)
    with versitygw(directory) as server:
        yield "s3://lake", buckets, [server.endpoint, server.key_id, server.secret]


def once(
    candidate: str, writers: int, appends: int, uri: str, root: Path, server: list[str]
) -> Found:
    """What one run counted and measured."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.commits.writers", candidate, uri]
        command += [str(writers), str(appends), directory, *server]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            found: Found = json.loads(done.stdout.splitlines()[-1])
            return found
        finally:
            shutil.rmtree(root, ignore_errors=True)


def measure(place: str, options: argparse.Namespace, directory: Path) -> list[Found]:
    """A line for each number of writers and candidate."""
    lines: list[Found] = []
    with lake(place, directory) as (base, disk, server):
        for writers in options.writers:
            runs: dict[str, list[Found]] = {name: [] for name in options.candidates}
            for turn in range(options.rounds):
                names = options.candidates[turn % len(options.candidates) :]
                names += options.candidates[: turn % len(options.candidates)]
                for name in names:
                    table = f"{name}-{writers}-{turn}"
                    runs[name].append(
                        once(
                            name, writers, options.appends, f"{base}/{table}", disk / table, server
                        )
                    )
            for name, found in runs.items():
                seconds = sorted(second for run in found for second in run["seconds"])
                centiles = statistics.quantiles(seconds, n=100)
                lines.append(
                    {
                        "place": place,
                        "writers": writers,
                        "candidate": name,
                        "commits_per_second": statistics.median(
                            run["acknowledged"] / run["elapsed"] for run in found
                        ),
                        "each": [run["acknowledged"] / run["elapsed"] for run in found],
                        "p50_ms": centiles[49] * 1e3,
                        "p99_ms": centiles[98] * 1e3,
                        "cpu_ms": statistics.median(
                            run["cpu"] / max(run["acknowledged"], 1) * 1e3 for run in found
                        ),
                        **{
                            key: sum(run[key] for run in found)
                            for key in ("acknowledged", "failures", "lost", "too_many", "attempts")
                        },
                        "errors": sorted({error for run in found for error in run["errors"]}),
                    }
                )
    return lines


def show(lines: list[Found]) -> None:
    """A table for each place."""
    for place in dict.fromkeys(line["place"] for line in lines):
        shown = Table(
            "writers", "candidate", "commits/s", "of deltalake's", "p50 ms", "p99 ms", "CPU ms",
            "failures", "lost", "too many", "attempts", title=place,
        )  # fmt: skip
        for line in (line for line in lines if line["place"] == place):
            peer = [
                other["commits_per_second"]
                for other in lines
                if (other["place"], other["writers"]) == (place, line["writers"])
                and other["candidate"] == "deltalake"
            ]
            shown.add_row(
                str(line["writers"]),
                line["candidate"],
                f"{line['commits_per_second']:.1f}",
                f"{line['commits_per_second'] / peer[0]:.2f}" if peer else "",
                f"{line['p50_ms']:.1f}",
                f"{line['p99_ms']:.1f}",
                f"{line['cpu_ms']:.1f}",
                f"{line['failures']} of {line['failures'] + line['acknowledged']}",
                str(line["lost"]),
                str(line["too_many"]),
                f"{line['attempts'] / max(line['acknowledged'], 1):.2f}",
            )
        Console(width=120).print(shown)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--appends", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--place", nargs="+", choices=("disk", "s3"), default=["disk"])
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=["dfd", "deltalake"])
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    os.environ.setdefault("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    lines: list[Found] = []
    for place in options.place:
        with tempfile.TemporaryDirectory() as directory:
            lines += measure(place, options, Path(directory))
    show(lines)
    for line in lines:
        for error in line["errors"]:
            print(f"{line['writers']} {line['candidate']}: {error}")
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
