"""The one loop through which every mutation goes.

    [fresh handle -> hooks -> stage, once]
    fresh handle -> hooks -> one attempt (strict compare-and-swap)
        on an error: fresh handle -> did it land? -> classify -> wait -> again

Staging is what is slow and never repeated: the attempts and their time begin after it.

Every attempt stands on the metadata that the operation first saw, or under
`on_metadata_change="replan"` on metadata that keeps its meaning. A commit is strict, so that deltalake never compares them.

Whether an operation landed is read from the log: every commit carries the operation's id in its
commitInfo, so that the commits after the version first read are searched for it. An application
transaction per operation would tell the same, but stays in the table's state for ever.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tenacity
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from dfd_storage import (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    DirectoryRefused,
    ExpiredCredentials,
    LocalProfile,
    StorageProfile,
    UnknownKey,
    WrongSecret,
)

from dfd_delta_policy.backend.deltalake import refuse_binary_partitions, refuse_odd_paths
from dfd_delta_policy.commit.handles import Handles
from dfd_delta_policy.commit.lock import CommitLock
from dfd_delta_policy.commit.metadata import TableMetadata
from dfd_delta_policy.conflict import Action, Conflict, ConflictFound, Verdict, classify
from dfd_delta_policy.errors import ConflictError, DeltaPolicyError, RetriesExhausted
from dfd_delta_policy.hooks import CommitHook, CommitPlan, StageHook
from dfd_delta_policy.outcome import AttemptEvent, ConcurrentCommit, Outcome, Status
from dfd_delta_policy.policy import DeltaRetryPolicy

logger = logging.getLogger(__name__)

OPERATION_ID = "dfd.operation_id"
# deltalake wraps some errors of a store, and of who came second, in its error for everything else.
_TRANSIENT = re.compile(
    r"(table|version) already exists|object store|generic (?!deltatable)\w+ error|http error",
    re.IGNORECASE,
)
# What an operation commits when it begins: it has still to be done.
_ANNOUNCEMENTS = frozenset({"VACUUM START"})


# What a store answers for as long as somebody doesn't change something about it.
_REFUSALS = (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    DirectoryRefused,
    ExpiredCredentials,
    UnknownKey,
    WrongSecret,
)


class Clock(NamedTuple):
    """Time and chance, so that a test owns them; times in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Attempt(NamedTuple):
    """The ground of one attempt: a fresh handle (None: no table yet) and what its commit carries."""

    table: DeltaTable | None
    commit: CommitProperties


class Done(NamedTuple):
    """The result of one attempt: the version it committed, or None when there was nothing to do."""

    version: int | None
    metrics: dict[str, Any]


class Operation(NamedTuple):
    """One mutation: `attempt` plans and commits it once, on the handle it is given.

    `stage` makes, before the first attempt, what all of them commit; it is given a handle too, and
    gives what it staged (rows, bytes, files). `by_deltalake` tells that deltalake writes its files.
    """

    name: str
    operation_id: str
    removes_rows: bool
    attempt: Callable[[Attempt], Done]
    metadata: Mapping[str, str] = {}
    transaction: tuple[str, int] | None = None
    creates: bool = False
    stage: Callable[[DeltaTable | None], Mapping[str, Any]] | None = None
    by_deltalake: bool = False
    changes: Mapping[str, str] = {}
    changes_schema: bool = False


class _RetryError(Exception):
    """The sign that another attempt may follow, with what to raise where none does."""

    def __init__(self, last: Exception) -> None:
        super().__init__()
        self.last = last


