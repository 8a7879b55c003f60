"""The metrics of a plan that ran, taken from that very plan.

Works on anything shaped like `datafusion.plan.ExecutionPlan`; datafusion is not imported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
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
    """

    depth: int
    operator: str
    detail: str
    metrics: dict[str, int]

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


def _walk(plan: ExecutedPlan, depth: int) -> Iterator[OperatorMetrics]:
    shown = _FOREIGN.sub(r"\1", plan.display().strip())
    name, _, detail = shown.partition(":")
    found = plan.metrics()
    sums: dict[str, int] = {}
    for metric in found.metrics() if found is not None else ():
        # Timestamps and ratios don't add up.
        if type(metric.value) is int:
            sums[metric.name] = sums.get(metric.name, 0) + metric.value
    yield OperatorMetrics(depth=depth, operator=name, detail=detail.strip(), metrics=sums)
    for child in plan.children():
        yield from _walk(child, depth + 1)


class PlanCapture(msgspec.Struct, frozen=True):
    """A plan's text with metrics; `truncated` when it was longer than allowed."""

    text: str
    truncated: bool

    @classmethod
    def of(
        cls, operators: Iterable[OperatorMetrics], *, max_bytes: int, detail: bool
    ) -> PlanCapture:
        """The text of a plan's operators; without `detail` only their names and numbers."""
        text = "\n".join(one.line(detail=detail) for one in operators)
        encoded = text.encode("utf-8")
        if len(encoded) <= max_bytes:
            return cls(text, truncated=False)
        return cls(encoded[:max_bytes].decode("utf-8", errors="ignore"), truncated=True)
