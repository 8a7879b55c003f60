"""Errors that stop a mutation. Each says what happened, what became of the data, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfd_base import DfdError

if TYPE_CHECKING:
    from dfd_delta_policy.conflict import Verdict
    from dfd_delta_policy.outcome import ConcurrentCommit


class DeltaPolicyError(DfdError):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "delta_policy"


class InvalidPolicy(DeltaPolicyError, ValueError):
    """A policy can't be built; the message names the field."""

    code = "invalid_policy"


class InvalidOperation(DeltaPolicyError, ValueError):
    """The arguments of an operation contradict one another; nothing was tried."""

    code = "invalid_operation"


class OperationRefused(DeltaPolicyError):
    """A rule forbids the operation; nothing was committed."""

    code = "operation_refused"


class UnsupportedTable(DeltaPolicyError):
    """The table has a feature the operation can't honour; nothing was committed."""

    code = "unsupported_table"


class ConflictError(DeltaPolicyError):
    """An operation was not committed, as far as can be known.

    `operation`, `read_version` (None before the table existed), `verdict` of the last error,
    `attempts` made, and `winners`: what others committed since the operation first read the table.
    `landed` is False, or None where nobody can know: the log couldn't be read, or a request to an object
    store got no answer and may still be carried out.
    """

    code = "conflict"

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        read_version: int | None,
        verdict: Verdict,
        attempts: int,
        winners: tuple[ConcurrentCommit, ...] = (),
        landed: bool | None = False,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.read_version = read_version
        self.verdict = verdict
        self.attempts = attempts
        self.winners = winners
        self.landed = landed


class RetriesExhausted(ConflictError):
    """Conflicts that may be retried went on until the policy's attempts or time ran out."""

    code = "retries_exhausted"
