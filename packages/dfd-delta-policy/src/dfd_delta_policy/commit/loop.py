"""The one loop through which every mutation goes.

    [fresh handle -> hooks -> stage, once]
    fresh handle -> hooks -> one attempt (strict compare-and-swap)
        on an error: did it land? -> classify -> wait -> again

Staging is what is slow and never repeated: the attempts and their time begin after it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import tenacity

from dfd_delta_policy.commit.attempts import CommitTarget, OperationRun, RetryError
from dfd_delta_policy.commit.operation import Operation
from dfd_delta_policy.outcome import Outcome
from dfd_delta_policy.policy import DeltaRetryPolicy

Result = TypeVar("Result", Outcome, Outcome | None)


class Clock(NamedTuple):
    """Time and chance, so that a test owns them; times in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class CommitLoop(NamedTuple):
    """The loop that runs the operations on one table."""

    target: CommitTarget
    clock: Clock

    def run(self, operation: Operation) -> Outcome:
        """Run an operation until it is committed, found committed, or refused.

        Raises:
            RetriesExhausted: attempts or time ran out; nothing of it was committed, as far as can be known.
            ConflictError: the conflict is fatal; nothing of it was committed, as far as can be known.
            Exception: what a hook raised, what staging did, or deltalake for input that can't be right.
        """
        bounds = self.target.policy.bounds_of(operation.name)
        run = OperationRun(self.target, operation)
        try:
            outcome = None if operation.stage is None else self._step("stage", run.prepare)
            if outcome is None:
                outcome = self._step("commit", lambda: self._retried(run, bounds))
        finally:
            run.close()
        for hook in self.target.hooks:
            hook.after_commit(outcome)
        return outcome

    def _step(self, name: str, take: Callable[[], Result]) -> Result:
        with self.target.step(name) as done:
            result = take()
            if isinstance(result, Outcome):
                done(result)
        return result

    def _retried(self, run: OperationRun, bounds: DeltaRetryPolicy) -> Outcome:
        started = self.clock.now()
        waits: list[float] = []

        def stop(state: tenacity.RetryCallState) -> bool:
            next_start = self.clock.now() - started + state.upcoming_sleep
            return state.attempt_number >= bounds.attempts or next_start > bounds.timeout_s

        def wait(_: tenacity.RetryCallState) -> float:
            waits.append(bounds.next_wait_s(waits[-1] if waits else None, self.clock.uniform))
            return waits[-1]

        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            stop=stop,
            wait=wait,
            retry=tenacity.retry_if_exception_type(RetryError),
            reraise=True,
        )
        try:
            return retrying(lambda: run.once(sum(waits)))
        except RetryError as exhausted:
            raise exhausted.last from exhausted.last.__cause__
