"""One operation in the middle of another, and what the two must come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pyarrow as pa
from dfd_delta_policy import (
    CommitPlan,
    ConflictError,
    DeltaRetryPolicy,
    Outcome,
    RetriesExhausted,
    Status,
)
from operations import BASE, EVERY, Operation, Source
from places import Entry, Place, State

NEIGHBOUR = Entry("append-more", 9)
"""What commits in between."""


def moments(operation: Operation) -> Sequence[str]:
    """When another may commit in the middle of an operation.

    - `asked`: it has read its first snapshot.
    - `reading`: it reads its source.
    - `staged`: its files are written.
    - `committing`: it has read the snapshot on which it commits its files. Hooks are asked about that one where
      the table has moved on meanwhile, for which a neighbour commits.
    """
    read = "reading" if operation.source else "staged" if operation.stages else None
    found = ("asked", read, "committing" if operation.stages else None)
    return [moment for moment in found if moment is not None]


class Meanwhile:
    """What others do in the middle of an operation."""

    def __init__(
        self,
        *,
        calls: dict[int, Callable[[], object]] | None = None,
        reading: Callable[[], object] | None = None,
        staged: Callable[[], object] | None = None,
    ) -> None:
        self._calls = calls or {}
        self._reading = reading
        self._staged = staged
        self._called = 0

    def before_commit(self) -> None:
        """A snapshot was read."""
        self._called += 1
        if (others := self._calls.pop(self._called, None)) is not None:
            others()

    def after_stage(self) -> None:
        """All files are written."""
        others, self._staged = self._staged, None
        if others is not None:
            others()

    def source(self, operation: Operation, writer: int) -> Source:
        """What a writer brings; before the first row is there, others commit.

        dfd-native reads the rows in a thread that may wait. deltalake does it in its runtime, which comes to
        a stop where all workers wait for what needs one: there others commit as the source is opened.
        """
        rows = operation.brought(writer)

        def batches() -> Iterator[pa.RecordBatch]:
            # Within a runtime no other can be entered.
            thread = Thread(target=self._read)
            thread.start()
            thread.join()
            yield from rows.to_batches()

        def opened() -> pa.Table:
            self._read()
            return rows

        if operation.stages:
            return lambda: pa.RecordBatchReader.from_batches(rows.schema, batches())
        return opened

    def _read(self) -> None:
        others, self._reading = self._reading, None
        if others is not None:
            others()


class Writer:
    """A `GuardedTable` that does one operation after another, and one within another too."""

    def __init__(
        self,
        place: Place,
        policy: DeltaRetryPolicy | None = None,
        operations: Mapping[str, Operation] = EVERY,
    ) -> None:
        self._operations = operations
        self._doing: list[tuple[Entry, Meanwhile]] = []
        self._table = place.guarded(lambda: self._doing[-1][0], hooks=[self], policy=policy)

    def before_commit(self, plan: CommitPlan) -> None:
        """As the operation at work wants it."""
        self._doing[-1][1].before_commit()

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, object]) -> None:
        """As the operation at work wants it."""
        self._doing[-1][1].after_stage()

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""

    def do(self, entry: Entry, meanwhile: Meanwhile | None = None) -> str:
        """Do an operation; the status of its outcome, or the name of what it raised."""
        operation = self._operations[entry.operation]
        meanwhile = meanwhile or Meanwhile()
        source = meanwhile.source(operation, entry.writer)
        self._doing.append((entry, meanwhile))
        try:
            return str(operation.guarded(self._table, entry.writer, source).status)
        except RetriesExhausted:
            raise
        except ConflictError as error:
            return f"{type(error).__name__}: {error.verdict.conflict}"
        except Exception as error:  # noqa: BLE001  whatever refuses it
            return type(error).__name__
        finally:
            self._doing.pop()


class Raced(NamedTuple):
    """What came of each operation, and what was in the log and in the table then."""

    results: dict[Entry, str]
    log: list[Entry]
    state: State
    strangers: set[str]


def race(
    place: Place,
    winner: Entry,
    loser: Entry,
    moment: str,
    operations: Mapping[str, Operation] = EVERY,
    policy: DeltaRetryPolicy | None = None,
    base: int = BASE,
    neighbour: Entry = NEIGHBOUR,
) -> Raced:
    """Do one operation in the middle of another."""
    results: dict[Entry, str] = {}

    def others(entry: Entry) -> Callable[[], None]:
        return lambda: results.update({entry: Writer(place, policy, operations).do(entry)})

    if moment == "asked":
        meanwhile = Meanwhile(calls={1: others(winner)})
    elif moment == "reading":
        meanwhile = Meanwhile(reading=others(winner))
    elif moment == "staged":
        meanwhile = Meanwhile(staged=others(winner))
    else:
        meanwhile = Meanwhile(calls={2: others(winner)}, staged=others(neighbour))
    results[loser] = Writer(place, policy, operations).do(loser, meanwhile)
    assert winner in results, "the moment never came"
    return Raced(results, place.log(base), place.state(), place.strangers())


def alone(place: Place, entry: Entry) -> str:
    """Do an operation that nothing comes in between."""
    return Writer(place).do(entry)


class Serial:
    """Operations one after the other, on copies of the table; each order is run once."""

    def __init__(
        self, place: Place, base: Path, run: Callable[[Place, Entry], str] = alone
    ) -> None:
        self._place = place
        self._base = base
        self._run = run
        self._known: dict[tuple[Entry, ...], tuple[tuple[str, ...], State]] = {}

    def __call__(self, *entries: Entry) -> tuple[tuple[str, ...], State]:
        """What comes of each, and of the table."""
        if entries not in self._known:
            copy = self._place.copy(self._base, "serial")
            try:
                results = tuple(self._run(copy, entry) for entry in entries)
                self._known[entries] = (results, copy.state())
            finally:
                copy.remove()
        return self._known[entries]


def check(raced: Raced, serial: Serial, *, replanned: bool = False) -> None:
    """The table is as the operations of the log make it in that order, and each did what it says.

    A conflict ends an operation where another changed the rules, unless those are `replanned`, and where
    another of the same application went first.
    """
    committed = [e for e, result in raced.results.items() if result == Status.COMMITTED.value]
    assert sorted(raced.log) == sorted(committed)
    conflicts = [e for e, result in raced.results.items() if "Exception" in result]
    rest = [e for e in raced.results if e not in committed and e not in conflicts]
    order = (*raced.log, *rest)
    results, state = serial(*order)
    assert raced.state == state
    assert [raced.results[entry] for entry in order] == list(results)
    assert raced.state.counted == len(raced.state.rows)
    winner, loser = [*raced.results][-2:]
    changed = EVERY[winner.operation].rules and not replanned
    assert not (changed and loser in committed)
    fed = winner.operation == loser.operation == "append-once"
    assert conflicts == ([loser] if loser in conflicts and (changed or fed) else [])
    if all(EVERY[entry.operation].stages for entry in raced.results):
        assert raced.strangers == set()
