"""How far an operation has come: its attempts, what they met, and the texts that say so."""

from __future__ import annotations

from typing import Any, NamedTuple

from dfd_delta_policy.commit.knowledge import Knowledge, Landed, NotLanded
from dfd_delta_policy.conflict import Action, Conflict, ConflictFound, Verdict
from dfd_delta_policy.errors import ConflictError
from dfd_delta_policy.outcome import AttemptEvent, ConcurrentCommit, Outcome, Status


class Progress(NamedTuple):
    """The attempts of one operation so far; `read_version` and `winners` as in `Outcome`."""

    uri: str
    operation: str
    operation_id: str
    attempts: int = 0
    read_version: int | None = None
    conflicts: tuple[Conflict, ...] = ()
    winners: tuple[ConcurrentCommit, ...] = ()

    def outcome(
        self, status: Status, version: int | None, metrics: dict[str, Any], waited_s: float
    ) -> Outcome:
        """The outcome of the operation, which ends here."""
        return Outcome(
            operation=self.operation,
            version=version,
            read_version=self.read_version,
            attempts=self.attempts,
            status=status,
            operation_id=self.operation_id,
            conflicts=self.conflicts,
            winners=self.winners,
            waited_s=waited_s,
            metrics=metrics,
        )

    def event(self, verdict: Verdict, known: Knowledge) -> AttemptEvent:
        """The attempt that failed, for whoever is told of each."""
        return AttemptEvent(
            operation=self.operation,
            operation_id=self.operation_id,
            attempt=self.attempts,
            read_version=self.read_version,
            verdict=verdict,
            landed=isinstance(known, Landed),
            winners=self.winners,
        )

    def refused(self, found: ConflictFound, known: Knowledge) -> ConflictError:
        """The error for a conflict that no commit was tried for: it ends the operation."""
        verdict = Verdict(found.conflict, Action.ABORT, str(found))
        return self.error(ConflictError, found, verdict, known, found.advice)

    def error(
        self,
        kind: type[ConflictError],
        cause: Exception,
        verdict: Verdict,
        known: Knowledge,
        advice: str,
    ) -> ConflictError:
        """The error that ends the operation: what happened, what became of it, and what to do."""
        is_certain = isinstance(known, NotLanded)
        fate = (
            "Nothing of it was committed" if is_certain else "Whether it was committed is unknown"
        )
        if not is_certain:
            advice = f"Look in the log for operation {self.operation_id} before running it again."
        said = "" if isinstance(cause, ConflictFound) else f" deltalake says: {cause}"
        raised = kind(
            f"{self.operation.upper()} of {self.uri} read version {self.read_version}; "
            f"{verdict.reason} ({verdict.conflict}){self._by_whom()}. "
            f"{fate} after {self.attempts} attempt(s). {advice}{said}",
            operation=self.operation,
            read_version=self.read_version,
            verdict=verdict,
            attempts=self.attempts,
            winners=self.winners,
            landed=False if is_certain else None,
        )
        raised.__cause__ = cause
        return raised

    def _by_whom(self) -> str:
        after = -1 if self.read_version is None else self.read_version
        won = [winner for winner in self.winners if winner.version > after] or self.winners
        if len(won) > 1:
            return f"; {won[0]} to {won[-1]} won"
        return f"; {won[0]} won" if won else ""
