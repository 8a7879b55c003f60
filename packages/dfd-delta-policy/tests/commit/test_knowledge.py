"""What is known of a commit: every transition, and that no belief is ever better than the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from dfd_delta_policy.commit.knowledge import (
    NO_VERSION,
    Answered,
    Found,
    Knowledge,
    Landed,
    NotLanded,
    NotSent,
    Observation,
    Searched,
    Sent,
    Unknown,
    learn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FOUND: list[tuple[Knowledge, Observation, Knowledge]] = [
    (NotLanded(3), Found(5), Landed(5)),
    (Unknown(3, (4,)), Found(4), Landed(4)),
    (Landed(4), Found(5), Landed(4)),
]
SENT: list[tuple[Knowledge, Observation, Knowledge]] = [
    (NotLanded(NO_VERSION), Sent(0), Unknown(NO_VERSION, (0,))),
    (Unknown(3, (4,)), Sent(4), Unknown(3, (4, 4))),
    (Unknown(3, is_unsearched=True), Sent(4), Unknown(3, (4,), is_unsearched=True)),
    (Landed(4), Sent(5), Landed(4)),
]
NOT_SENT: list[tuple[Knowledge, Observation, Knowledge]] = [
    (Unknown(3, (4,)), NotSent(), NotLanded(3)),
    (Unknown(3, (4, 4)), NotSent(), Unknown(3, (4,))),
    (Unknown(3, (4,), is_unsearched=True), NotSent(), Unknown(3, is_unsearched=True)),
    (NotLanded(3), NotSent(), NotLanded(3)),
]
ANSWERED: list[tuple[Knowledge, Observation, Knowledge]] = [
    (Unknown(3, (4,)), Answered(), Unknown(3, is_unsearched=True)),
    (Unknown(3, (4, 4)), Answered(), Unknown(3, (4,), is_unsearched=True)),
    (NotLanded(3), Answered(), NotLanded(3)),
    (Landed(4), Answered(), Landed(4)),
]
SEARCHED: list[tuple[Knowledge, Observation, Knowledge]] = [
    (NotLanded(3), Searched(5, 5), NotLanded(5)),
    # A table that was made anew has lower versions.
    (NotLanded(3), Searched(3, 1), NotLanded(3)),
    # Nothing was sent, so that nothing of it can have been in what is gone.
    (NotLanded(3), Searched(3, 5), NotLanded(5)),
    (Unknown(3, is_unsearched=True), Searched(3, 3), NotLanded(3)),
    (Unknown(NO_VERSION, is_unsearched=True), Searched(-1, -1), NotLanded(NO_VERSION)),
    # Nobody has the version yet that the request was for.
    (Unknown(3, (4,)), Searched(3, 3), Unknown(3, (4,))),
    (Unknown(3, (4, 4), is_unsearched=True), Searched(3, 3), Unknown(3, (4, 4))),
    # It is another's.
    (Unknown(3, (4, 4), is_unsearched=True), Searched(5, 5), NotLanded(5)),
    (Unknown(3, (4,)), Searched(4, 4), NotLanded(4)),
    # Version 4 is gone from the log, and may have been the commit.
    (Unknown(3, (4,)), Searched(3, 9), Unknown(3, (4,))),
    (Unknown(3, is_unsearched=True), Searched(3, 9), Unknown(3, is_unsearched=True)),
    (Landed(4), Searched(9, 9), Landed(4)),
]


@pytest.mark.parametrize(
    ("known", "seen", "after"), [*FOUND, *SENT, *NOT_SENT, *ANSWERED, *SEARCHED]
)
def test_an_observation(known: Knowledge, seen: Observation, after: Knowledge) -> None:
    assert learn(known, seen) == after


class World(NamedTuple):
    """A log, the requests on their way to it, and what their writer believes.

    `log` tells of each version whether its commit is the writer's; those before `kept_from` are gone from the log.
    `on_their_way` got no answer, and are carried out late or never.
    """

    log: tuple[bool, ...]
    known: Knowledge
    kept_from: int = 0
    on_their_way: tuple[int, ...] = ()
    asking: int | None = None

    def learns(self, seen: Observation, **changes: Any) -> World:
        return self._replace(known=learn(self.known, seen), **changes)

    def with_commit(self, version: int) -> tuple[bool, ...]:
        """The log after a request for a version was carried out."""
        return (*self.log, True) if version == len(self.log) else self.log

    def search(self) -> Observation:
        """What a search of the log sees."""
        assert not isinstance(self.known, Landed)
        after, newest = self.known.searched_to, len(self.log) - 1
        there = range(max(after + 1, self.kept_from), newest + 1)
        mine = [version for version in there if self.log[version]]
        if mine:
            return Found(mine[-1])
        return Searched(newest if self.kept_from <= after + 1 else after, newest)


def moves(world: World) -> Iterator[World]:
    """All that may happen next. The writer follows the loop's rule: it searches before it sends."""
    yield world._replace(log=(*world.log, False))
    if len(world.log) > world.kept_from + 1:
        yield world._replace(kept_from=world.kept_from + 1)
    for index, version in enumerate(world.on_their_way):
        left = world.on_their_way[:index] + world.on_their_way[index + 1 :]
        yield world._replace(on_their_way=left)
        yield world._replace(on_their_way=left, log=world.with_commit(version))
    if world.asking is not None:
        yield world.learns(NotSent(), asking=None)
        yield world.learns(Answered(), asking=None)
        yield world.learns(Answered(), asking=None, log=world.with_commit(world.asking))
        given_up = (*world.on_their_way, world.asking)
        yield world._replace(asking=None, on_their_way=given_up)
    elif not isinstance(world.known, Landed):
        searched = world.learns(world.search())
        yield searched
        if not isinstance(searched.known, Landed):
            next_version = searched.known.searched_to + 1
            yield searched.learns(Sent(next_version), asking=next_version)


