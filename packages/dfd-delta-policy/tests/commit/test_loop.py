"""The loop: one attempt after another, each looked up before the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from dfd_delta_policy import (
    Action,
    AttemptEvent,
    CommitPlan,
    Conflict,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    Outcome,
    RetriesExhausted,
    Status,
)
from dfd_delta_policy.backend.protocol import LoggedCommit
from dfd_delta_policy.backend.pyarrow import PlainTables
from dfd_delta_policy.commit.attempts import CommitTarget
from dfd_delta_policy.commit.handles import Handle, Handles
from dfd_delta_policy.commit.knowledge import Knowledge, Landed, NotLanded
from dfd_delta_policy.commit.log_search import CommitsSince
from dfd_delta_policy.commit.loop import CommitLoop
from dfd_delta_policy.commit.operation import OPERATION_ID, Attempt, Done, Operation
from dfd_storage import DirectoryRefused

ROW = pa.table({"n": [1]})


def append(attempt: Attempt, target: Path) -> Done:
    """A real commit."""
    write_deltalake(attempt.table or target, ROW, mode="append", commit_properties=attempt.commit)
    return Done(DeltaTable(target).version(), {})


def loop(
    path: Path,
    clock: Any,
    events: list[AttemptEvent] | None = None,
    handles: Handles | None = None,
    commits_since: CommitsSince | None = None,
    **bounds: Any,
) -> CommitLoop:
    def read(version: int, last: int | None) -> list[Any]:
        return PlainTables().commits_since(str(path), version=version, last=last)

    target = CommitTarget(
        uri=str(path),
        handles=handles or Handles(str(path), dict),
        commits_since=commits_since or read,
        policy=DeltaRetryPolicy(**bounds),
        on_attempt=None if events is None else events.append,
    )
    return CommitLoop(target, clock.as_clock())


def operation(attempt: Callable[[Attempt], Done], **fields: Any) -> Operation:
    return Operation("append", "op-1", False, attempt, creates=True, **fields)


@pytest.mark.parametrize(
    "lost",
    [
        OSError("the connection was reset"),
        CommitFailedError("Failed to commit transaction: 15"),
        DeltaError("Generic error: Invalid table version"),
    ],
)
def test_a_commit_whose_answer_was_lost_is_found(
    tmp_path: Path, clock: Any, lost: Exception
) -> None:
    def attempt(attempt: Attempt) -> Done:
        append(attempt, tmp_path / "t")
        raise lost

    events: list[AttemptEvent] = []
    outcome = loop(tmp_path / "t", clock, events).run(operation(attempt))
    assert (outcome.status, outcome.version, outcome.attempts) == (Status.LANDED_AFTER_ERROR, 0, 1)
    assert DeltaTable(tmp_path / "t").version() == 0
    assert [event.landed for event in events] == [True]


def test_a_commit_that_lands_late_is_found_before_the_next_attempt(
    tmp_path: Path, clock: Any
) -> None:
    """The store answers with an error, and keeps the commit while the loop waits."""
    kept: list[Attempt] = []

    def attempt(attempt: Attempt) -> Done:
        kept.append(attempt)
        raise OSError("timed out")

    late = clock.sleep
    clock.sleep = lambda seconds: (late(seconds), append(kept[0], tmp_path / "t"))
    outcome = loop(tmp_path / "t", clock).run(operation(attempt))
    assert (outcome.status, outcome.attempts) == (Status.LANDED_AFTER_ERROR, 2)
    assert len(kept) == 1
    assert DeltaTable(tmp_path / "t").version() == 0


def test_every_attempt_has_a_fresh_handle_and_strict_properties(tmp_path: Path, clock: Any) -> None:
    write_deltalake(tmp_path / "t", ROW)
    seen: list[int] = []

    def attempt(attempt: Attempt) -> Done:
        assert attempt.table is not None
        assert attempt.commit.max_commit_retries == 0
        seen.append(attempt.table.version())
        if len(seen) < 3:
            write_deltalake(tmp_path / "t", ROW, mode="append")
        return append(attempt, tmp_path / "t")

    outcome = loop(tmp_path / "t", clock).run(operation(attempt))
    assert seen == [0, 1, 2]
    assert (outcome.version, outcome.attempts) == (3, 3)
    assert outcome.conflicts == (Conflict.CONCURRENT_WRITE,) * 2
    assert outcome.waited_s == pytest.approx(sum(clock.slept))


def test_waits_grow_to_the_cap(tmp_path: Path, clock: Any) -> None:
    def attempt(attempt: Attempt) -> Done:
        raise CommitFailedError("Failed to commit transaction: 15")

    with pytest.raises(RetriesExhausted) as caught:
        loop(tmp_path / "t", clock, attempts=5, base_s=1, cap_s=10).run(operation(attempt))
    assert clock.slept == [3, 9, 10, 10]
    error = caught.value
    assert (error.operation, error.attempts, error.read_version) == ("append", 5, None)
    assert error.verdict.conflict is Conflict.CONCURRENT_WRITE
    assert "Nothing of it was committed after 5 attempt(s)" in str(error)
    assert isinstance(error.__cause__, CommitFailedError)


def test_no_attempt_starts_after_the_timeout(tmp_path: Path, clock: Any) -> None:
    starts: list[float] = []

    def attempt(attempt: Attempt) -> Done:
        starts.append(clock.seconds)
        raise CommitFailedError("Failed to commit transaction: 15")

    with pytest.raises(RetriesExhausted):
        loop(tmp_path / "t", clock, attempts=1000, timeout_s=20, base_s=1, cap_s=7).run(
            operation(attempt)
        )
    assert starts[-1] <= 20
    assert len(starts) > 2


def test_a_fatal_conflict_ends_at_once(tmp_path: Path, clock: Any) -> None:
    def attempt(attempt: Attempt) -> Done:
        raise CommitFailedError("Failed to commit transaction: Metadata changed since last commit.")

    with pytest.raises(ConflictError) as caught:
        loop(tmp_path / "t", clock).run(operation(attempt))
    assert not isinstance(caught.value, RetriesExhausted)
    assert caught.value.verdict.action is Action.ABORT
    assert clock.slept == []


def test_an_error_of_the_input_is_raised_as_it_is(tmp_path: Path, clock: Any) -> None:
    def attempt(attempt: Attempt) -> Done:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        loop(tmp_path / "t", clock).run(operation(attempt))
    assert clock.slept == []


@pytest.mark.parametrize(
    "gone",
    [OSError("the store is gone"), DeltaError("Error interacting with object store: it is gone")],
)
def test_when_the_log_cannot_be_read_the_fate_is_said_to_be_unknown(
    tmp_path: Path, clock: Any, gone: Exception
) -> None:
    write_deltalake(tmp_path / "t", ROW)

    def unreadable(version: int, last: int | None) -> list[LoggedCommit]:
        raise gone

    def attempt(attempt: Attempt) -> Done:
        raise OSError("the store is gone")

    one = loop(tmp_path / "t", clock, commits_since=unreadable, attempts=1)
    with pytest.raises(RetriesExhausted, match=r"unknown.*op-1"):
        one.run(operation(attempt))


def test_the_commit_carries_what_finds_it_again(tmp_path: Path, clock: Any) -> None:
    loop(tmp_path / "t", clock).run(
        operation(lambda a: append(a, tmp_path / "t"), metadata={"dfd.run_id": "r"})
    )
    (commit,) = DeltaTable(tmp_path / "t").history()
    assert commit[OPERATION_ID] == "op-1"
    assert (commit["dfd.run_id"], commit["dfd.operation"]) == ("r", "APPEND")


def test_max_commit_retries_zero_is_strict(tmp_path: Path) -> None:
    """The loop stands on this: deltalake commits at exactly the next version, or fails."""
    write_deltalake(tmp_path / "t", ROW)
    stale = DeltaTable(tmp_path / "t")
    write_deltalake(tmp_path / "t", ROW, mode="append")
    strict = CommitProperties(max_commit_retries=0)
    with pytest.raises(CommitFailedError, match=r": \d+$"):
        write_deltalake(stale, ROW, mode="append", commit_properties=strict)


def test_a_table_reports_its_failed_attempts(table: GuardedTable) -> None:
    class Meddle:
        def before_commit(self, plan: CommitPlan) -> None:
            if plan.attempt == 1:
                table.append(pa.table({"id": [8], "s": ["m"]}))

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    events: list[AttemptEvent] = []
    guarded = GuardedTable(
        table.uri, hooks=[Meddle()], on_attempt=events.append, clock=table._loop.clock
    )
    outcome = guarded.append(pa.table({"id": [9], "s": ["z"]}))
    assert outcome.attempts == 2
    (event,) = events
    assert (event.attempt, event.read_version, event.landed) == (1, outcome.version - 2, False)
    assert event.operation_id == outcome.operation_id


def test_an_outcome_says_what_it_stood_on_and_who_won(table: GuardedTable) -> None:
    """Of an operation that works within its attempts, as without dfd-native."""
    kept: list[Outcome] = []

    class Meddle:
        def before_commit(self, plan: CommitPlan) -> None:
            if plan.attempt == 1:
                kept.append(table.delete("id = 1"))

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    guarded = GuardedTable(table.uri, hooks=[Meddle()], clock=table._loop.clock)
    guarded._native = None
    outcome = guarded.update({"s": "'x'"})
    assert (outcome.operation, outcome.read_version, outcome.version) == ("update", 1, 2)
    (winner,) = outcome.winners
    assert (winner.version, winner.operation) == (1, "DELETE")
    assert winner.operation_id == kept[0].operation_id

    class Always(Meddle):
        def before_commit(self, plan: CommitPlan) -> None:
            table.delete(f"id = {plan.attempt}")

    bounds = DeltaRetryPolicy(attempts=2)
    guarded = GuardedTable(table.uri, policy=bounds, hooks=[Always()], clock=table._loop.clock)
    guarded._native = None
    table.append(pa.table({"id": [1, 2], "s": ["y", "y"]}))
    with pytest.raises(RetriesExhausted, match=r"version 5 \(DELETE\) won") as caught:
        guarded.update({"s": "'x'"})
    assert [winner.version for winner in caught.value.winners] == [4, 5]


@pytest.mark.parametrize("version", [4, 5, 6])
def test_two_writers_of_one_application_id_are_told(table: GuardedTable, version: int) -> None:
    row = pa.table({"id": [9], "s": ["z"]})
    table.append(row, app_id="loader", app_version=3)

    class Overtake:
        def before_commit(self, plan: CommitPlan) -> None:
            if plan.attempt == 1:
                table.append(row, app_id="loader", app_version=version)

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    late = GuardedTable(table.uri, hooks=[Overtake()], clock=table._loop.clock)
    with pytest.raises(ConflictError, match="application id 'loader'") as caught:
        late.append(row, app_id="loader", app_version=5)
    assert caught.value.verdict.conflict is Conflict.CONCURRENT_TRANSACTION
    assert caught.value.verdict.action is Action.ABORT
    assert table.version() == 2


def test_a_store_that_fails_between_attempts_is_tried_again(tmp_path: Path, clock: Any) -> None:
    write_deltalake(tmp_path / "t", ROW)

    class Unsteady(Handles):
        answers = iter([True, False, True])

        def newest(self, held: Handle | None) -> Handle:
            if next(self.answers, True):
                return super().newest(held)
            raise OSError("503 slow down")

    tries = iter([OSError("503 slow down"), None])

    def attempt(attempt: Attempt) -> Done:
        if (error := next(tries)) is not None:
            raise error
        return append(attempt, tmp_path / "t")

    unsteady = Unsteady(str(tmp_path / "t"), dict)
    outcome = loop(tmp_path / "t", clock, handles=unsteady).run(operation(attempt))
    assert (outcome.version, outcome.attempts) == (1, 3)


def test_a_store_that_says_no_is_not_asked_again(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"n": [1], "p": ["x"]}), partition_by=["p"])
    (tmp_path / "t/p=y").write_text("no directory")
    table = GuardedTable(tmp_path / "t")
    with pytest.raises(DirectoryRefused):
        table.append(pa.table({"n": [2], "p": ["y"]}), schema_mode="merge")
    assert table.version() == 0


def test_a_commit_whose_version_the_log_has_lost_is_not_made_again(
    tmp_path: Path, clock: Any
) -> None:
    """The answer is lost, the log can't be read for a while, and when it can, the version's file is gone."""
    root = tmp_path / "t"
    write_deltalake(root, ROW)
    committed: list[int] = []

    def attempt(attempt: Attempt) -> Done:
        committed.append(append(attempt, root).version or 0)
        raise OSError("the connection was reset")

    def others_commit_and_the_log_is_cleaned_up(seconds: float) -> None:
        for _ in range(2):
            write_deltalake(root, ROW, mode="append")
        DeltaTable(root).create_checkpoint()
        for version in range(3):
            (root / f"_delta_log/{version:020}.json").unlink()

    def read(version: int, last: int | None) -> list[Any]:
        if DeltaTable(root).version() == 1:
            raise OSError("503 slow down")
        return PlainTables().commits_since(str(root), version=version, last=last)

    clock.sleep = others_commit_and_the_log_is_cleaned_up
    with pytest.raises(
        ConflictError, match=r"version 1 is gone from the log.*unknown.*op-1"
    ) as caught:
        loop(root, clock, commits_since=read).run(operation(attempt))
    assert caught.value.landed is None
    assert committed == [1]


def test_what_the_log_lost_before_anything_was_sent_is_no_matter(
    tmp_path: Path, clock: Any
) -> None:
    root = tmp_path / "t"
    write_deltalake(root, ROW)

    def stage(table: DeltaTable | None) -> dict[str, Any]:
        for _ in range(2):
            write_deltalake(root, ROW, mode="append")
        DeltaTable(root).create_checkpoint()
        for version in range(2):
            (root / f"_delta_log/{version:020}.json").unlink()
        return {}

    outcome = loop(root, clock).run(operation(lambda a: append(a, root), stage=stage))
    assert (outcome.version, outcome.attempts) == (3, 1)
    assert [winner.version for winner in outcome.winners] == [2]


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_fatal_conflict_says_what_is_known(tmp_path: Path, clock: Any, is_readable: bool) -> None:
    write_deltalake(tmp_path / "t", ROW)

    def attempt(attempt: Attempt) -> Done:
        raise CommitFailedError("Failed to commit transaction: Metadata changed since last commit.")

    def unreadable(version: int, last: int | None) -> list[LoggedCommit]:
        raise OSError("gone")

    one = loop(tmp_path / "t", clock, commits_since=None if is_readable else unreadable)
    with pytest.raises(ConflictError) as caught:
        one.run(operation(attempt))
    assert caught.value.landed is (False if is_readable else None)
    assert ("Nothing of it was committed" in str(caught.value)) is is_readable


def test_an_operation_is_told_what_became_of_it(tmp_path: Path, clock: Any) -> None:
    told: list[Knowledge] = []

    def run(attempt: Callable[[Attempt], Done]) -> None:
        given = operation(attempt, close=lambda settled: told.append(settled()))
        loop(tmp_path / "t", clock, attempts=1).run(given._replace(operation_id=f"op-{len(told)}"))

    def interrupted(attempt: Attempt) -> Done:
        append(attempt, tmp_path / "t")
        raise KeyboardInterrupt

    def refused(attempt: Attempt) -> Done:
        raise InvalidOperation("no")

    def of_the_input(attempt: Attempt) -> Done:
        raise ValueError("no such column")

    run(lambda attempt: append(attempt, tmp_path / "t"))
    with pytest.raises(InvalidOperation):
        run(refused)
    write_deltalake(tmp_path / "t", ROW, mode="append")
    with pytest.raises(ValueError, match="no such column"):
        run(of_the_input)
    assert told == [Landed(0), NotLanded(0), NotLanded(1)]
    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    assert told[-1] == Landed(2)
