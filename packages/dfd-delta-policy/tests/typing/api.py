"""The public API as a user's type checker sees it."""

from __future__ import annotations

import pyarrow as pa
from dfd_delta_policy import (
    Action,
    AppendOnly,
    CommitHook,
    CommitPlan,
    Conflict,
    DeltaRetryPolicy,
    GuardedTable,
    Outcome,
    Status,
    Verdict,
    classify,
)
from dfd_storage import StorageProfile


class RowLimit:
    def before_commit(self, plan: CommitPlan) -> None:
        if plan.read_version is not None and plan.read_version > 10:
            raise RuntimeError(plan.operation)

    def after_commit(self, outcome: Outcome) -> None:
        print(outcome.version)


def use(data: pa.Table) -> None:
    hook: CommitHook = RowLimit()
    table = GuardedTable(
        "/data/t",
        storage=StorageProfile.from_uri("/data"),
        policy=DeltaRetryPolicy(attempts=3, timeout_s=10),
        hooks=(AppendOnly(), hook),
    )
    outcome: Outcome = table.append(data, app_id="a", app_version=1)
    table.overwrite(data, sort_by=["a"])
    version: int | None = outcome.version
    status: Status = outcome.status
    conflicts: tuple[Conflict, ...] = outcome.conflicts
    merged: Outcome = (
        table.merge(data, "s.id = t.id", "s", "t")
        .when_matched_update({"a": "s.a"})
        .when_not_matched_insert_all()
        .execute()
    )
    verdict: Verdict = classify(OSError("x"), "append")
    action: Action = verdict.action
    print(version, status, conflicts, merged, action, table.optimize(), table.vacuum(dry_run=True))