def beginnings() -> list[World]:
    """A table of so many versions, or none, which the writer has opened."""
    return [World((False,) * newest, NotLanded(newest - 1)) for newest in range(3)]


def check(world: World) -> None:
    """No belief is better than the truth."""
    if isinstance(world.known, NotLanded):
        assert not any(world.log)
        assert [version for version in world.on_their_way if version >= len(world.log)] == []
        assert world.asking is None
    if isinstance(world.known, Landed):
        assert world.log[world.known.version]


def is_small(world: World) -> bool:
    in_flight = world.known.in_flight if isinstance(world.known, Unknown) else ()
    return len(world.log) <= 4 and len(world.on_their_way) <= 2 and len(in_flight) <= 3


def test_no_belief_is_better_than_the_truth() -> None:
    """In any order of what may happen, as long as it is little: each world that can be reached is looked at."""
    seen: set[World] = set()
    reached = beginnings()
    while reached:
        world = reached.pop()
        if world in seen or not is_small(world):
            continue
        seen.add(world)
        check(world)
        for after in moves(world):
            assert not isinstance(world.known, Landed) or after.known == world.known
            reached.append(after)
    assert {type(world.known) for world in seen} == {NotLanded, Unknown, Landed}
    assert len(seen) > 1_000


@given(st.sampled_from(beginnings()), st.lists(st.integers(0, 99), max_size=60))
@settings(deadline=None)
def test_no_belief_is_better_than_the_truth_in_a_long_run(world: World, choices: list[int]) -> None:
    for choice in choices:
        possible = list(moves(world))
        world = possible[choice % len(possible)]
        check(world)
    if isinstance(world.known, Unknown) and world.asking is None:
        # With nothing on its way and nothing lost, one search makes it certain.
        world = world._replace(on_their_way=(), log=(*world.log, False, False), kept_from=0)
        assert isinstance(
            learn(world.known, world.search()), NotLanded if not any(world.log) else Landed
        )
