"""What was measured, as tables and as JSON, beside what is asked for."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scan.measure import Timings, geometric_mean, ratios

PACKAGES = (
    "dfd", "dfd-native", "datafusion", "deltalake", "pyarrow", "polars", "duckdb",
    "duckdb-extension-delta",
)  # fmt: skip
# What every candidate is compared with: DataFusion on the same files as plain Parquet.
BASES = ("default-raw", "session-raw")


def installation() -> dict[str, Any]:
    """Versions and the machine."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"versions": found, "python": platform.python_version(), "cpus": os.cpu_count()}


def as_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """Every part, and what is asked for: medians and rounds in seconds, by task and candidate."""
    parts = {
        part: measured
        if part == "crossing"
        else {t: _timings(each) for t, each in measured.items()}
        for part, measured in found.items()
    }
    return {**parts, "targets": targets(found)}


def _timings(each: Timings) -> dict[str, Any]:
    measured = {
        name: {
            "median_s": each.median(name),
            "median_cpu_s": each.median(name, cpu=True),
            "rounds_s": seconds,
        }
        for name, seconds in each.seconds.items()
        if name not in each.missing
    }
    return {**measured, **{name: {"missing": reason} for name, reason in each.missing.items()}}


def are_wrong(found: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether one of these candidates gave other rows than most."""
    tasks = (each for part in ("tpch", "ranges") for each in found.get(part, {}).values())
    return any(each.missing.get(name, "").startswith("wrong") for each in tasks for name in names)


def show(console: Console, title: str, timings: Mapping[str, Timings], names: list[str]) -> None:
    """Milliseconds by task, and geometric means of the ratios to each base."""
    shown = Table("median ms", title=title)
    for name in names:
        shown.add_column(name, justify="right")
    for task, each in timings.items():
        medians = [each.median(name) for name in names]
        shown.add_row(task, *("n/a" if s is None else f"{s * 1_000:.1f}" for s in medians))
    for base in BASES:
        if not any(base in each.seconds for each in timings.values()):
            continue
        shown.add_section()
        found = [ratios(timings, name, base) for name in names]
        for task in timings:
            cells = (f"{each[task]:.2f}" if task in each else "n/a" for each in found)
            shown.add_row(f"{task} / {base}", *cells)
        shown.add_row(f"[b]mean / {base}[/b]", *(_mean(each, len(timings)) for each in found))
        # Less moved by whatever else the machine does.
        used = [ratios(timings, name, base, cpu=True) for name in names]
        if any(used):
            shown.add_row(f"CPU mean / {base}", *(_mean(each, len(timings)) for each in used))
    console.print(shown)
    show_missing(console, timings)


def _mean(found: Mapping[str, float], tasks: int) -> str:
    mean = geometric_mean(list(found.values()))
    if mean is None:
        return "n/a"
    return f"{mean:.2f}" if len(found) == tasks else f"{mean:.2f} (of {len(found)})"


def show_missing(console: Console, timings: Mapping[str, Timings]) -> None:
    """Who has no time for what, and why."""
    why: dict[tuple[str, str], list[str]] = {}
    for task, each in timings.items():
        for name, reason in each.missing.items():
            why.setdefault((name, reason), []).append(task)
    for (name, reason), where in why.items():
        places = "everywhere" if len(where) == len(timings) else ", ".join(where)
        console.print(f"n/a: {name}, {places}: {reason}", markup=False, highlight=False)


def show_crossing(console: Console, crossing: Mapping[str, Mapping[str, float]]) -> None:
    """Milliseconds of planning, by query."""
    steps = list(next(iter(crossing.values())))
    shown = Table("median ms", title="The crossing")
    for step in steps:
        shown.add_column(step, justify="right")
    for name, found in crossing.items():
        shown.add_row(
            name, *(f"{found[s]:.0f}" if s == "plan_bytes" else f"{found[s]:.2f}" for s in steps)
        )
    console.print(shown)


def targets(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is asked for, and what was measured of it."""
    rows: list[tuple[str, float, float | None]] = []
    if tpch := found.get("tpch"):
        for name, base, asked in (("engine", "default-raw", 0.77), ("leaf", "session-raw", 1.0)):
            mean = geometric_mean(list(ratios(tpch, name, base).values()))
            rows.append((f"TPC-H: {name} / {base}", asked, mean))
    if ranges := found.get("ranges"):
        measured = ratios(ranges, "engine", "session-raw")
        for task in ranges:
            if not task.startswith("point"):
                rows.append((f"{task}: engine / session-raw", 1.0, measured.get(task)))
        for task, ratio in ratios(ranges, "engine", "query-builder").items():
            if task.startswith("point") and "2000" in task:
                rows.append((f"{task}: engine / query-builder", 1.0, ratio))
    if crossing := found.get("crossing"):
        for name, each in crossing.items():
            if name in ("small", "q08"):
                title = f"crossing, ms, {name}: engine - session"
                rows.append((title, 5.0, each["engine"] - each["session"]))
    return [
        {"target": title, "asked": asked, "measured": value, "met": bool(value and value <= asked)}
        for title, asked, value in rows
    ]


def show_targets(console: Console, rows: list[dict[str, Any]]) -> None:
    """The verdict."""
    shown = Table("asked for", "at most", "measured", "", title="What is asked for")
    for row in rows:
        value = row["measured"]
        shown.add_row(
            row["target"],
            f"{row['asked']:.2f}",
            "n/a" if value is None else f"{value:.2f}",
            "met" if row["met"] else "[b]not met[/b]",
        )
    console.print(shown)
