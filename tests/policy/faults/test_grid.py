"""Every request of every mutation meets every fault: exactly once, or not at all.

A mutation's requests are written down first, then it is run again for each of them on the same table, with a
fault there. What it acknowledges is in the log once, and its rows are exact; what it says wasn't committed is
not; where it says that nobody can know, one of both holds.

With DFD_LONG in the environment that is every request and 200 storms; else, of each mutation, its commit and
some others, and two storms, by seed (DFD_SEED).
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar, get_args

import delta_log
import pytest
from dfd_delta_policy.policy import OperationName
from faulted_operations import MUTATIONS, TABLES, Rows
from faulty_proxy import Exchange, Fault

LONG = bool(os.environ.get("DFD_LONG"))
SEED = os.environ.get("DFD_SEED", "faults")
COMMIT = re.compile(r"/_delta_log/\d{20}\.json$")
UNKNOWN = "Whether it was committed is unknown"
# The store has done it, or will, without the client's knowing.
UNHEARD = (Fault.ANSWER_LOST, Fault.ANSWER_CUT, Fault.ERROR_AFTER)
UNTIMELY = (Fault.SLOW, Fault.LATE, Fault.STRAGGLER)
T = TypeVar("T")
R = TypeVar("R")


class Case(NamedTuple):
    """Which request meets which fault; None is the first that commits."""

    mutation: str
    request: int | None
    fault: Fault

    def choose(self, n: int, method: str, path: str, done: list[bool]) -> Fault | None:
        is_it = is_commit(method, path) if self.request is None else n == self.request
        if not is_it or done:
            return None
        done.append(True)
        return self.fault


def is_commit(method: str, path: str) -> bool:
    return method == "PUT" and COMMIT.search(path) is not None


def chosen(mutation: str, requests: list[Exchange]) -> list[Case]:
    """All, or by seed: the commit that isn't heard of, and another request."""
    everything = [Case(mutation, n, fault) for n in range(len(requests)) for fault in Fault]
    if LONG:
        return everything
    chance = random.Random(f"{SEED} {mutation}")
    faults = [*chance.sample(UNHEARD, 2), chance.choice(UNTIMELY)]
    commits = [Case(mutation, None, fault) for fault in faults if MUTATIONS[mutation].commits]
    return [*commits, chance.choice(everything)]


def on_lanes(lanes: list[Any], work: Callable[[Any, T], R], given: Iterable[T]) -> list[R]:
    """Work on each of the given, as many at once as there are lanes."""
    free: SimpleQueue[Any] = SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def on_a_lane(one: T) -> R:
        lane = free.get()
        try:
            return work(lane, one)
        finally:
            free.put(lane)

    with ThreadPoolExecutor(len(lanes)) as pool:
        return list(pool.map(on_a_lane, given))


def sorted_rows(rows: Rows) -> Rows:
    return sorted(rows, key=repr)


def found_wrong(lane: Any, mutation: str, mark: str, answer: dict[str, Any], before: Rows) -> str:
    """What is wrong with the table after a mutation; empty where nothing."""
    call = MUTATIONS[mutation]
    try:
        history = [one for one in delta_log.commits(lane.root) if one.info.get("mark") == mark]
        after = delta_log.rows(lane.root)
        files, active = delta_log.data_files(lane.root), {*delta_log.newest(lane.root).active}
    except Exception as error:  # noqa: BLE001  a file that is missing, a log that contradicts itself
        return f"the table can't be read: {error!r}; {answer}"
    applied, untouched = sorted_rows(call.effect(before)), sorted_rows(before)
    found = f"{len(history)} commit(s), {after}; {answer}"
    if call.commits > 1:  # VACUUM is no single commit, and changes no row
        if "status" in answer and files != active:
            return f"{len(files - active)} file(s) left; {found}"
        return "" if after == untouched else found
    if "status" in answer:
        commits = 0 if answer["status"] == "nothing_to_do" else call.commits
        is_exact = len(history) == commits and after == applied
        is_said = not history or answer["version"] == history[0].version
    else:
        landed = len(history) == 1 and UNKNOWN in answer["text"]
        is_exact = len(history) == landed and after == (applied if landed else untouched)
        is_said = True
    return "" if is_exact and is_said else found


