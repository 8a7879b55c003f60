"""Candidates in turn: wall times, and the same rows from each."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

Work = Callable[[], pa.Table]
# Averages and quotients of decimals are rounded differently.
TOLERANCE = {"rel_tol": 1e-4, "abs_tol": 1e-6}


@dataclass
class Timings:
    """Of one task: seconds of each round by candidate, by the clock and of CPU; why others have none."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def median(self, candidate: str, cpu: bool = False) -> float | None:
        """Of the counted rounds; None where it has no right answer."""
        seconds = (self.cpu_seconds if cpu else self.seconds).get(candidate)
        return statistics.median(seconds) if seconds and candidate not in self.missing else None


def in_turn(
    tasks: Mapping[str, Mapping[str, Work]],
    rounds: int,
    progress: Callable[[int, str], None],
) -> dict[str, Timings]:
    """Run every task of every candidate once a round, in an order that is drawn anew for each.

    Of a fixed order some gain, round by round: those after one that has warmed up their allocator.

    The first round warms up and isn't counted. A candidate that fails, or whose rows differ from
    those of the majority, is out of that task.
    """
    found = {name: Timings() for name in tasks}
    for turn in range(rounds + 1):
        for name, works in tasks.items():
            progress(turn, name)
            timings, answers = found[name], {}
            order = random.Random(f"{turn} {name}").sample(list(works), len(works))
            for candidate in order:
                if candidate in timings.missing:
                    continue
                try:
                    seconds, cpu_seconds, answers[candidate] = _timed(works[candidate])
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
                    timings.missing[candidate] = f"{type(error).__name__}: {error}"[:300]
                    continue
                if turn:
                    timings.seconds.setdefault(candidate, []).append(seconds)
                    timings.cpu_seconds.setdefault(candidate, []).append(cpu_seconds)
            timings.missing.update(_dissenters(answers))
    return found


def _timed(work: Work) -> tuple[float, float, pa.Table]:
    gc.collect()
    gc.disable()
    try:
        started, started_cpu = time.perf_counter(), time.process_time()
        answer = work()
        return time.perf_counter() - started, time.process_time() - started_cpu, answer
    finally:
        gc.enable()


def _dissenters(answers: Mapping[str, pa.Table]) -> dict[str, str]:
    """Candidates whose rows aren't those on which the most agree."""
    groups: list[list[str]] = []
    rows = {candidate: _rows(answer) for candidate, answer in answers.items()}
    for candidate in answers:
        for group in groups:
            if _difference(rows[group[0]], rows[candidate]) is None:
                group.append(candidate)
                break
        else:
            groups.append([candidate])
    if len(groups) < 2:
        return {}
    most = max(groups, key=len)
    return {
        candidate: f"wrong: {_difference(rows[most[0]], rows[candidate])} (than of {most[0]})"
        for group in groups
        if group is not most
        for candidate in group
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (int, Decimal)):
        return float(value)
    return value.isoformat()[:10] if isinstance(value, date) else value


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Comparable rows in an order of their own: SQL leaves that of ties open."""
    columns = [[_plain(value) for value in column.to_pylist()] for column in table.columns]

    def order(row: tuple[Any, ...]) -> tuple[Any, ...]:
        texts = tuple(str(value) for value in row if not isinstance(value, float))
        return texts, tuple(value for value in row if isinstance(value, float))

    return sorted(zip(*columns, strict=True), key=order)


def _difference(a: Sequence[tuple[Any, ...]], b: Sequence[tuple[Any, ...]]) -> str | None:
    if len(a) != len(b):
        return f"{len(b)} rows instead of {len(a)}"
    for one, other in zip(a, b, strict=True):
        if len(one) != len(other) or not all(map(_equal, one, other)):
            return f"{other} instead of {one}"[:200]
    return None


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, **TOLERANCE)
    return bool(a == b)


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """None of nothing."""
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None


def ratios(
    timings: Mapping[str, Timings], candidate: str, base: str, cpu: bool = False
) -> dict[str, float]:
    """A candidate's median as a multiple of another's, by task, where both have one."""
    return {
        task: mine / others
        for task, each in timings.items()
        if (mine := each.median(candidate, cpu)) and (others := each.median(base, cpu))
    }
