"""The public API as a user's type checker sees it."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from dfd_delta_policy import (
    Action,
    AppendOnly,
    Audit,
    CommitHook,
    CommitPlan,
    ConcurrentCommit,
    Conflict,
    DeltaRetryPolicy,
    GuardedTable,
    Outcome,
    RequireCommitSafety,
    RetryBounds,
    StageHook,
    Status,
    Upkeep,
    UpkeepTask,
    UpkeepThresholds,
    Verdict,
    classify,
)
from dfd_storage import StorageProfile


class RowLimit:
    def before_commit(self, plan: CommitPlan) -> None:
        if plan.read_version is not None and plan.read_version > 10:
            raise RuntimeError(plan.operation)

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, object]) -> None:
        print(plan.changes, plan.changes_schema, plan.storage, staged["rows"])

    def after_commit(self, outcome: Outcome) -> None:
        print(outcome.version)


def use(data: pa.Table) -> None:
    hook: CommitHook = RowLimit()
    stage_hook: StageHook = RowLimit()
    safe: CommitHook = RequireCommitSafety()
    table = GuardedTable(
        "/data/t",
        storage=StorageProfile.from_uri("/data"),
        policy=DeltaRetryPolicy(
            attempts=3,
            timeout_s=10,
            on_metadata_change="replan",
            never_retry=frozenset({Conflict.CONCURRENT_WRITE}),
            operations={"merge": RetryBounds(attempts=20)},
        ),
        hooks=(AppendOnly(), hook),
    )
    hooked: GuardedTable = table.with_hooks(safe, hook)
    said: GuardedTable = hooked.with_commit_metadata({"userMetadata": "nightly"})
    newest: int = said.version()
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
    print(
        newest,
        version,
        status,
        conflicts,
        merged,
        action,
        table.optimize(),
        table.vacuum(dry_run=True),
    )
    winners: tuple[ConcurrentCommit, ...] = outcome.winners
    altered: list[Outcome] = [
        table.z_order(["id"], partition_filters=[("day", ">=", "2026-01-01")]),
        table.add_columns(pa.field("n", pa.int64())),
        table.add_constraint({"positive": "id > 0"}),
        table.drop_constraint("positive"),
        table.set_properties({"owner": "me"}),
        table.create_checkpoint(),
    ]
    wanted: Upkeep = table.upkeep(UpkeepThresholds(optimize_files=2))
    kept: list[Outcome] = [table.run_upkeep(task) for task in wanted.due]
    print(kept, UpkeepTask.OPTIMIZE in wanted.due)
    audit: Audit = table.audit(range(3))
    sound: int | None = audit.sound_version
    print(winners, altered, sound, stage_hook, safe, outcome.operation, outcome.read_version)