def run(lane: Any, case: Case, attempts: int = 10) -> tuple[dict[str, Any], str]:
    """The answer, with the request that was hit, and what is wrong."""
    before = lane.lay_out(MUTATIONS[case.mutation].table)
    done: list[bool] = []
    lane.proxy.begin(lambda n, method, path: case.choose(n, method, path, done))
    answer = lane.mutate(case.mutation, "case", attempts)
    hit = [str(one) for one in lane.proxy.exchanges if one.fault is not None]
    wrong = found_wrong(lane, case.mutation, "case", answer, before)
    if not wrong and case.mutation == "append with app_id":
        # Sent again after whatever end, it is there once.
        lane.proxy.begin()
        again = lane.mutate(case.mutation, "again")
        after = delta_log.rows(lane.root)
        if after != sorted_rows(MUTATIONS[case.mutation].effect(before)):
            wrong = f"sent again: {after}; {answer}, {again}"
    return {**answer, "hit": hit}, wrong and f"{case.mutation}, {hit}: {wrong}"


def test_every_operation_is_among_the_mutations() -> None:
    """`overwrite of rows` is an overwrite, `vacuum, dry` a vacuum."""
    there = {re.split("[ ,]", name)[0] for name in MUTATIONS}
    assert there == {*get_args(OperationName)}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_fault_at_a_request(lanes: list[Any], mutation: str) -> None:
    before = lanes[0].lay_out(MUTATIONS[mutation].table)
    lanes[0].proxy.begin()
    answer = lanes[0].mutate(mutation, "case")
    requests = list(lanes[0].proxy.exchanges)
    assert "status" in answer, answer
    assert found_wrong(lanes[0], mutation, "case", answer, before) == ""

    cases = chosen(mutation, requests)
    results = on_lanes(lanes, run, cases)
    ends = Counter(answer.get("status") or answer["error"] for answer, _ in results)
    print(f"{mutation}: {len(requests)} requests, {len(cases)} faults, {dict(ends)}")
    assert [wrong for _, wrong in results if wrong] == []
    # One fault, whichever it is, is mended by trying again.
    assert [answer for answer, _ in results if "error" in answer] == []


@pytest.mark.parametrize("fault", [*UNHEARD, *UNTIMELY])
@pytest.mark.parametrize("mutation", ["append", "update", "optimize"])
def test_one_attempt_says_what_it_knows(lanes: list[Any], mutation: str, fault: Fault) -> None:
    """A commit that may still be on its way isn't said to be nowhere."""
    _, wrong = run(lanes[0], Case(mutation, None, fault), attempts=1)
    assert wrong == ""


# Not those that refer to a version, or can be done once.
ONCE = (
    "create",
    "restore",
    "append with app_id",
    "add_columns",
    "drop_constraint",
    "unset_properties",
)
STORMY = [name for name in MUTATIONS if name not in ONCE and "another column" not in name]


def storm(lane: Any, seed: str) -> str:
    """What is wrong after mutations one after the other, one request in twenty of which meets a fault."""
    chance = random.Random(seed)
    rows = lane.lay_out(chance.choice(TABLES))
    for n in range(6):
        mutation = chance.choice(STORMY)
        lane.proxy.begin(lambda *_: chance.choice([*Fault]) if chance.random() < 0.05 else None)
        answer = lane.mutate(mutation, f"{n}")
        if wrong := found_wrong(lane, mutation, f"{n}", answer, rows):
            return f"storm {seed!r}, {n}, {mutation}: {wrong}"
        rows = delta_log.rows(lane.root)
    return ""


def test_storms(lanes: list[Any]) -> None:
    """Faults at random requests, several of them to a mutation."""
    seeds = [f"{SEED} {n}" for n in range(200 if LONG else 2)]
    assert [wrong for wrong in on_lanes(lanes, storm, seeds) if wrong] == []
