"""Random histories: three to six operations, each begun at some moment within another or after it.

Whatever the interleaving, every version of the table holds what plain Python makes of the log's order, and
each operation did what it says: once in the log, or not at all and for a reason.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies as st
from dfd_delta_policy import DeltaRetryPolicy, Status
from hypothesis import HealthCheck, given, settings
from model import Refused, Table
from operations import BASE, EVERY
from places import BEGINNING, VECTORS, Entry, Place
from race import Meanwhile, Writer

HISTORIES = 1_000 if os.environ.get("DFD_LONG") else 50


MOMENTS = (1, 2, 3, "reading", "staged")
# The properties that each table has from the beginning.
PROPERTIES = {"partitioned": set(), "whole": set(), "marked": VECTORS.keys()}


class Step(NamedTuple):
    """An operation of a writer, and when it begins: at a call of its host's `before_commit`, as the host reads its source or
    has staged its files; without a host when all before it are done."""

    operation: str
    writer: int
    host: int | None
    moment: int | str


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Three to six steps of two to four writers, each within an earlier one or after it."""
    steps = []
    writers = draw(st.integers(2, 4))
    for number in range(draw(st.integers(3, 6))):
        host = draw(st.none() | st.integers(0, number - 1)) if number else None
        moment = 0 if host is None else draw(st.sampled_from(MOMENTS))
        writer = draw(st.integers(1, writers))
        steps.append(Step(draw(st.sampled_from(list(EVERY))), writer, host, moment))
    return steps


class Done(NamedTuple):
    """What came of an operation, and how many commits there were as it began and ended."""

    entry: Entry
    result: str
    began: int
    ended: int


class History:
    """Steps on a table."""

    def __init__(self, place: Place, steps: list[Step], policy: DeltaRetryPolicy) -> None:
        self._place = place
        self._steps = steps
        self._writers = {step.writer: Writer(place, policy) for step in steps}
        self._begun: set[int] = set()
        self.done: list[Done] = []

    def play(self) -> list[Done]:
        """Do every step once: those whose moment never comes after their host."""
        for number in range(len(self._steps)):
            self._do(number)
        return self.done

    def _do(self, number: int) -> None:
        if number in self._begun:
            return
        self._begun.add(number)
        within: dict[int | str, list[int]] = {}
        for guest, step in enumerate(self._steps):
            if step.host == number:
                within.setdefault(step.moment, []).append(guest)

        def guests(moment: int | str) -> Callable[[], None]:
            return lambda: [self._do(guest) for guest in within.get(moment, ())] and None

        meanwhile = Meanwhile(
            calls={call: guests(call) for call in (1, 2, 3)},
            reading=guests("reading"),
            staged=guests("staged"),
        )
        step = self._steps[number]
        entry = Entry(step.operation, number + 1)
        began = len(self._place.log(BASE))
        result = self._writers[step.writer].do(entry, meanwhile)
        self.done.append(Done(entry, result, began, len(self._place.log(BASE))))


def replayed(log: list[Entry]) -> list[Table]:
    """What each version since the beginning holds."""
    versions = [BEGINNING[BASE]]
    for entry in log:
        before = versions[-1]
        after = EVERY[entry.operation].apply(before, entry.writer)
        versions.append(after.but(past=(*before.past, before)))
    return versions


def explains(done: Done, log: list[Entry], versions: list[Table], policy: DeltaRetryPolicy) -> bool:
    """Whether what came of an operation follows from what was there while it ran."""
    entry, result, began, ended = done
    seen = versions[began : ended + 1]
    operation = EVERY[entry.operation]
    if result == Status.COMMITTED.value:
        return entry in log[began:ended] or not operation.commits
    if result == Status.ALREADY_COMMITTED.value:
        return seen[-1].fed >= entry.writer
    if any(refuses(version, entry) for version in seen) and result != Status.NOTHING_TO_DO.value:
        return True
    if result == Status.NOTHING_TO_DO.value:
        return any(changes_nothing(version, entry) for version in seen)
    if "Exception" not in result:
        return False
    if entry.operation == "append-once" and seen[0].fed != seen[-1].fed:
        return True
    if policy.on_metadata_change == "abort":
        return any(version.rules != seen[0].rules for version in seen)
    return any({*seen[0].columns} - {*version.columns} for version in seen)


def refuses(version: Table, entry: Entry) -> bool:
    """Whether a rule of a version forbids the operation."""
    operation = EVERY[entry.operation]
    try:
        operation.apply(version, entry.writer)
    except Refused:
        return True
    return operation.removes and version.takes_appends_only


def changes_nothing(version: Table, entry: Entry) -> bool:
    """Whether a version has already what the operation would make of it."""
    try:
        done = EVERY[entry.operation].apply(version, entry.writer)
    except Refused:
        return False
    return (done.content, done.rules) == (version.content, version.rules)


@settings(
    max_examples=HISTORIES,
    deadline=None,
    derandomize=HISTORIES == 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=histories(),
    table=st.sampled_from(list(PROPERTIES)),
    on_metadata_change=st.sampled_from(["abort", "replan"]),
)
def test_every_version_is_as_the_log_says(
    disk: Place,
    bases: dict[str, Path],
    steps: list[Step],
    table: str,
    on_metadata_change: str,
) -> None:
    place = disk.copy(bases[table], uuid.uuid4().hex)
    policy = DeltaRetryPolicy(on_metadata_change=on_metadata_change)
    try:
        done = History(place, steps, policy).play()
        log = place.log(BASE)
        committed = [one.entry for one in done if one.result == Status.COMMITTED.value]
        assert sorted(log) == sorted(e for e in committed if EVERY[e.operation].commits)
        versions = replayed(log)
        for number, version in enumerate(versions):
            state = place.state(BASE + number)
            assert state.columns == version.columns
            assert state.rows == version.content, log[:number]
            assert state.counted == len(version.rows)
            limits = {f"delta.constraints.{name}" for name in version.limits}
            assert state.properties.keys() == limits | version.properties.keys() | PROPERTIES[table]
        for one in done:
            assert explains(one, log, versions, policy), (one, log)
    finally:
        place.remove()
