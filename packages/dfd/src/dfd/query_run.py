"""One run of a query as an observer sees it: its span, its record and its metrics."""

from __future__ import annotations

import atexit
import contextvars
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from dfd_obs import OperatorMetrics, operator_metrics

from dfd.errors import QueryError
from dfd.far_times import with_advice
from dfd.panics import is_panic

if TYPE_CHECKING:
    from dfd_native import EngineRun
    from dfd_obs.observer import QueryScope
    from dfd_obs.plan import ExecutedPlan

# Those that have begun and not ended: whoever reads them may hold them still when the process ends.
_unfinished: weakref.WeakSet[QueryRun] = weakref.WeakSet()


def failure(query_id: str, error: BaseException) -> QueryError:
    """What is raised where a query failed of an error."""
    failed = QueryError(f"Query {query_id} failed: {with_advice(error)}", query_id)
    failed.__cause__ = error
    return failed


class QueryRun:
    """A run that begins with its first batch, and ends once, in whatever thread that happens.

    Its ids and its trace are those of the code that made it.

    - `start`: starts its scope. `on_end`: takes the metrics of the plan that ran.
    """

    def __init__(
        self, start: Callable[[], QueryScope], on_end: Callable[[list[OperatorMetrics]], None]
    ) -> None:
        self._start = start
        self._on_end = on_end
        self._context = contextvars.copy_context()
        self._scope: QueryScope | None = None
        self._failure: BaseException | None = None

    def begin(self) -> QueryScope:
        """Start the scope."""
        self._scope = scope = self._context.run(self._start)
        _unfinished.add(self)
        return scope

    def observing(self, planned: EngineRun) -> EngineRun:
        """The run of a plan, which tells this one of its begin and its end."""

        def begin() -> Callable[..., BaseException | None]:
            self.begin()
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
        metrics = [] if plan is None else operator_metrics(plan)
        self._on_end(metrics)
        if rows is None:
            rows = metrics[0].metrics.get("output_rows", 0) if metrics else 0
        scope.finish(rows=rows, plan=plan, error=error, abandoned=abandoned)
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


@atexit.register
def _abandon() -> None:
    for run in list(_unfinished):
        run.end(None, 0, abandoned=True)
