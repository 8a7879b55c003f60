"""The one loop through which every mutation goes.

    [fresh handle -> hooks -> stage, once]
    fresh handle -> hooks -> one attempt (strict compare-and-swap)
        on an error: fresh handle -> did it land? -> classify -> wait -> again

Staging is what is slow and never repeated: the attempts and their time begin after it.

Whether an operation landed is read from the log: every commit carries the operation's id in its
commitInfo, so that the commits after the version first read are searched for it. An application
transaction per operation would tell the same, but stays in the table's state for ever.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tenacity
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import TableNotFoundError

from dfd_delta_policy.conflict import Action, Conflict, ConflictFound, Verdict, classify
from dfd_delta_policy.errors import ConflictError, DeltaPolicyError, RetriesExhausted
from dfd_delta_policy.hooks import CommitHook, CommitPlan
from dfd_delta_policy.outcome import AttemptEvent, Outcome, Status
from dfd_delta_policy.policy import DeltaRetryPolicy

logger = logging.getLogger(__name__)

OPERATION_ID = "dfd.operation_id"


class Clock(NamedTuple):
    """Time and chance, so that a test owns them; times in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Attempt(NamedTuple):
    """What an attempt stands on: a fresh handle (None: no table yet) and what its commit carries."""

    table: DeltaTable | None
    commit: CommitProperties


class Done(NamedTuple):
    """What an attempt did: the version it committed, or None when there was nothing to do."""

    version: int | None
    metrics: dict[str, Any]


class Operation(NamedTuple):
    """One mutation: `attempt` plans and commits it once, on the handle it is given.

    `stage` makes, before the first attempt, what all of them commit; it is given a handle too.
    """

    name: str
    operation_id: str
    removes_rows: bool
    attempt: Callable[[Attempt], Done]
    metadata: Mapping[str, str] = {}
    transaction: tuple[str, int] | None = None
    creates: bool = False
    stage: Callable[[DeltaTable | None], None] | None = None


class _TryAgain(Exception):
    """Carries what to raise when there is no further attempt."""

    def __init__(self, last: Exception) -> None:
        super().__init__()
        self.last = last


class Loop(NamedTuple):
    """How operations on one table are run."""

    uri: str
    open: Callable[[], DeltaTable]
    policy: DeltaRetryPolicy
    hooks: tuple[CommitHook, ...]
    on_attempt: Callable[[AttemptEvent], None] | None
    clock: Clock

    def run(self, operation: Operation) -> Outcome:
        """Run an operation until it is committed, found committed, or refused.

        Raises:
            RetriesExhausted: attempts or time ran out; nothing of it was committed.
            ConflictError: the conflict is fatal; nothing of it was committed.
            Exception: what a hook raised, what staging did, or deltalake for input that can't be right.
        """
        run = _Run(self, operation)
        outcome = run.prepare() or self._retried(run)
        for hook in self.hooks:
            hook.after_commit(outcome)
        return outcome

    def _retried(self, run: _Run) -> Outcome:
        started = self.clock.now()
        waits: list[float] = []

        def stop(state: tenacity.RetryCallState) -> bool:
            next_start = self.clock.now() - started + state.upcoming_sleep
            return (
                state.attempt_number >= self.policy.attempts or next_start > self.policy.timeout_s
            )

        def wait(_: tenacity.RetryCallState) -> float:
            waits.append(self.policy.next_wait_s(waits[-1] if waits else None, self.clock.uniform))
            return waits[-1]

        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            stop=stop,
            wait=wait,
            retry=tenacity.retry_if_exception_type(_TryAgain),
            reraise=True,
        )
        try:
            return retrying(run.once, waits)
        except _TryAgain as exhausted:
            raise exhausted.last from exhausted.last.__cause__