class CommitLoop(NamedTuple):
    """The loop that runs the operations on one table."""

    uri: str
    handles: Handles
    policy: DeltaRetryPolicy
    hooks: tuple[CommitHook, ...]
    on_attempt: Callable[[AttemptEvent], None] | None
    clock: Clock
    storage: StorageProfile | None = None
    commit_lock: CommitLock | None = None

    def run(self, operation: Operation) -> Outcome:
        """Run an operation until it is committed, found committed, or refused.

        Raises:
            RetriesExhausted: attempts or time ran out; nothing of it was committed, as far as can be known.
            ConflictError: the conflict is fatal; nothing of it was committed.
            Exception: what a hook raised, what staging did, or deltalake for input that can't be right.
        """
        bounds = self.policy.bounds_of(operation.name)
        run = OperationRun(self, operation)
        try:
            outcome = run.prepare() or self._retried(run, bounds)
        finally:
            run.close()
        for hook in self.hooks:
            hook.after_commit(outcome)
        return outcome

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
            retry=tenacity.retry_if_exception_type(_RetryError),
            reraise=True,
        )
        try:
            return retrying(run.once, waits)
        except _RetryError as exhausted:
            raise exhausted.last from exhausted.last.__cause__


class OperationRun:
    """One operation on its way through the attempts."""

    def __init__(self, loop: CommitLoop, operation: Operation) -> None:
        self._loop = loop
        self._operation = operation
        self._held = loop.handles.take()
        self._attempts = 0
        self._conflicts: list[Conflict] = []
        self._read_version: int | None = None
        self._hooks_saw: tuple[int | None, ...] = ()
        self._metadata: TableMetadata | None = None
        self._is_new = True
        self._txn_version: int | None = None
        # The newest version whose commits were looked through, and what was found there.
        self._scanned_to: int | None = None
        self._landed: int | None = None
        # The version that a request which got no answer may still take.
        self._in_flight_version: int | None = None
        self._winners: list[ConcurrentCommit] = []

    def prepare(self) -> Outcome | None:
        """Stage what the attempts will commit; an outcome where there is nothing left to do."""
        if self._operation.stage is None:
            return None
        table, stored = self._stand_on_newest()
        if stored is not None:
            self._attempts = 1
            return self._outcome(Status.ALREADY_COMMITTED, stored, {}, [])
        plan = self._before(table)
        try:
            staged = self._operation.stage(table)
        except ConflictFound as found:
            raise self._found(found) from found
        for hook in self._loop.hooks:
            if isinstance(hook, StageHook):
                hook.after_stage(plan, staged)
        return None

    def once(self, waits: list[float]) -> Outcome:
        """Make one attempt; _RetryError where another may follow."""
        self._attempts += 1
        # Where nothing was staged the work itself is within the attempt: it takes turns once it lost a race.
        takes_turns = self._operation.stage is not None or self._attempts > 1
        if self._loop.commit_lock is None or not takes_turns:
            return self._try(waits)
        with self._loop.commit_lock.hold():
            return self._try(waits)

    def _try(self, waits: list[float]) -> Outcome:
        try:
            table, stored = self._stand_on_newest()
        except Exception as error:
            if self._attempts == 1 or not is_transient(error):
                raise
            raise self._retry_error(error, classify(error, self._operation.name), False) from error
        if self._landed is not None:
            return self._outcome(Status.LANDED_AFTER_ERROR, self._landed, {}, waits)
        if stored is not None:
            return self._outcome(Status.ALREADY_COMMITTED, stored, {}, waits)
        # Hooks were shown this snapshot before the staging, unless the table has moved on since.
        if self._attempts > 1 or self._hooks_saw != (self._read_version,):
            self._before(table)
        try:
            if table is not None and self._operation.by_deltalake:
                refuse_binary_partitions(table.schema().fields, table.metadata().partition_columns)
                if self._operation.removes_rows:
                    refuse_odd_paths(table)
            done = self._operation.attempt(Attempt(table, self._properties()))
        except DeltaPolicyError:
            raise
        except Exception as error:  # noqa: BLE001  every error of a commit may hide a commit
            return self._after_error(error, waits)
        if done.version is None:
            return self._outcome(Status.NOTHING_TO_DO, self._read_version, done.metrics, waits)
        return self._outcome(Status.COMMITTED, done.version, done.metrics, waits)

    def _stand_on_newest(self) -> tuple[DeltaTable | None, int | None]:
        """A fresh handle, and the table's version where the caller's transaction is in it already.

        Raises:
            ConflictError: the metadata is another, or another writer uses the transaction's id.
        """
        table = self._fresh()
        self._read_version = None if table is None else table.version()
        if self._is_new:
            self._scanned_to = self._read_version
        else:
            self._look_through(table)
        if self._landed is not None or table is None:
            self._is_new = False
            return table, None
        try:
            stored = self._transaction_in(table)
            if stored is None:
                self._hold_to_metadata(table)
        except ConflictFound as found:
            raise self._found(found) from found
        self._is_new = False
        return table, stored

    def close(self) -> None:
        """Leave the handle to the next operation."""
        self._loop.handles.give(self._held)

    def _fresh(self) -> DeltaTable | None:
        held, self._held = self._held, None
        try:
            self._held = self._loop.handles.newest(held)
        except TableNotFoundError:
            if self._operation.creates:
                return None
            raise
        return self._held.table

    def _transaction_in(self, table: DeltaTable) -> int | None:
        if self._operation.transaction is None:
            return None
        app_id, app_version = self._operation.transaction
        stored = table.transaction_version(app_id)
        if self._is_new:
            self._txn_version = stored
            return table.version() if stored is not None and stored >= app_version else None
        if stored != self._txn_version:
            raise ConflictFound(
                Conflict.CONCURRENT_TRANSACTION,
                f"another writer committed version {stored} of application id {app_id!r} meanwhile",
                "One writer at a time may use an application id. If the other was a restart of this "
                "one, send it again: what landed is answered as already committed.",
            )
        return None

    def _hold_to_metadata(self, table: DeltaTable) -> None:
        now = TableMetadata.of(table)
        before, self._metadata = self._metadata, now
        change = None if before is None else before.change(now)
        if before is not None and change is not None:
            conflict, reason = change
            advice = "Run it again: it is then worked out under the table's rules of today."
            broken = None
            if conflict not in self._loop.policy.fatal:
                broken = before.broken_by(now)
                advice = f"It can't be worked out again: {broken}."
            if conflict in self._loop.policy.fatal or broken is not None:
                raise ConflictFound(conflict, reason, advice)
        if self._operation.removes_rows and now.takes_appends_only:
            raise ConflictFound(
                Conflict.APPEND_ONLY,
                "the table takes appends only (delta.appendOnly)",
                "Append instead, or unset the property.",
            )

    def _before(self, table: DeltaTable | None) -> CommitPlan:
        operation = self._operation
        plan = CommitPlan(
            uri=self._loop.uri,
            operation=operation.name,
            read_version=self._read_version,
            attempt=max(self._attempts, 1),
            operation_id=operation.operation_id,
            removes_rows=operation.removes_rows,
            configuration={} if table is None else table.metadata().configuration,
            changes=operation.changes,
            changes_schema=operation.changes_schema,
            storage=self._loop.storage,
        )
        for hook in self._loop.hooks:
            hook.before_commit(plan)
        self._hooks_saw = (self._read_version,)
        return plan

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

    def _after_error(self, error: Exception, waits: list[float]) -> Outcome:
        verdict = classify(error, self._operation.name)
        known = self._look_again()
        if self._loop.on_attempt is not None:
            self._loop.on_attempt(
                AttemptEvent(
                    operation=self._operation.name,
                    operation_id=self._operation.operation_id,
                    attempt=self._attempts,
                    read_version=self._read_version,
                    verdict=verdict,
                    landed=self._landed is not None,
                    winners=tuple(self._winners),
                )
            )
        logger.info(
            "%s attempt %d on version %s: %s (%s)",
            self._operation.name, self._attempts, self._read_version, verdict.conflict, verdict.reason,
        )  # fmt: skip
        if self._landed is not None:
            return self._outcome(Status.LANDED_AFTER_ERROR, self._landed, {}, waits)
        if known and verdict.conflict is Conflict.COMMIT_FAILED and not self._may_pass(error):
            raise error
        self._conflicts.append(verdict.conflict)
        if verdict.conflict is Conflict.COMMIT_FAILED and not self._is_local:
            self._in_flight_version = 0 if self._read_version is None else self._read_version + 1
        if verdict.action is Action.ABORT or verdict.conflict in self._loop.policy.fatal:
            if isinstance(error, ConflictFound):
                raise self._found(error)
            raise self._error(ConflictError, error, verdict, "Trying again can't help.")
        raise self._retry_error(error, verdict, known)

    def _may_pass(self, error: Exception) -> bool:
        """Whether waiting may help: not where the input is wrong, nor where the store says no."""
        storage = self._loop.storage
        if not is_transient(error) or storage is None:
            return is_transient(error)
        return not isinstance(storage.failure_of(error, self._loop.uri), _REFUSALS)

    @property
    def _is_local(self) -> bool:
        """Whether a request that failed is over, so that it can't be carried out later."""
        storage = self._loop.storage
        return storage is None or isinstance(storage, LocalProfile)

    def _retry_error(self, error: Exception, verdict: Verdict, known: bool) -> _RetryError:
        advice = "Run it again, or allow more attempts."
        if self._in_flight_version is not None and (
            self._scanned_to is None or self._scanned_to < self._in_flight_version
        ):
            known = False
        if not known:
            advice = f"Look in the log for operation {self._operation.operation_id} before running it again."
        return _RetryError(self._error(RetriesExhausted, error, verdict, advice, known))

    def _look_again(self) -> bool:
        """Look through what was committed meanwhile; whether the log could be read."""
        try:
            self._look_through(self._fresh())
        except Exception as error:
            if not is_transient(error):
                raise
            return False
        return True

    def _look_through(self, table: DeltaTable | None) -> None:
        """Find the operation, and those that won, among the commits since the last look."""
        if table is None:
            return
        newer = table.version() - (-1 if self._scanned_to is None else self._scanned_to)
        for commit in reversed(table.history(newer) if newer > 0 else []):
            operation_id = commit.get(OPERATION_ID)
            version = int(commit["version"])
            named = commit.get("operation", "unknown")
            if operation_id == self._operation.operation_id:
                if named not in _ANNOUNCEMENTS:
                    self._landed = version
            else:
                other = ConcurrentCommit(
                    version=version, operation=named, operation_id=operation_id
                )
                self._winners.append(other)
        self._scanned_to = max(
            table.version(), -1 if self._scanned_to is None else self._scanned_to
        )

    def _found(self, found: ConflictFound) -> ConflictError:
        """The error for a conflict that no commit was tried for: it ends the operation."""
        verdict = Verdict(found.conflict, Action.ABORT, str(found))
        return self._error(ConflictError, found, verdict, found.advice)

    def _error(
        self,
        kind: type[ConflictError],
        error: Exception,
        verdict: Verdict,
        advice: str,
        known: bool = True,
    ) -> ConflictError:
        name = self._operation.name.upper()
        fate = "Nothing of it was committed" if known else "Whether it was committed is unknown"
        won = [w for w in self._winners if w.version > (self._read_version or -1)] or self._winners
        by = f"; {won[0]} won" if len(won) == 1 else ""
        if len(won) > 1:
            by = f"; {won[0]} to {won[-1]} won"
        said = "" if isinstance(error, ConflictFound) else f" deltalake says: {error}"
        raised = kind(
            f"{name} of {self._loop.uri} read version {self._read_version}; {verdict.reason} "
            f"({verdict.conflict}){by}. {fate} after {self._attempts} attempt(s). {advice}{said}",
            operation=self._operation.name,
            read_version=self._read_version,
            verdict=verdict,
            attempts=self._attempts,
            winners=tuple(self._winners),
            landed=False if known else None,
        )
        raised.__cause__ = error
        return raised

    def _outcome(
        self, status: Status, version: int | None, metrics: dict[str, Any], waits: list[float]
    ) -> Outcome:
        return Outcome(
            operation=self._operation.name,
            version=version,
            read_version=self._read_version,
            attempts=self._attempts,
            status=status,
            operation_id=self._operation.operation_id,
            conflicts=tuple(self._conflicts),
            winners=tuple(self._winners),
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
    if isinstance(error, (OSError, CommitFailedError)):
        return True
    return type(error) is DeltaError and _TRANSIENT.search(str(error)) is not None
