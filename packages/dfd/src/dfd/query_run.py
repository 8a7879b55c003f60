"""One run of a query as an observer sees it: its span, its record and its metrics."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

import dfd_native
from dfd_obs import OperatorMetrics, operator_metrics

from dfd.errors import QueryError, SnapshotGone
from dfd.far_times import with_advice
from dfd.panics import is_panic

if TYPE_CHECKING:
    from dfd_native import EngineRun
    from dfd_obs import QueryScope
    from dfd_obs.plan import ExecutedPlan

    from dfd.progress import ProgressWatch, Work

Batch = TypeVar("Batch")

# Those that have begun and not ended: whoever reads them may hold them still when the process ends.
_unfinished: weakref.WeakSet[QueryRun] = weakref.WeakSet()


def failure(query_id: str, error: BaseException) -> QueryError:
    """What is raised where a query failed of an error."""
    said = f"Query {query_id} failed: {with_advice(error)}"
    if isinstance(error, dfd_native.SnapshotGone):
        failed: QueryError = SnapshotGone(
            said,
            query_id,
            table=error.uri or "",
            version=error.version or 0,
            file=error.path or "",
            remedy=error.remedy,
        )
    else:
        failed = QueryError(said, query_id)
    failed.has_begun = True
    failed.__cause__ = error
    return failed


class QueryRun:
    """A run that begins with its first batch, and ends once, in whatever thread that happens.

    - `start`: starts its scope. `on_end`: takes the metrics of the plan that ran.
    - `seconds`: a clock, in seconds.
    - `what`, `watch`: the query, and who is told of it while it runs.
    """

    def __init__(
        self,
        start: Callable[[], QueryScope],
        on_end: Callable[[list[OperatorMetrics]], None],
        seconds: Callable[[], float],
        what: str = "query",
        watch: ProgressWatch | None = None,
    ) -> None:
        self._start = start
        self._on_end = on_end
        self._seconds = seconds
        self._what = what
        self._watch = watch
        self._work: Work | None = None
        self._scope: QueryScope | None = None
        self._failure: BaseException | None = None
        # The seconds its reader waited for batches; None where that isn't seen.
        self._waited_s: float | None = None
        self._waits_since: float | None = None

    def begin(self) -> QueryScope:
        """Start the scope."""
        self._scope = scope = self._start()
        _unfinished.add(self)
        if self._watch is not None:
            self._work = self._watch.begin(self._what, "run")
        return scope

    def shows(self, plan: ExecutedPlan | None) -> None:
        """The plan that runs: what it has counted so far is told."""
        if self._work is not None:
            self._work.plan = plan

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of the run: what their reader does between two of them is no part of its execution."""
        return _TimedBatches(self, batches)

    def wait_begins(self) -> None:
        """The reader asks for a batch."""
        self._waits_since = self._seconds()

    def wait_ends(self) -> None:
        """The reader has the batch, or the end."""
        self._waited_s = self._until_now()
        self._waits_since = None
        if self._work is not None:
            self._work.enter("deliver")

    def _until_now(self) -> float | None:
        if self._waits_since is None:
            return self._waited_s
        return (self._waited_s or 0.0) + self._seconds() - self._waits_since

    def observing(self, planned: EngineRun) -> EngineRun:
        """The run of a plan, which tells this one of its begin and its end."""

        # Not the run, which would be held by who observes it.
        plan = None if self._watch is None else planned.plan

        def begin() -> Callable[..., BaseException | None]:
            self.begin()
            self.shows(plan)
            return self.end

        planned.observe(begin)
        return planned

    def end(
        self,
        plan: ExecutedPlan | None,
        rows: int | None,
        error: BaseException | None = None,
        abandoned: bool = False,
    ) -> BaseException | None:
        """End the scope; only the first call counts. What is to be raised in place of `error`, or None.

        Without `rows` they are those that the outermost operator of `plan` has counted.
        """
        scope, self._scope = self._scope, None
        if scope is None:
            return None
        _unfinished.discard(self)
        if self._work is not None:
            self._work.end()
            self._work = None
        metrics = [] if plan is None else operator_metrics(plan)
        self._on_end(metrics)
        if rows is None:
            rows = metrics[0].metrics.get("output_rows", 0) if metrics else 0
        scope.finish(
            rows=rows,
            operators=metrics,
            error=error,
            abandoned=abandoned,
            execution_s=self._until_now(),
        )
        if error is not None and (isinstance(error, Exception) or is_panic(error)):
            error = failure(scope.query_id, error)
        self._failure = error
        return error

    def fail(self, plan: ExecutedPlan | None, rows: int, error: BaseException) -> BaseException:
        """End the scope of a run that failed. What is to be raised."""
        return self.end(plan, rows, error) or error

    def take_failure(self) -> BaseException | None:
        """What `end` gave for its error, once: a library that reads the run's stream makes a text of that."""
        failure, self._failure = self._failure, None
        return failure


class _TimedBatches(Generic[Batch]):
    """Batches whose run hears how long each is waited for."""

    def __init__(self, run: QueryRun, batches: Iterable[Batch]) -> None:
        self._run: QueryRun | None = run
        self._batches: Iterator[Batch] = iter(batches)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._run is None:
            raise StopIteration
        self._run.wait_begins()
        try:
            batch = next(self._batches)
        except BaseException:
            # It has ended. The traceback of what ended it has this frame, and must not hold what ran.
            self._run, self._batches = None, iter(())
            raise
        self._run.wait_ends()
        return batch


@atexit.register
def _abandon() -> None:
    for run in list(_unfinished):
        run.end(None, 0, abandoned=True)
