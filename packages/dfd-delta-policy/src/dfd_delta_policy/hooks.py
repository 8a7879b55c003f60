"""Rules of the user's around every commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from dfd_delta_policy.errors import OperationRefused

if TYPE_CHECKING:
    from dfd_delta_policy.outcome import Outcome


class CommitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be tried.

    `read_version` is None when the operation would create the table. `removes_rows` tells whether
    rows could be gone afterwards (a compaction removes files, but no rows).
    """

    uri: str
    operation: str
    read_version: int | None
    attempt: int
    operation_id: str
    removes_rows: bool
    configuration: Mapping[str, Any]


@runtime_checkable
class CommitHook(Protocol):
    """Called around every attempt; what `before_commit` raises stops the operation."""

    def before_commit(self, plan: CommitPlan) -> None:
        """Called on every attempt, after the snapshot it stands on was read."""

    def after_commit(self, outcome: Outcome) -> None:
        """Called once, when the operation is done."""


class AppendOnly:
    """Refuses every operation that could remove rows, restore included."""

    def before_commit(self, plan: CommitPlan) -> None:
        """Raise OperationRefused unless the plan keeps all rows."""
        if plan.removes_rows:
            raise OperationRefused(
                f"{plan.operation.upper()} could remove rows of {plan.uri}, which is append-only. "
                "Nothing was committed. Append instead, or drop the AppendOnly hook."
            )

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""
