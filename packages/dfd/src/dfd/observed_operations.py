"""Operations on tables as an observer sees them: their steps, their attempts, and what came of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import dfd_obs
from dfd_delta_policy import AttemptEvent, Outcome, Status
from dfd_obs import Observer, OperationScope, Run

from dfd.progress import ProgressWatch, Work, under_way

_operation: ContextVar[OperationScope | None] = ContextVar("dfd_operation", default=None)
_work: ContextVar[Work | None] = ContextVar("dfd_work", default=None)


class ObservedOperations:
    """What `GuardedTable` tells an observer of its operations.

    - `run`: gives the run of those whose caller works for none.
    - `watch`: is told of them while they last.
    """

    def __init__(
        self,
        observer: Observer,
        run: Callable[[], Run | None],
        watch: ProgressWatch | None = None,
    ) -> None:
        self._observer = observer
        self._run = run
        self._watch = watch

    @contextlib.contextmanager
    def operation(self, name: str, uri: str) -> Iterator[Callable[[Outcome], None]]:
        """An operation for as long as the block lasts; what it gives takes its outcome."""
        with (
            dfd_obs.working_for(self._run()),
            self._observer.operation(name, uri) as scope,
            under_way(self._watch, f"{name} {uri}", "begin") as work,
        ):
            outer, outer_work = _operation.get(), _work.get()
            _operation.set(scope)
            _work.set(work)
            try:
                yield lambda outcome: scope.finish(_details(outcome))
            finally:
                _operation.set(outer)
                _work.set(outer_work)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[Outcome], None]]:
        """A step of the operation, `stage` or `commit`; what it gives takes the outcome where that is known then."""
        scope, work = _operation.get(), _work.get()
        if work is not None:
            work.enter(name)
        with contextlib.nullcontext() if scope is None else scope.step(name):
            yield self._ended

    def attempt_failed(self, event: AttemptEvent) -> None:
        """An attempt that failed: an event of its step, and a number of the metrics."""
        verdict = event.verdict
        self._observer.count_attempt(event.operation, str(verdict.conflict))
        dfd_obs.add_event(
            "dfd.attempt_failed",
            {
                "dfd.operation_id": event.operation_id,
                "dfd.attempt": event.attempt,
                "dfd.read_version": event.read_version,
                "dfd.conflict": verdict.conflict,
                "dfd.action": verdict.action,
                "dfd.reason": verdict.reason,
                "dfd.landed": event.landed,
                "dfd.winners": ", ".join(map(str, event.winners)),
            },
        )

    def _ended(self, outcome: Outcome) -> None:
        if outcome.status is Status.LANDED_AFTER_ERROR:
            return  # Told as the attempt that failed.
        self._observer.count_attempt(outcome.operation)
        dfd_obs.add_event(
            "dfd.attempt",
            {
                "dfd.operation_id": outcome.operation_id,
                "dfd.attempt": outcome.attempts,
                "dfd.read_version": outcome.read_version,
                "dfd.status": outcome.status,
            },
        )


def _details(outcome: Outcome) -> dict[str, object]:
    return {
        "version": outcome.version,
        "read_version": outcome.read_version,
        "status": str(outcome.status),
        "attempts": outcome.attempts,
        "waited_s": outcome.waited_s,
        "conflicts": ", ".join(map(str, outcome.conflicts)),
        "winners": ", ".join(map(str, outcome.winners)),
        "operation_id": outcome.operation_id,
    }
