"""The metrics of a plan that ran, taken from that very plan.

Works on anything shaped like `datafusion.plan.ExecutionPlan`; datafusion is not imported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

import msgspec


class ExecutedPlan(Protocol):
    """The part of `datafusion.plan.ExecutionPlan` that is looked at."""

    def children(self) -> list[Any]:
        """The plans it reads from."""
        ...

    def display(self) -> str:
        """The plan's own line."""
        ...

    def metrics(self) -> Any:
        """The plan's metrics, or None."""


class OperatorMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of a plan.

    - `depth`: 0 for the outermost; `operator`: its name; `detail`: its expressions.
    - `metrics`: summed over the partitions; rows and bytes as counts, times in nanoseconds.
    - `partitions`: its rows and its compute time in each partition, where the plan tells them apart.
    - `start_us`, `end_us`: when its first partition began and its last one ended, in microseconds since 1970;
      None where the plan doesn't tell.
    """

    depth: int
    operator: str
    detail: str
    metrics: dict[str, int]
    partitions: dict[str, tuple[int, ...]] = {}
    start_us: int | None = None
    end_us: int | None = None

    def line(self, *, detail: bool = True) -> str:
        """One line of a plan's text."""
        head = f"{self.operator}: {self.detail}" if detail and self.detail else self.operator
        numbers = ", ".join(f"{name}={value}" for name, value in self.metrics.items())
        return f"{'  ' * self.depth}{head}, metrics=[{numbers}]"


class ScanTotals(NamedTuple):
    """What all scans of a plan read and left out."""

    bytes: int
    requests: int
    files_skipped: int

    @classmethod
    def of(cls, operators: Iterable[OperatorMetrics]) -> ScanTotals:
        """The totals of a plan that ran."""
        sums = Counter[str]()
        for operator in operators:
            sums.update(operator.metrics)
        skipped = sums["files_considered"] - sums["files_scanned"]
        return cls(sums["bytes_scanned"], sums["requests"], skipped)


def operator_metrics(plan: ExecutedPlan) -> list[OperatorMetrics]:
    """Every operator, outermost first, depth first."""
    return list(_walk(plan, 0))


# A plan of another library is shown wrapped; what it says of itself is inside.
_FOREIGN = re.compile(r"^FFI_ExecutionPlan: (.*), number_of_children=\d+$", re.DOTALL)
# What each partition of an operator is told apart by.
_OF_PARTITIONS = ("output_rows", "elapsed_compute")


def _walk(plan: ExecutedPlan, depth: int) -> Iterator[OperatorMetrics]:
    shown = _FOREIGN.sub(r"\1", plan.display().strip())
    name, _, detail = shown.partition(":")
    found = plan.metrics()
    sums: dict[str, int] = {}
    parts: dict[str, dict[int, int]] = {}
    times: dict[str, datetime] = {}
    for metric in found.metrics() if found is not None else ():
        # Timestamps and ratios don't add up.
        value = metric.value
        if type(value) is int:
            sums[metric.name] = sums.get(metric.name, 0) + value
            if metric.name in _OF_PARTITIONS:
                _add_part(parts, metric.name, getattr(metric, "partition", None), value)
        elif isinstance(value, datetime):
            _widen(times, metric.name, value)
    start_us, end_us = _times(plan, times)
    yield OperatorMetrics(
        depth=depth,
        operator=name,
        detail=detail.strip(),
        metrics=sums,
        partitions={name: tuple(values.values()) for name, values in parts.items()},
        start_us=start_us,
        end_us=end_us,
    )
    for child in plan.children():
        yield from _walk(child, depth + 1)


def _add_part(
    parts: dict[str, dict[int, int]], name: str, partition: int | None, value: int
) -> None:
    if partition is not None:
        values = parts.setdefault(name, {})
        values[partition] = values.get(partition, 0) + value


def _widen(times: dict[str, datetime], name: str, value: datetime) -> None:
    """Keep the first start and the last end."""
    known = times.get(name, value)
    times[name] = min(known, value) if name == "start_timestamp" else max(known, value)


def _times(plan: ExecutedPlan, times: dict[str, datetime]) -> tuple[int | None, int | None]:
    """When an operator began and ended, as plans of dfd-native say it, and those of datafusion among their metrics."""
    told = getattr(plan, "times", None)
    if told is not None:
        return told() or (None, None)
    return _microseconds(times.get("start_timestamp")), _microseconds(times.get("end_timestamp"))


def _microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
