"""One operation on its way through its attempts: a fresh handle, a look into the log, the hooks, one commit."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from dfd_base import DfdError
from dfd_storage import StorageProfile

from dfd_delta_policy.commit.failures import ends_requests, is_transient, may_pass
from dfd_delta_policy.commit.ground import Ground, ground_on
from dfd_delta_policy.commit.handles import Handles
from dfd_delta_policy.commit.knowledge import (
    NO_VERSION,
    Answered,
    Found,
    Knowledge,
    Landed,
    NotLanded,
    NotSent,
    Observation,
    Searched,
    Sent,
    Unknown,
    learn,
)
from dfd_delta_policy.commit.lock import CommitLock
from dfd_delta_policy.commit.log_search import CommitsSince, search
from dfd_delta_policy.commit.operation import Attempt, Operation
from dfd_delta_policy.commit.progress import Progress
from dfd_delta_policy.conflict import Action, Conflict, ConflictFound, Verdict, classify
from dfd_delta_policy.errors import ConflictError, DeltaPolicyError, RetriesExhausted
from dfd_delta_policy.hooks import CommitHook, CommitPlan, StageHook
from dfd_delta_policy.outcome import AttemptEvent, Outcome, Status
from dfd_delta_policy.policy import DeltaRetryPolicy

logger = logging.getLogger(__name__)


Step = Callable[[str], AbstractContextManager[Callable[[Outcome], None]]]


@contextlib.contextmanager
def unobserved_step(name: str) -> Iterator[Callable[[Outcome], None]]:
    """A step that nobody is told of."""
    yield lambda outcome: None


class CommitTarget(NamedTuple):
    """The table that operations commit to: how it is read, and whose rules hold."""

    uri: str
    handles: Handles
    commits_since: CommitsSince
    policy: DeltaRetryPolicy
    hooks: tuple[CommitHook, ...] = ()
    on_attempt: Callable[[AttemptEvent], None] | None = None
    storage: StorageProfile | None = None
    commit_lock: CommitLock | None = None
    step: Step = unobserved_step


class RetryError(DfdError):
    """The sign that another attempt may follow, with what to raise where none does."""

    code = "retry"

    def __init__(self, last: ConflictError) -> None:
        super().__init__()
        self.last = last


class OperationRun:
    """One operation on its way through the attempts."""

    def __init__(self, target: CommitTarget, operation: Operation) -> None:
        self._target = target
        self._operation = operation
        self._held = target.handles.take()
        self._known: Knowledge = NotLanded(NO_VERSION)
        self._ground: Ground | None = None
        self._plan: CommitPlan | None = None
        self._progress = Progress(target.uri, operation.name, operation.operation_id)

    def prepare(self) -> Outcome | None:
        """Stage what the attempts will commit; an outcome where there is nothing left to do."""
        if self._operation.stage is None:
            return None
        table, ground = self._stand_on_newest()
        if ground.has_transaction:
            self._progress = self._progress._replace(attempts=1)
            return self._outcome(Status.ALREADY_COMMITTED, ground.version, {}, 0.0)
        plan = self._ask_hooks(table)
        try:
            staged = self._operation.stage(table)
        except ConflictFound as found:
            raise self._progress.refused(found, self._known) from found
        for hook in self._target.hooks:
            if isinstance(hook, StageHook):
                hook.after_stage(plan, staged)
        return None

    def once(self, waited_s: float) -> Outcome:
        """Make one attempt, after so many seconds of waiting; RetryError where another may follow."""
        self._progress = self._progress._replace(attempts=self._progress.attempts + 1)
        # Where nothing was staged the work itself is within the attempt: it takes turns once it lost a race.
        takes_turns = self._operation.stage is not None or self._progress.attempts > 1
        lock = self._target.commit_lock
        with contextlib.nullcontext() if lock is None or not takes_turns else lock.hold():
            return self._try(waited_s)

    def close(self) -> None:
        """Leave the handle to the next operation, and tell this one what became of it."""
        self._target.handles.give(self._held)
        if self._operation.close is not None:
            self._operation.close(self._settled)

    def _try(self, waited_s: float) -> Outcome:
        try:
            table, ground = self._stand_on_newest()
        except Exception as error:
            if self._progress.attempts == 1 or not is_transient(error):
                raise
            raise self._again(error, classify(error, self._operation.name)) from error
        if isinstance(self._known, Landed):
            return self._landed(self._known, waited_s)
        if ground.has_transaction:
            return self._outcome(Status.ALREADY_COMMITTED, ground.version, {}, waited_s)
        # Hooks were shown this snapshot before the staging, unless the table has moved on since.
        shown = self._plan
        if shown is None or shown.read_version != ground.version or self._progress.attempts > 1:
            self._ask_hooks(table)
        self._learn(Sent((NO_VERSION if ground.version is None else ground.version) + 1))
        try:
            done = self._operation.attempt(Attempt(table, self._operation.commit_properties()))
        except DeltaPolicyError:
            self._learn(NotSent())
            raise
        except Exception as error:  # noqa: BLE001  every error of a commit may hide a commit
            return self._after_error(error, waited_s)
        if done.version is None:
            self._learn(NotSent())
            return self._outcome(Status.NOTHING_TO_DO, ground.version, done.metrics, waited_s)
        self._learn(Found(done.version))
        return self._outcome(Status.COMMITTED, done.version, done.metrics, waited_s)

    def _stand_on_newest(self) -> tuple[DeltaTable | None, Ground]:
        """A fresh handle, and what holds on its version.

        Raises:
            ConflictError: the metadata is another, another writer uses the transaction's id, or the log
                has lost versions that may have had the commit.
        """
        table = self._fresh()
        version = None if table is None else table.version()
        newest = NO_VERSION if version is None else version
        self._progress = self._progress._replace(read_version=version)
        if self._ground is None:
            self._learn(Searched(newest, newest))
        else:
            self._search(newest)
        if isinstance(self._known, Landed):
            return table, Ground(version)
        try:
            self._refuse_lost(newest)
            self._ground = ground_on(
                table, self._operation, self._ground, self._target.policy.fatal
            )
        except ConflictFound as found:
            raise self._progress.refused(found, self._known) from found
        return table, self._ground

    def _fresh(self) -> DeltaTable | None:
        held, self._held = self._held, None
        try:
            self._held = self._target.handles.newest(held)
        except TableNotFoundError:
            if self._operation.creates:
                return None
            raise
        return self._held.table

    def _refuse_lost(self, newest: int) -> None:
        if isinstance(self._known, Unknown) and self._known.searched_to < newest:
            raise ConflictFound(
                Conflict.COMMIT_FAILED,
                f"version {self._known.searched_to + 1} is gone from the log",
            )

    def _ask_hooks(self, table: DeltaTable | None) -> CommitPlan:
        operation = self._operation
        self._plan = plan = CommitPlan(
            uri=self._target.uri,
            operation=operation.name,
            read_version=self._progress.read_version,
            attempt=max(self._progress.attempts, 1),
            operation_id=operation.operation_id,
            removes_rows=operation.removes_rows,
            configuration={} if table is None else table.metadata().configuration,
            changes=operation.changes,
            changes_schema=operation.changes_schema,
            storage=self._target.storage,
        )
        for hook in self._target.hooks:
            hook.before_commit(plan)
        return plan

    def _after_error(self, error: Exception, waited_s: float) -> Outcome:
        verdict = classify(error, self._operation.name)
        storage = self._target.storage
        is_failure = verdict.conflict is Conflict.COMMIT_FAILED
        is_final = is_failure and not may_pass(error, storage, self._target.uri)
        if is_final or not is_failure or ends_requests(storage):
            self._learn(Answered())
        self._search_again()
        self._tell(verdict)
        if isinstance(self._known, Landed):
            return self._landed(self._known, waited_s)
        if is_final and isinstance(self._known, NotLanded):
            raise error
        raise self._failed(error, verdict)

    def _tell(self, verdict: Verdict) -> None:
        if self._target.on_attempt is not None:
            self._target.on_attempt(self._progress.event(verdict, self._known))
        progress = self._progress
        logger.info(
            "%s attempt %d on version %s: %s (%s)",
            progress.operation, progress.attempts, progress.read_version, verdict.conflict, verdict.reason,
        )  # fmt: skip

    def _failed(self, error: Exception, verdict: Verdict) -> ConflictError | RetryError:
        """The end of an attempt that is not known to have landed: of the operation too, or not."""
        met = (*self._progress.conflicts, verdict.conflict)
        self._progress = self._progress._replace(conflicts=met)
        is_fatal = verdict.conflict in self._target.policy.fatal
        if verdict.action is not Action.ABORT and not is_fatal:
            return self._again(error, verdict)
        if isinstance(error, ConflictFound):
            return self._progress.refused(error, self._known)
        advice = "Trying again can't help."
        return self._progress.error(ConflictError, error, verdict, self._known, advice)

    def _again(self, error: Exception, verdict: Verdict) -> RetryError:
        advice = "Run it again, or allow more attempts."
        return RetryError(
            self._progress.error(RetriesExhausted, error, verdict, self._known, advice)
        )

    def _search_again(self) -> None:
        """Search what was committed meanwhile, where the log can be read."""
        try:
            self._search()
        except Exception as error:
            if not is_transient(error):
                raise

    def _search(self, newest: int | None = None) -> None:
        """Learn what the log has since the last search."""
        if isinstance(self._known, Landed):
            return
        operation_id = self._operation.operation_id
        seen, others = search(
            self._target.commits_since, operation_id, self._known.searched_to, newest
        )
        self._learn(seen)
        self._progress = self._progress._replace(winners=(*self._progress.winners, *others))

    def _learn(self, seen: Observation) -> None:
        self._known = learn(self._known, seen)

    def _settled(self) -> Knowledge:
        """What is known in the end; where that is nothing yet, after one more search."""
        if isinstance(self._known, Unknown):
            if ends_requests(self._target.storage):
                self._learn(Answered())
            with contextlib.suppress(Exception):  # whatever keeps the log from being read
                self._search()
        return self._known

    def _landed(self, known: Landed, waited_s: float) -> Outcome:
        metrics = self._operation.metrics()
        return self._outcome(Status.LANDED_AFTER_ERROR, known.version, metrics, waited_s)

    def _outcome(
        self, status: Status, version: int | None, metrics: dict[str, Any], waited_s: float
    ) -> Outcome:
        return self._progress.outcome(status, version, metrics, waited_s)