class _Run:
    """One operation on its way through the attempts."""

    def __init__(self, loop: Loop, operation: Operation) -> None:
        self._loop = loop
        self._operation = operation
        self._first_version: int | None = None
        self._attempts = 0
        self._conflicts: list[Conflict] = []
        self._asked: tuple[int | None, ...] = ()

    def prepare(self) -> Outcome | None:
        """Stage what the attempts will commit; an outcome where there is nothing left to do."""
        if self._operation.stage is None:
            return None
        table = self._fresh()
        read_version = None if table is None else table.version()
        if (stored := self._already(table)) is not None:
            self._attempts = 1
            return self._outcome(Status.ALREADY_COMMITTED, stored, {}, [])
        self._before(table, read_version)
        self._asked = (read_version,)
        try:
            self._operation.stage(table)
        except ConflictFound as found:
            verdict = classify(found, self._operation.name)
            raise self._error(ConflictError, found, verdict, read_version, "") from found
        return None

    def once(self, waits: list[float]) -> Outcome:
        table = self._fresh()
        self._attempts += 1
        read_version = None if table is None else table.version()
        if self._attempts == 1:
            self._first_version = read_version
        elif (landed := self._landed(table)) is not None:
            return self._outcome(Status.LANDED_AFTER_ERROR, landed, {}, waits)
        if (stored := self._already(table)) is not None:
            return self._outcome(Status.ALREADY_COMMITTED, stored, {}, waits)
        # Hooks were shown this snapshot before the staging, unless the table has moved on since.
        if self._attempts > 1 or self._asked != (read_version,):
            self._before(table, read_version)
        try:
            done = self._operation.attempt(Attempt(table, self._properties()))
        except DeltaPolicyError:
            raise
        except Exception as error:  # noqa: BLE001  every error of a commit may hide a commit
            return self._after_error(error, read_version, waits)
        if done.version is None:
            return self._outcome(Status.NOTHING_TO_DO, read_version, done.metrics, waits)
        return self._outcome(Status.COMMITTED, done.version, done.metrics, waits)

    def _fresh(self) -> DeltaTable | None:
        try:
            return self._loop.open()
        except TableNotFoundError:
            if self._operation.creates:
                return None
            raise

    def _already(self, table: DeltaTable | None) -> int | None:
        """The table's version when the caller's own transaction is in it."""
        if table is None or self._operation.transaction is None:
            return None
        app_id, app_version = self._operation.transaction
        stored = table.transaction_version(app_id)
        return table.version() if stored is not None and stored >= app_version else None

    def _before(self, table: DeltaTable | None, read_version: int | None) -> None:
        plan = CommitPlan(
            uri=self._loop.uri,
            operation=self._operation.name,
            read_version=read_version,
            attempt=max(self._attempts, 1),
            operation_id=self._operation.operation_id,
            removes_rows=self._operation.removes_rows,
            configuration={} if table is None else table.metadata().configuration,
        )
        for hook in self._loop.hooks:
            hook.before_commit(plan)

    def _properties(self) -> CommitProperties:
        operation = self._operation
        return CommitProperties(
            custom_metadata={
                **operation.metadata,
                OPERATION_ID: operation.operation_id,
                "dfd.operation": operation.name.upper(),
            },
            max_commit_retries=0,
            app_transactions=[Transaction(*operation.transaction)]
            if operation.transaction
            else None,
        )

    def _after_error(
        self, error: Exception, read_version: int | None, waits: list[float]
    ) -> Outcome:
        verdict = classify(error, self._operation.name)
        landed, known = self._look_again()
        if self._loop.on_attempt is not None:
            self._loop.on_attempt(
                AttemptEvent(
                    operation=self._operation.name,
                    operation_id=self._operation.operation_id,
                    attempt=self._attempts,
                    read_version=read_version,
                    verdict=verdict,
                    landed=landed is not None,
                )
            )
        logger.info(
            "%s attempt %d on version %s: %s (%s)",
            self._operation.name, self._attempts, read_version, verdict.conflict, verdict.reason,
        )  # fmt: skip
        if landed is not None:
            return self._outcome(Status.LANDED_AFTER_ERROR, landed, {}, waits)
        if known and verdict.conflict is Conflict.COMMIT_FAILED and not is_transient(error):
            raise error
        self._conflicts.append(verdict.conflict)
        if verdict.action is Action.ABORT or verdict.conflict in self._loop.policy.fatal:
            raise self._error(
                ConflictError, error, verdict, read_version, "Trying again can't help."
            )
        advice = (
            "Run it again, or allow more attempts."
            if known
            else f"The log can't be read: look in it for operation {self._operation.operation_id}."
        )
        raise _TryAgain(self._error(RetriesExhausted, error, verdict, read_version, advice, known))

    def _look_again(self) -> tuple[int | None, bool]:
        """The version in which the operation landed, and whether the log could be read."""
        try:
            table = self._fresh()
        except OSError:
            return None, False
        return self._landed(table), True

    def _landed(self, table: DeltaTable | None) -> int | None:
        """The version that carries the operation's id, searched since the version first read."""
        if table is None:
            return None
        first = -1 if self._first_version is None else self._first_version
        newer = table.version() - first
        commits = table.history(newer) if newer > 0 else []
        return version_with(commits, self._operation.operation_id)

    def _error(
        self,
        kind: type[ConflictError],
        error: Exception,
        verdict: Verdict,
        read_version: int | None,
        advice: str,
        known: bool = True,
    ) -> ConflictError:
        name = self._operation.name.upper()
        fate = "Nothing of it was committed" if known else "Whether it was committed is unknown"
        if isinstance(error, ConflictFound):
            advice = error.advice
        else:
            advice = f"{advice} deltalake says: {error}"
        raised = kind(
            f"{name} of {self._loop.uri} read version {read_version}; {verdict.reason} "
            f"({verdict.conflict}). {fate} after {self._attempts} attempt(s). {advice}",
            operation=self._operation.name,
            read_version=read_version,
            verdict=verdict,
            attempts=self._attempts,
        )
        raised.__cause__ = error
        return raised

    def _outcome(
        self, status: Status, version: int | None, metrics: dict[str, Any], waits: list[float]
    ) -> Outcome:
        return Outcome(
            version=version,
            attempts=self._attempts,
            status=status,
            operation_id=self._operation.operation_id,
            conflicts=tuple(self._conflicts),
            waited_s=sum(waits),
            metrics=metrics,
        )


def version_with(commits: Iterable[Mapping[str, Any]], operation_id: str) -> int | None:
    """The version among `commits` that carries the operation's id."""
    for commit in commits:
        if commit.get(OPERATION_ID) == operation_id:
            return int(commit["version"])
    return None


def is_transient(error: Exception) -> bool:
    """Whether an unknown error is one of transport, and not of the input.

    deltalake raises `OSError` for object stores and the class of commits for commits; schema,
    expression and protocol errors have classes of their own and won't go away by trying again.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    if isinstance(error, (OSError, CommitFailedError)):
        return True
    return type(error) is DeltaError and "already exists" in str(error)
