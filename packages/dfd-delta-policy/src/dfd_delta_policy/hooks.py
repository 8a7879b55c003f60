"""Hooks: rules of the user's around every commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from dfd_delta_policy.errors import OperationRefused

if TYPE_CHECKING:
    from dfd_storage import StorageProfile

    from dfd_delta_policy.outcome import Outcome


class CommitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that is about to be made.

    `read_version` is None when the operation would create the table. `removes_rows` tells whether
    rows could be gone afterwards (a compaction removes files, but no rows). `configuration` are the
    table's properties now, `changes` those that the operation sets; `changes_schema` tells whether it
    could change the columns. `storage` is the profile of the table's store.
    """

    uri: str
    operation: str
    read_version: int | None
    attempt: int
    operation_id: str
    removes_rows: bool
    configuration: Mapping[str, Any]
    changes: Mapping[str, str] = {}
    changes_schema: bool = False
    storage: StorageProfile | None = None


@runtime_checkable
class CommitHook(Protocol):
    """Called around every attempt; what `before_commit` raises stops the operation."""

    def before_commit(self, plan: CommitPlan) -> None:
        """Called on every attempt, after the snapshot it stands on was read."""

    def after_commit(self, outcome: Outcome) -> None:
        """Called once, when the operation is done."""


@runtime_checkable
class StageHook(Protocol):
    """A hook that wants to see what was staged, before it is committed."""

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, Any]) -> None:
        """Called once the files are written; what it raises stops the operation and deletes them.

        `staged` has `rows`, `bytes` and `files`, and of a change of rows the counts of its outcome.
        """


class AppendOnly:
    """Refuses every operation that could remove rows, restore and lifting `delta.appendOnly` included."""

    def before_commit(self, plan: CommitPlan) -> None:
        """Raise OperationRefused unless the plan keeps all rows."""
        if plan.removes_rows:
            raise OperationRefused(
                f"{plan.operation.upper()} could remove rows of {plan.uri}, which is append-only. "
                "Nothing was committed. Append instead, or drop the AppendOnly hook."
            )
        lifted = plan.changes.get("delta.appendOnly")
        if lifted is not None and lifted != "true":
            raise OperationRefused(
                f"{plan.operation.upper()} would lift delta.appendOnly of {plan.uri}, which is append-only. "
                "Nothing was committed. Drop the AppendOnly hook first."
            )

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""


class RequireCommitSafety:
    """Refuses a store on which concurrent commits overwrite one another; always on.

    What nobody vouches for is raced once per process (`StorageProfile.probe`). A profile that asks
    for `commits="unsafe"` by name is let through as long as one process of this machine writes.
    """

    def before_commit(self, plan: CommitPlan) -> None:
        """Raise `dfd_storage.UnsafeStorage` unless the store keeps commits apart."""
        if plan.storage is not None:
            plan.storage.require_safe_commits(plan.uri)

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""
