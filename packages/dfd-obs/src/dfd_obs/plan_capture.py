"""A plan that ran, captured: a tree of operators with what each did, bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median_low

import msgspec

from dfd_obs.cut_text import cut_text
from dfd_obs.plan import OperatorMetrics

_MOST_DETAIL_BYTES = 8192
# Deeper plans are cut: whoever reads them goes down by recursion.
_MOST_DEPTH = 150


class Spread(msgspec.Struct, frozen=True):
    """How a number differs between the partitions of an operator."""

    partitions: int
    min: int | float
    median: int | float
    max: int | float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(len(values), min(values), median_low(values), max(values))


class PlanOperator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator of a plan that ran, and those it reads from (`plans`).

    In JSON the fields are called as EXPLAIN ANALYZE FORMAT pgjson calls them, where it has them: `Node Type`,
    `Details`, `Actual Rows`, `Actual Total Time`, `Extras`, `Plans`.

    - `time_ms`: what it computed on all threads together.
    - `output_bytes`: of the batches that it gave.
    - `extras`: all that it counted beside, by DataFusion's names, summed over its partitions; times in ms.
    - `rows_by_partition`, `time_ms_by_partition`: where the plan tells partitions apart.
    - `start_us`, `end_us`: in microseconds since 1970, where the plan tells.
    - `left_out`: operators beneath it that are not here, because of `max_plan_bytes`.
    """

    node_type: str = msgspec.field(name="Node Type")
    details: str = msgspec.field(default="", name="Details")
    rows: int | None = msgspec.field(default=None, name="Actual Rows")
    time_ms: float | None = msgspec.field(default=None, name="Actual Total Time")
    output_bytes: int | None = msgspec.field(default=None, name="Output Bytes")
    rows_by_partition: Spread | None = msgspec.field(default=None, name="Rows by Partition")
    time_ms_by_partition: Spread | None = msgspec.field(default=None, name="Time by Partition")
    start_us: int | None = msgspec.field(default=None, name="Start")
    end_us: int | None = msgspec.field(default=None, name="End")
    extras: dict[str, int | float] = msgspec.field(default_factory=dict, name="Extras")
    left_out: int = msgspec.field(default=0, name="Plans Left Out")
    plans: tuple[PlanOperator, ...] = msgspec.field(default=(), name="Plans")

    def walk(self, depth: int = 0) -> Iterator[tuple[int, PlanOperator]]:
        """This operator and all beneath it, each with its depth, outermost first."""
        yield depth, self
        for plan in self.plans:
            yield from plan.walk(depth + 1)

    @property
    def busy_ms(self) -> float:
        """The time that it took of the threads: scans count the time in which they decode apart."""
        return max(self.time_ms or 0.0, self.extras.get("time_elapsed_processing", 0.0))

    def number(self, *names: str) -> float | None:
        """The sum of what it counted by these names; None where it counted none of them."""
        found = [self.extras[name] for name in names if name in self.extras]
        return sum(found) if found else None


class PlanCapture(msgspec.Struct, frozen=True):
    """The plan of a run, whose operators are `plan` and all beneath it; None where none had room.

    `truncated`: something was left out, because of `max_plan_bytes`.
    """

    plan: PlanOperator | None = msgspec.field(name="Plan")
    truncated: bool

    @property
    def text(self) -> str:
        """The plan in indented lines, with all numbers; times in nanoseconds, as DataFusion has them."""
        if self.plan is None:
            return ""
        return "\n".join(_line(depth, one) for depth, one in self.plan.walk())

    @classmethod
    def of(
        cls,
        operators: Sequence[OperatorMetrics],
        *,
        max_bytes: int,
        detail: Callable[[str], str],
    ) -> PlanCapture:
        """The operators of a plan, at most `max_bytes` of JSON; `detail` gives what is shown of a detail."""
        made = _Tree(operators, detail, max_bytes)
        capture = cls(made.root, made.is_cut)
        if _bytes(capture) <= max_bytes:
            return capture
        return cls(None, truncated=True)


class _Tree:
    """The tree of a plan's operators, outermost first, as far as there is room."""

    def __init__(
        self, operators: Sequence[OperatorMetrics], detail: Callable[[str], str], max_bytes: int
    ) -> None:
        self._operators = operators
        self._detail = detail
        self._place = 0
        self._room = max_bytes
        self.is_cut = False
        self.root = self._next() if operators else None

    def _next(self) -> PlanOperator | None:
        """The operator that comes next, and all beneath it; None where it has no room."""
        one = self._operators[self._place]
        self._place += 1
        made = self._made(one)
        # With the words that hold its children, and a count of them.
        self._room -= _bytes(made) + 64
        fits = self._room >= 0 and one.depth <= _MOST_DEPTH
        plans: list[PlanOperator] = []
        left_out = 0
        while self._is_beneath(one):
            before = self._place
            plan = self._next() if fits else None
            if not fits:
                self._place += 1
            if plan is None:
                left_out += self._place - before
            else:
                plans.append(plan)
        self.is_cut |= not fits
        return (
            msgspec.structs.replace(made, plans=tuple(plans), left_out=left_out) if fits else None
        )

    def _is_beneath(self, one: OperatorMetrics) -> bool:
        operators = self._operators
        return self._place < len(operators) and operators[self._place].depth > one.depth

    def _made(self, one: OperatorMetrics) -> PlanOperator:
        details = self._detail(one.detail)
        cut = cut_text(details, _MOST_DETAIL_BYTES)
        self.is_cut |= cut != details
        counted = dict(one.metrics)
        rows, output_bytes = counted.pop("output_rows", None), counted.pop("output_bytes", None)
        compute = counted.pop("elapsed_compute", None)
        return PlanOperator(
            node_type=one.operator,
            details=cut,
            rows=rows,
            time_ms=None if compute is None else compute / 1e6,
            output_bytes=output_bytes,
            rows_by_partition=_spread(one, "output_rows"),
            time_ms_by_partition=_spread(one, "elapsed_compute"),
            start_us=one.start_us,
            end_us=one.end_us,
            # In one order, whatever the plan's.
            extras={name: _in_ms(name, counted[name]) for name in sorted(counted)},
        )


def _spread(one: OperatorMetrics, name: str) -> Spread | None:
    values = one.partitions.get(name)
    if not values:
        return None
    return Spread.of([value / 1e6 for value in values] if name == "elapsed_compute" else values)


def is_time(name: str) -> bool:
    """Whether DataFusion counts a time by this name."""
    return name.startswith("time_") or name.endswith("_time")


def _in_ms(name: str, value: int) -> float:
    return value / 1e6 if is_time(name) else value


def _bytes(value: object) -> int:
    return len(msgspec.json.encode(value))


def _line(depth: int, one: PlanOperator) -> str:
    head = f"{one.node_type}: {one.details}" if one.details else one.node_type
    counted = {
        "output_rows": one.rows,
        "elapsed_compute": None if one.time_ms is None else one.time_ms * 1e6,
        "output_bytes": one.output_bytes,
        **{name: value * 1e6 if is_time(name) else value for name, value in one.extras.items()},
    }
    told = ", ".join(f"{name}={value:.0f}" for name, value in counted.items() if value is not None)
    left_out = f", {one.left_out} operators left out" if one.left_out else ""
    return f"{'  ' * depth}{head}, metrics=[{told}]{left_out}"
