"""Jobs that are killed (SIGKILL) at random moments of every mutation, and resumed until they are done.

No step is lost and none is done twice; what the killed left is found and removed. 1,000 kills with DFD_LONG in the
environment, 40 else; DFD_SEED gives others.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tools")]

import delta_log  # noqa: E402
import dfd_native  # noqa: E402
from dfd_delta_policy import GuardedTable  # noqa: E402
from killed_job import ALONE, BESIDE_OTHERS, Rows, Step, plan  # noqa: E402

KILLS = 1_000 if os.environ.get("DFD_LONG") else 20
SEED = os.environ.get("DFD_SEED", "kills")
STEPS = 25
# A life ends within one of its first steps, after so long at the most.
STEPS_OF_A_LIFE = 4
STEP_S = 0.1
UNFINISHED = re.compile(r"#\d+$")
# May find nothing to do, and commits nothing then.
MAY_PASS = ("optimize", "z_order", "restore", "vacuum", "create_checkpoint")


class Life:
    """A process that starts jobs, and kills them."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "killed_job.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._parent.stdout is not None
        self._said = self._parent.stdout.fileno()
        self._rest = b""

    def live(self, call: dict[str, Any], steps: int, seconds: float) -> tuple[int, int]:
        """Run a job, and kill it so long after so many steps began; its exit code, and the last step."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(call).encode() + b"\n")
        self._parent.stdin.flush()
        process, last, left = -1, -1, steps
        with contextlib.ExitStack() as stack:
            while True:
                what, number = self._read(seconds if left == 0 else None)
                if what == "began":
                    # Not its id, which may be another's when it has ended; as it may have by now.
                    with contextlib.suppress(ProcessLookupError):
                        process = os.pidfd_open(number)
                        stack.callback(os.close, process)
                elif what == "step":
                    last = number
                    left = max(left - 1, 0)
                elif what == "ended":
                    return number, last
                else:
                    left = -1
                    if process >= 0:
                        with contextlib.suppress(ProcessLookupError):
                            signal.pidfd_send_signal(process, signal.SIGKILL)

    def _read(self, seconds: float | None) -> tuple[str, int]:
        while b"\n" not in self._rest:
            if not select.select([self._said], [], [], seconds)[0]:
                return "nothing", 0
            more = os.read(self._said, 4096)
            assert more, "the parent of all jobs is gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        what, number = line.split()
        return what.decode(), int(number)

    def close(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait()


class Kills:
    """How many there were, of all lives together, and in which kind of step."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.during: Counter[str] = Counter()

    def count(self, kind: str) -> None:
        with self._lock:
            self.during[kind] += 1

    @property
    def are_enough(self) -> bool:
        with self._lock:
            return sum(self.during.values()) >= KILLS // 2


@pytest.fixture
def lives() -> Iterator[list[Life]]:
    made = [Life(), Life()]
    yield made
    for life in made:
        life.close()


def finish(life: Life, call: dict[str, Any], steps: list[Step], kills: Kills, seed: str) -> None:
    """Start the job, kill it and start it again, until it is done."""
    chance = random.Random(seed)
    while True:
        began = chance.randint(1, STEPS_OF_A_LIFE)
        if kills.are_enough:
            began = STEPS + 1
        status, last = life.live(call, began, chance.uniform(0, STEP_S))
        assert status in (0, -signal.SIGKILL)
        if status == 0:
            return
        kills.count(steps[last].kind)


def assert_done_once(root: Path, jobs: dict[str, list[Step]]) -> None:
    """Each job's rows are what its steps make, and each step is one commit."""
    found: dict[str, Rows] = {name: {} for name in jobs}
    rows = delta_log.rows(root)
    for id_, v, by in rows:
        found[by][id_] = v
    assert found == {name: steps[-1].rows for name, steps in jobs.items()}
    assert len(rows) == sum(len(of) for of in found.values())
    marks = Counter(commit.info.get("mark") for commit in delta_log.commits(root))
    for name, steps in jobs.items():
        if name == "nobody":
            continue
        for n, step in enumerate(steps):
            times = marks[f"{name} {n}"]
            may_pass = step.kind in MAY_PASS or (step.kind == "update" and not step.rows)
            # A vacuum commits twice, and once more whenever it was killed.
            if step.kind != "vacuum":
                assert times == 1 or (may_pass and times == 0), (name, n, step, marks)


