"""The commit lock: writers of one machine take turns, and none waits for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
from dfd_delta_policy import CommitPlan, GuardedTable, Outcome
from dfd_delta_policy.commit.lock import CommitLock

HOLD = """
import sys
from dfd_delta_policy.commit.lock import CommitLock
with CommitLock(sys.argv[1]).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(uri: str) -> subprocess.Popen[str]:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    return held


def test_one_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def pass_through() -> None:
        for _ in range(20):
            with CommitLock(str(tmp_path)).hold():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=pass_through) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_a_turn_within_a_turn_is_the_same(tmp_path: Path) -> None:
    with CommitLock(str(tmp_path)).hold(), CommitLock(str(tmp_path)).hold():
        pass
    with CommitLock(str(tmp_path)).hold():
        pass


def test_who_is_killed_gives_its_turn_back(tmp_path: Path) -> None:
    held = holder(str(tmp_path))
    held.send_signal(signal.SIGKILL)
    assert held.wait() == -signal.SIGKILL
    with CommitLock(str(tmp_path)).hold():
        another = threading.Event()

        def wait() -> None:
            with CommitLock(str(tmp_path)).hold():
                another.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not another.is_set()
    waiting.join()
    assert another.is_set()


def test_who_keeps_its_turn_stops_nobody(tmp_path: Path) -> None:
    """A stopped process, or a hook that takes its time."""
    table = GuardedTable(tmp_path / "t")
    held = holder(table.uri)
    outcome = table.append(pa.table({"n": [1]}))
    assert (outcome.version, outcome.attempts) == (0, 1)
    held.communicate("")


def test_a_hook_may_write_to_the_table_it_is_asked_about(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"n": [1]}))

    class Log:
        asked = False

        def before_commit(self, plan: CommitPlan) -> None:
            if not self.asked:
                self.asked = True
                table.append(pa.table({"n": [2]}))

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    outcome = GuardedTable(table.uri, hooks=[Log()]).append(pa.table({"n": [3]}))
    assert outcome.version == 2
