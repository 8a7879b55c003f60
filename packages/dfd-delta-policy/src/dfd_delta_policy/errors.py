"""What stops a mutation. Each says what happened, what became of the data, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfd_delta_policy.conflict import Verdict


class DeltaPolicyError(Exception):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "delta_policy"


class InvalidPolicy(DeltaPolicyError):
    """A policy can't be built; the message names the field."""

    code = "invalid_policy"


class InvalidOperation(DeltaPolicyError):
    """The arguments of an operation contradict one another; nothing was tried."""

    code = "invalid_operation"


class OperationRefused(DeltaPolicyError):
    """A rule forbids the operation; nothing was committed."""

    code = "operation_refused"


class UnsupportedTable(DeltaPolicyError):
    """The table has a feature the operation can't honour; nothing was committed."""

    code = "unsupported_table"


class ConflictError(DeltaPolicyError):
    """An operation was not committed.

    `operation`, `read_version` (None before the table existed), `verdict` of the last error,
    and `attempts` made.
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
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.read_version = read_version
        self.verdict = verdict
        self.attempts = attempts

    def __reduce__(self) -> tuple[Callable[[str], ConflictError], tuple[str]]:
        rebuild = partial(
            type(self),
            operation=self.operation,
            read_version=self.read_version,
            verdict=self.verdict,
            attempts=self.attempts,
        )
        return rebuild, (str(self),)


class RetriesExhausted(ConflictError):
    """Conflicts that may be retried went on until the policy's attempts or time ran out."""

    code = "retries_exhausted"