def assert_nothing_is_left(root: Path) -> int:
    """What the killed left is found, and a full vacuum takes it; how many files that were."""
    referred = {add["path"] for commit in delta_log.commits(root) for add in commit.adds}
    orphans = delta_log.data_files(root) - referred
    found = GuardedTable(root).audit(orphans=True)
    assert found.violations == ()
    assert {*(found.orphans or ())} == orphans
    stages = {path.stem for path in (root / "_dfd").rglob("*.json")}
    abandoned = {
        path for stage in dfd_native.abandoned_stages(root.as_uri()) for path in stage.files
    }
    # Killed between commit and release, it leaves a lease; its file may be one of an older version by now.
    assert abandoned - referred == {
        path for path in orphans if any(stage in path for stage in stages)
    }
    DeltaTable(root).alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    )
    before = delta_log.rows(root)
    GuardedTable(root).vacuum(dry_run=False, full=True)
    # Leases go with the next look.
    assert dfd_native.abandoned_stages(root.as_uri()) == []
    # What object_store was killed in writing (`...#1`) it hides from every listing, a vacuum's too.
    left = {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and "_delta_log" not in path.parts and not UNFINISHED.search(path.name)
    }
    assert left == {*delta_log.newest(root).active}
    assert delta_log.rows(root) == before
    return len(orphans)


def test_killed_alone(tmp_path: Path, lives: list[Life]) -> None:
    """Every mutation, overwrites and restores of the whole table among them."""
    kills = Kills()

    def work(lane: int) -> int:
        orphans = turn = 0
        while not kills.are_enough:
            name, root = f"lane{lane}", tmp_path / f"{lane}-{turn}"
            seed = f"{SEED} {lane} {turn}"
            steps = plan(name, seed, STEPS, ALONE)
            call = {"uri": str(root), "name": name, "seed": seed, "count": STEPS, "alone": True}
            finish(lives[lane], {**call, "journal": f"{root}.journal"}, steps, kills, seed)
            assert_done_once(root, {name: steps})
            orphans += assert_nothing_is_left(root)
            turn += 1
        return orphans

    with ThreadPoolExecutor(2) as pool:
        orphans = sum(pool.map(work, range(2)))
    print(f"alone: {sum(kills.during.values())} kills, {orphans} orphans; {dict(kills.during)}")


def test_killed_beside_another(tmp_path: Path, lives: list[Life]) -> None:
    """Two jobs on one table, each killed at its own moments."""
    kills, orphans, turn = Kills(), 0, 0
    while not kills.are_enough:
        root, seed = tmp_path / f"{turn}", f"{SEED} {turn}"
        jobs = {name: plan(name, seed, STEPS, BESIDE_OTHERS) for name in ("a", "b")}
        GuardedTable(root).append(pa.table({"id": ["first"], "v": [0], "by": ["nobody"]}))
        call = {"uri": str(root), "seed": seed, "count": STEPS, "alone": False}
        with ThreadPoolExecutor(2) as pool:
            ends = [
                pool.submit(
                    finish, life, {**call, "name": name, "journal": f"{root}.{name}"}, jobs[name],
                    kills, f"{seed} {name}",
                )
                for name, life in zip(jobs, lives, strict=True)
            ]  # fmt: skip
        for end in ends:
            end.result()
        assert_done_once(root, {**jobs, "nobody": [Step("append", "", {"first": 0})]})
        orphans += assert_nothing_is_left(root)
        turn += 1
    print(f"beside: {sum(kills.during.values())} kills, {orphans} orphans; {dict(kills.during)}")
