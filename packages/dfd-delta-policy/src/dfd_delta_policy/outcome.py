"""The outcome of an operation, and the commits of others on its way."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
from dfd_base import renamed

from dfd_delta_policy.conflict import Conflict, Verdict


class Status(str, Enum):
    """The end of an operation that did not fail."""

    COMMITTED = "committed"
    ALREADY_COMMITTED = "already_committed"
    LANDED_AFTER_ERROR = "landed_after_error"
    NOTHING_TO_DO = "nothing_to_do"

    def __str__(self) -> str:
        return self.value


class ConcurrentCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that took a version before the operation could.

    `operation` as the history names it, `operation_id` where dfd committed it.
    """

    version: int
    operation: str
    operation_id: str | None = None

    def __str__(self) -> str:
        return f"version {self.version} ({self.operation})"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The version that holds the operation (None: not tied to one), and how it came there.

    `read_version` is the version that its last attempt stood on (None: there was no table yet),
    `conflicts` are those met on the way, `winners` the commits of others since the operation first
    read the table, `waited_s` the seconds spent waiting between attempts, `metrics` what deltalake or
    the stage counted.
    """

    operation: str
    version: int | None
    read_version: int | None
    attempts: int
    status: Status
    operation_id: str
    conflicts: tuple[Conflict, ...] = ()
    winners: tuple[ConcurrentCommit, ...] = ()
    waited_s: float = 0.0
    metrics: dict[str, Any] = {}


class AttemptEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that failed: for logs and spans. `winners` as in `Outcome`."""

    operation: str
    operation_id: str
    attempt: int
    read_version: int | None
    verdict: Verdict
    landed: bool
    winners: tuple[ConcurrentCommit, ...] = ()


if TYPE_CHECKING:
    Winner = ConcurrentCommit
else:
    __getattr__ = renamed(__name__, {"Winner": "ConcurrentCommit"})
