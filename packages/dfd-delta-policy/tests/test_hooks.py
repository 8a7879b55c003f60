"""Rules of the user's: asked on every attempt, and obeyed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import (
    AppendOnly,
    CommitHook,
    CommitPlan,
    GuardedTable,
    OperationRefused,
    Outcome,
    RequireCommitSafety,
    StageHook,
)
from dfd_storage import StorageProfile, UnsafeStorage

MORE = pa.table({"id": [9], "s": ["z"]})


class Recorder:
    """Keeps what it is called with; can write behind the operation's back, once."""

    def __init__(self, meddle: Callable[[], object] | None = None) -> None:
        self.plans: list[CommitPlan] = []
        self.outcomes: list[Outcome] = []
        self._meddle = meddle

    def before_commit(self, plan: CommitPlan) -> None:
        self.plans.append(plan)
        meddle, self._meddle = self._meddle, None
        if meddle is not None:
            meddle()

    def after_commit(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda t: t.overwrite(MORE), id="overwrite"),
        pytest.param(lambda t: t.delete("id = 1"), id="delete"),
        pytest.param(lambda t: t.update({"s": "'x'"}), id="update"),
        pytest.param(
            lambda t: t.merge(MORE, "s.id = t.id", "s", "t").when_matched_update_all().execute(),
            id="merge",
        ),
        pytest.param(lambda t: t.restore(0), id="restore"),
    ],
)
def test_append_only_refuses_what_could_remove_rows(table: GuardedTable, work: Any) -> None:
    guarded = GuardedTable(table.uri, hooks=[AppendOnly()])
    before = guarded.version()
    with pytest.raises(OperationRefused, match="Nothing was committed"):
        work(guarded)
    assert guarded.version() == before


@pytest.mark.parametrize("value", ["false", "False"])
def test_append_only_keeps_the_property(table: GuardedTable, value: str) -> None:
    guarded = GuardedTable(table.uri, hooks=[AppendOnly()])
    guarded.set_properties({"delta.appendOnly": "true"})
    with pytest.raises(OperationRefused, match="lift"):
        AppendOnly().before_commit(
            CommitPlan(
                uri=table.uri,
                operation="set_properties",
                read_version=0,
                attempt=1,
                operation_id="x",
                removes_rows=False,
                configuration={},
                changes={"delta.appendOnly": value},
            )
        )
    with pytest.raises(OperationRefused, match="lift"):
        guarded.set_properties({"delta.appendOnly": "false"})
    assert guarded.version() == 1
    assert GuardedTable(table.uri).set_properties({"delta.appendOnly": "false"}).version == 2


def test_append_only_lets_through_what_keeps_all_rows(table: GuardedTable, rows: Any) -> None:
    guarded = GuardedTable(table.uri, hooks=[AppendOnly()])
    guarded.append(MORE)
    guarded.merge(MORE, "s.id = t.id", "s", "t").when_not_matched_insert_all().execute()
    guarded.optimize()
    assert len(rows(guarded)) == 5


def test_called_on_every_attempt_with_the_snapshot_it_stands_on(table: GuardedTable) -> None:
    recorder = Recorder(lambda: write_deltalake(DeltaTable(table.uri), MORE, mode="append"))
    guarded = GuardedTable(table.uri, hooks=[recorder], clock=table._loop.clock)
    guarded._native = None
    outcome = guarded.update({"s": "'x'"})
    assert [(plan.attempt, plan.read_version) for plan in recorder.plans] == [(1, 0), (2, 1)]
    assert {plan.operation for plan in recorder.plans} == {"update"}
    assert recorder.outcomes == [outcome]
    assert (outcome.version, outcome.attempts) == (2, 2)


def test_a_hook_that_raises_leaves_nothing_behind(table: GuardedTable) -> None:
    class Refuse(Recorder):
        def before_commit(self, plan: CommitPlan) -> None:
            raise RuntimeError("maintenance window")

    directory = Path(table.uri.removeprefix("file://"))
    files = sorted(directory.rglob("*"))
    guarded = GuardedTable(table.uri, hooks=[Refuse()])
    for work in (lambda: guarded.append(MORE), lambda: guarded.delete(), guarded.optimize):
        with pytest.raises(RuntimeError, match="maintenance window"):
            work()
    assert sorted(directory.rglob("*")) == files


def test_the_hooks_are_of_their_protocols() -> None:
    assert isinstance(AppendOnly(), CommitHook)
    assert isinstance(RequireCommitSafety(), CommitHook)
    assert not isinstance(AppendOnly(), StageHook)


def test_a_plan_says_what_would_change(table: GuardedTable) -> None:
    recorder = Recorder()
    guarded = GuardedTable(table.uri, hooks=[recorder])
    guarded.append(MORE)
    guarded.set_properties({"owner": "me"})
    guarded.add_columns(pa.field("n", pa.int64()))
    guarded.append(pa.table({"id": [9], "s": ["z"], "m": [1]}), schema_mode="merge")
    assert [(dict(plan.changes), plan.changes_schema) for plan in recorder.plans] == [
        ({}, False),
        ({"owner": "me"}, False),
        ({}, True),
        ({}, True),
    ]
    assert {plan.storage.kind for plan in recorder.plans if plan.storage} == {"local"}


def test_no_commit_where_commits_overwrite_one_another(table: GuardedTable) -> None:
    """The race that finds it out is tested on a server that loses commits."""
    safe = RequireCommitSafety()
    recorder = Recorder()
    GuardedTable(table.uri, hooks=[recorder]).append(MORE)
    (plan,) = recorder.plans
    safe.before_commit(plan)

    read_only = StorageProfile.from_uri("https://example.invalid/lake")
    with pytest.raises(UnsafeStorage, match="nothing can be written"):
        safe.before_commit(msgspec.structs.replace(plan, storage=read_only))
