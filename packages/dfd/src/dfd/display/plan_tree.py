"""A plan drawn as a tree: its operators, and after a run their rows and their shares of the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import msgspec
from dfd_obs import OperatorMetrics

from dfd.display.footer import time_taken
from dfd.display.html import html_text
from dfd.display.printable import printable

_MOST_CHARACTERS = 160
_BAR_CELLS = 10


class PlanTree(msgspec.Struct, frozen=True):
    """The operators of a plan, outermost first, each with its depth.

    `str()` draws it for a terminal, and a notebook shows it by itself. After a run an operator has
    the rows that it gave, the time that it computed on all threads together, and its share of the
    whole plan's.
    """

    operators: tuple[OperatorMetrics, ...]

    @classmethod
    def of_text(cls, text: str) -> PlanTree:
        """The tree of a plan that hasn't run, from its indented text."""
        return cls(tuple(map(_operator, filter(str.strip, text.splitlines()))))

    @property
    def has_run(self) -> bool:
        """Whether there are times to show."""
        return any("elapsed_compute" in operator.metrics for operator in self.operators)

    def draw(self, width: int) -> str:
        """The tree in lines of at most `width` characters."""
        return "\n".join(
            line if len(line) <= width else line[: width - 1] + "…" for line in self._lines()
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        # Of the terminal, which a broken line would take a branch's place in.
        return self.draw(shutil.get_terminal_size((_MOST_CHARACTERS, 24)).columns)

    def _repr_html_(self) -> str:
        return html_text(self.draw(_MOST_CHARACTERS))

    def _lines(self) -> Iterator[str]:
        total = sum(_nanoseconds(operator) for operator in self.operators)
        for number, operator in enumerate(self.operators):
            shown = self._branches(number) + operator.operator
            detail = printable(operator.detail)
            line = f"{shown}: {detail}" if detail else shown
            yield f"{_share(operator, total)}{line}" if self.has_run else line

    def _branches(self, number: int) -> str:
        """The lines that join an operator to the one above it."""
        depth = self.operators[number].depth
        if depth == 0:
            return ""
        drawn = ["│  " if self._goes_on(number, level) else "   " for level in range(1, depth)]
        return "".join(drawn) + ("├─ " if self._goes_on(number, depth) else "└─ ")

    def _goes_on(self, number: int, depth: int) -> bool:
        """Whether another operator of this depth hangs below the same one."""
        for operator in self.operators[number + 1 :]:
            if operator.depth <= depth:
                return operator.depth == depth
        return False


def _operator(line: str) -> OperatorMetrics:
    name, _, detail = line.strip().partition(":")
    depth = (len(line) - len(line.lstrip())) // 2
    return OperatorMetrics(depth=depth, operator=name, detail=detail.strip(), metrics={})


def _nanoseconds(operator: OperatorMetrics) -> int:
    # Scans count the time in which they decode apart.
    counted = (
        operator.metrics.get(name, 0) for name in ("elapsed_compute", "time_elapsed_processing")
    )
    return max(counted)


def _share(operator: OperatorMetrics, total: int) -> str:
    """The share of an operator as a bar and a number, its time and its rows."""
    spent = _nanoseconds(operator)
    share = spent / total if total else 0.0
    bar = ("█" * round(share * _BAR_CELLS)).ljust(_BAR_CELLS, "·")
    rows = operator.metrics.get("output_rows")
    counted = "" if rows is None else f"{rows:,} rows"
    return f"{bar} {share:4.0%} {time_taken(spent / 1e9):>10} {counted:>16}  "
