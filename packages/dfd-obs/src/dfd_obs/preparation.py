"""The preparation of a query: from where its text is given until it runs.

It knows who asked for the query, and what each step took: refresh (which version of its tables is
the newest) and plan. What lies between its steps is the user's own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from dfd_obs.origin import Origin
from dfd_obs.query_summary import QuerySummary

Step = Literal["plan", "refresh", "execute"]


class Interval(NamedTuple):
    """A step that was taken, by the clock of its preparation, and the step that it was a part of."""

    step: Step
    start_s: float
    end_s: float
    part_of: Step | None = None


class Durations(NamedTuple):
    """The seconds of a query, told apart."""

    refresh_s: float
    planning_s: float
    execution_s: float
    consumer_s: float

    @property
    def own_s(self) -> float:
        """All but those of whoever held the query or read its batches."""
        return self.refresh_s + self.planning_s + self.execution_s


class Preparation:
    """A query before it runs. Begins when it is made; one thread at a time takes its steps.

    - `text`: of the query. `namespace`: catalog and schema that it is planned in.
    - `origin`: default: that of the caller.
    - `planned_s`: the seconds that it was planned before.
    """

    def __init__(
        self,
        text: str,
        namespace: str | None = None,
        *,
        seconds: Callable[[], float],
        now: Callable[[], datetime],
        origin: Origin | None = None,
        planned_s: float = 0.0,
    ) -> None:
        self.text = text
        self.namespace = namespace
        self.summary = QuerySummary()
        #: Give the columns of the query's tables, and the versions of these; asked when it has run, and not always.
        self.column_names: Callable[[], Collection[str]] = frozenset
        self.table_versions: Callable[[], dict[str, int]] = dict
        #: Where it was made, and, once it is exported, where that was done.
        self.made_at = self.origin = origin or Origin.here()
        self._seconds = seconds
        self._now = now
        made_s = seconds()
        self.started_at = now() - timedelta(seconds=planned_s)
        self.start_s = made_s - planned_s
        self._taken = [Interval("plan", self.start_s, made_s)] if planned_s else []
        self._open: list[tuple[Step, float]] = []
        self._start_ns = time.time_ns() - round(planned_s * 1e9)

    def taking(self, step: Step) -> AbstractContextManager[None]:
        """Take a step for as long as the block lasts, as a part of the one that is being taken."""
        return _Taking(self, step)

    def _begin(self, step: Step) -> None:
        self._open.append((step, self._seconds()))

    def _end(self) -> None:
        self._taken.append(self._until(self._seconds(), len(self._open) - 1))
        self._open.pop()

    def _until(self, end_s: float, depth: int) -> Interval:
        step, start_s = self._open[depth]
        return Interval(step, start_s, end_s, self._open[depth - 1][0] if depth else None)

    @property
    def intervals(self) -> list[Interval]:
        """The steps that were taken; one that is being taken until now."""
        now_s = self._seconds() if self._open else 0.0
        return [*self._taken, *(self._until(now_s, depth) for depth in range(len(self._open)))]

    def ran(self) -> None:
        """Say that the last step was to run it: a statement is done when it is planned."""
        self._taken[-1] = self._taken[-1]._replace(step="execute")

    def export(self) -> None:
        """Say that the caller makes the query's stream, for its own run and under its own span, where it has them."""
        self.origin = Origin.here().or_else(self.origin)

    def again(self) -> Preparation:
        """The preparation of another run of the same query, which begins now."""
        made = Preparation(
            self.text,
            self.namespace,
            seconds=self._seconds,
            now=self._now,
            origin=self.made_at,
        )
        made.summary = self.summary
        made.column_names = self.column_names
        made.table_versions = self.table_versions
        return made

    def total_s(self, step: Step) -> float:
        """The seconds that a step took, all times together, without those of its parts."""
        intervals = self.intervals
        whole = sum(one.end_s - one.start_s for one in intervals if one.step == step)
        return whole - sum(one.end_s - one.start_s for one in intervals if one.part_of == step)

    def durations(self, execution_s: float, end_s: float) -> Durations:
        """The seconds of a query that ran for `execution_s` after this, and ended at `end_s`."""
        found = Durations(
            self.total_s("refresh"),
            self.total_s("plan"),
            self.total_s("execute") + execution_s,
            0.0,
        )
        return found._replace(consumer_s=max(0.0, end_s - self.start_s - found.own_s))

    def unix_ns(self, at_s: float) -> int:
        """A time of the preparation's clock as nanoseconds since 1970, as spans have it."""
        return self._start_ns + round((at_s - self.start_s) * 1e9)


class _Taking(AbstractContextManager[None]):
    """A step that is being taken. No generator: each query takes several, of microseconds."""

    def __init__(self, preparation: Preparation, step: Step) -> None:
        self._preparation = preparation
        self._step = step

    def __enter__(self) -> None:
        self._preparation._begin(self._step)

    def __exit__(self, *_: object) -> None:
        self._preparation._end()
