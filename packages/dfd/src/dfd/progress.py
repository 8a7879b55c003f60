"""Progress of queries and operations: what is under way is told while it lasts.

Told is what is known: rows and bytes so far, the step, the time. Nobody knows how much is left.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from dfd_obs import operator_metrics

if TYPE_CHECKING:
    from dfd_obs import OperatorMetrics
    from dfd_obs.plan import ExecutedPlan

_logger = logging.getLogger("dfd")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A query or an operation that is under way.

    - `id`: of this one, as long as the runtime lives. A query that is written has one beside its operation's.
    - `what`: `SELECT flights`, or an operation and its table. No literal of a statement is in it.
    - `step`: of a query `run`, and `deliver` once its reader has a batch; of an operation `begin`, `stage`, `commit`.
    - `rows`: that a query has given so far. `rows_read`, `bytes_read`: that its scans have read. None of an operation.
    - `elapsed_s`: seconds since it began.
    - `is_done`: whether it has ended, well or not: it isn't told of again.
    """

    id: int
    what: str
    step: str
    rows: int | None
    rows_read: int | None
    bytes_read: int | None
    elapsed_s: float
    is_done: bool


Report = Callable[[Progress], None]


class Work:
    """Something that is under way, until `end`."""

    def __init__(self, watch: ProgressWatch, id: int, what: str, step: str, began_s: float) -> None:
        self._watch = watch
        self.id = id
        self.what = what
        self.step = step
        self.began_s = began_s
        #: Of a query: what runs. It holds neither the run nor who reads it.
        self.plan: ExecutedPlan | None = None
        self.is_told = False

    def enter(self, step: str) -> None:
        """Another step begins. Where the work was told of, its delivery is told at once."""
        if self.step == step:
            return
        self.step = step
        if step == "deliver" and self.is_told:
            self._watch.tell(self)

    def end(self) -> None:
        """It has ended; what was told of is told of once more."""
        self._watch.end(self)


class ProgressWatch:
    """Tells `report` of all that is under way for longer than `after_s`, every `every_s` seconds.

    `report` is called by a thread of the watch, and by whoever ends what was told of; never twice at once. Where it
    raises, it isn't called again.
    """

    def __init__(
        self,
        report: Report,
        after_s: float = 1.0,
        every_s: float = 0.25,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report: Report | None = report
        self._after_s = after_s
        self._every_s = every_s
        self._seconds = seconds
        self._ids = itertools.count(1)
        self._works: dict[int, Work] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def begin(self, what: str, step: str) -> Work:
        """Something begins."""
        work = Work(self, next(self._ids), what, step, self._seconds())
        with self._lock:
            self._works[work.id] = work
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="dfd-progress", daemon=True)
                self._thread.start()
        return work

    def end(self, work: Work) -> None:
        """It has ended."""
        with self._lock:
            if self._works.pop(work.id, None) is not None and work.is_told:
                self._tell(work, is_done=True)
            if not self._works:
                self._changed.notify_all()

    def tell(self, work: Work) -> None:
        """Tell of it now."""
        with self._lock:
            if work.id in self._works:
                self._tell(work, is_done=False)

    def _run(self) -> None:
        """Until nothing is under way."""
        with self._lock:
            while self._works and self._report is not None:
                due = self._seconds() - self._after_s
                for work in [work for work in self._works.values() if work.began_s <= due]:
                    self._tell(work, is_done=False)
                self._changed.wait(self._every_s)
            self._thread = None

    def _tell(self, work: Work, is_done: bool) -> None:
        if self._report is None:
            return
        work.is_told = True
        operators = [] if work.plan is None else operator_metrics(work.plan)
        rows, rows_read, bytes_read = _counted(operators)
        try:
            self._report(
                Progress(
                    id=work.id,
                    what=work.what,
                    step=work.step,
                    rows=rows,
                    rows_read=rows_read,
                    bytes_read=bytes_read,
                    elapsed_s=self._seconds() - work.began_s,
                    is_done=is_done,
                )
            )
        except Exception:
            self._report = None
            _logger.exception("The callback of `progress` failed, and isn't called again.")


def _counted(operators: list[OperatorMetrics]) -> tuple[int | None, int | None, int | None]:
    """Rows of the outermost operator, and rows and bytes of those that read."""
    if not operators:
        return None, None, None
    followers = [*operators[1:], None]
    leaves = [
        operator
        for operator, following in zip(operators, followers, strict=True)
        if following is None or following.depth <= operator.depth
    ]
    return (
        operators[0].metrics.get("output_rows", 0),
        sum(leaf.metrics.get("output_rows", 0) for leaf in leaves),
        sum(operator.metrics.get("bytes_scanned", 0) for operator in operators),
    )


@contextlib.contextmanager
def under_way(watch: ProgressWatch | None, what: str, step: str) -> Iterator[Work | None]:
    """Something that is under way for as long as the block lasts; None where nobody watches."""
    if watch is None:
        yield None
        return
    work = watch.begin(what, step)
    try:
        yield work
    finally:
        work.end()
