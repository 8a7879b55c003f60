"""A query's seconds are told apart: its steps, what is a part of them, and the user's own time."""

from __future__ import annotations

from datetime import datetime, timezone

from dfd_obs import Observer
from dfd_obs.preparation import Preparation

AT = datetime(2026, 1, 31, tzinfo=timezone.utc)


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def prepared(clock: Clock) -> Preparation:
    return Preparation("select 1", seconds=clock, now=lambda: AT)


def test_a_part_is_no_time_of_the_whole() -> None:
    clock = Clock()
    one = prepared(clock)
    with one.taking("plan"):
        clock.now_s += 1
        with one.taking("refresh"):
            clock.now_s += 2
        with one.taking("plan"):
            clock.now_s += 4
        clock.now_s += 8
        assert (one.total_s("plan"), one.total_s("refresh")) == (13, 2)
    clock.now_s += 16
    with one.taking("plan"):
        clock.now_s += 32
    assert (one.total_s("plan"), one.total_s("refresh")) == (45, 2)


def test_a_statement_ran_when_it_was_planned() -> None:
    clock = Clock()
    one = prepared(clock)
    with one.taking("plan"):
        clock.now_s += 1
        with one.taking("plan"):
            clock.now_s += 2
        one.ran()
    assert (one.total_s("plan"), one.total_s("execute")) == (1, 2)


def test_the_time_of_the_user_counts_for_nothing() -> None:
    clock = Clock()
    observer = Observer(seconds=clock)
    preparation = observer.prepare("select 1")
    with preparation.taking("refresh"):
        clock.now_s += 0.25
    with preparation.taking("plan"):
        clock.now_s += 0.5
    clock.now_s += 600  # the query is held
    scope = observer.start_query(preparation)
    clock.now_s += 64  # of which it ran 4
    scope.finish(rows=1, execution_s=4.0)
    (record,) = observer.records
    found = (record.refresh_s, record.planning_s, record.execution_s, record.consumer_s)
    assert found == (0.25, 0.5, 4.0, 660.0)
    assert record.duration_s == 4.75
    assert record.slow
