"""A job of many mutations that can be killed anywhere and is then resumed by the same call.

Of what came before a resumed job knows its journal, which has the steps that were acknowledged, and the
table's history, where each of its commits carries the step's mark. An append needs no look: it is sent again with
the same `app_id` and `app_version`. For any other step a hook looks on each attempt whether the mark is there.

As a program: reads calls from its input, each run in a fork, and says `began PID`, `step N` and `ended STATUS`;
forks start in milliseconds, so that most of a life is work.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import dfd_native
import pyarrow as pa
from dfd_delta_policy import CommitPlan, DeltaRetryPolicy, GuardedTable, Outcome

Rows = dict[str, int]
# These leave other jobs' rows alone, so that two jobs can work on one table.
BESIDE_OTHERS = ("append", "update", "delete", "merge", "overwrite own", "optimize", "vacuum")
ALONE = (*BESIDE_OTHERS, "overwrite", "restore", "z_order", "set_properties", "create_checkpoint")


class Step(NamedTuple):
    """What is done, on which id, and the job's rows afterwards."""

    kind: str
    target: str
    rows: Rows


def plan(name: str, seed: str, count: int, kinds: tuple[str, ...]) -> list[Step]:
    """The steps of a job, always the same for the same arguments."""
    chance = random.Random(f"{seed} {name}")
    rows: Rows = {}
    steps: list[Step] = []
    for n in range(count):
        kind = chance.choice(kinds) if n > 2 else "append"
        target = chance.choice(sorted(rows)) if rows else ""
        if kind in ("delete", "merge") and not rows:
            kind = "append"
        if kind == "append":
            rows = {**rows, f"s{n}": 0}
        elif kind == "update":
            rows = {id_: v + 1 for id_, v in rows.items()}
        elif kind == "delete":
            rows = {id_: v for id_, v in rows.items() if id_ != target}
        elif kind == "merge":
            rows = {**rows, target: rows[target] + 10, f"s{n}": 10}
        elif kind in ("overwrite", "overwrite own"):
            rows = {f"s{n}": 0, f"s{n}+": 0}
        elif kind == "restore":
            rows = steps[-3].rows
        steps.append(Step(kind, target, rows))
    return steps


def say(what: str, number: int) -> None:
    """Print a line whole, whoever else prints and whenever the process is killed."""
    os.write(sys.stdout.fileno(), f"{what} {number}\n".encode())


class AlreadyDone(Exception):
    """The step's commit is in the history."""


class Once:
    """Stops a step whose mark is in the history; asked on each attempt, on the snapshot it stands on."""

    def __init__(self, table: GuardedTable, mark: str, known: int) -> None:
        self._table = table
        self._mark = mark
        self._known = known

    def before_commit(self, plan: CommitPlan) -> None:
        if plan.read_version is None or plan.read_version <= self._known:
            return
        for commit in self._table.history(plan.read_version - self._known):
            if commit.get("mark") == self._mark:
                raise AlreadyDone(commit["version"])

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing to do."""


class Job:
    """The steps of one name on one table."""

    def __init__(self, uri: str, name: str, steps: list[Step], journal: Path) -> None:
        self._uri = uri
        self._name = name
        self._steps = steps
        self._journal = journal

    def run(self) -> None:
        """Do what isn't done."""
        lines = self._journal.read_text().splitlines() if self._journal.exists() else []
        # The last line may be cut by the kill: its step is looked up then.
        versions = [int(line) for line in lines if line.endswith(".") for line in (line[:-1],)]
        with self._journal.open("w") as journal:
            journal.writelines(f"{version}.\n" for version in versions)
            journal.flush()
            for n in range(len(versions), len(self._steps)):
                version = self._step(n, versions)
                versions.append(version)
                journal.write(f"{version}.\n")
                journal.flush()

    def _step(self, n: int, versions: list[int]) -> int:
        say("step", n)
        known = versions[-1] if versions else -1
        if self._steps[n].kind == "restore" and versions[n - 3] == known:
            return known  # there is nothing to do
        mark = f"{self._name} {n}"
        looking = GuardedTable(self._uri)
        table = GuardedTable(
            self._uri,
            policy=DeltaRetryPolicy(attempts=200),
            hooks=() if self._steps[n].kind == "append" else (Once(looking, mark, known),),
            commit_metadata=lambda: {"mark": mark},
        )
        try:
            outcome = self._call(table, n, versions)
        except AlreadyDone as done:
            return int(done.args[0])
        assert outcome.version is not None
        return outcome.version

    def _call(self, table: GuardedTable, n: int, versions: list[int]) -> Outcome:
        kind, target, _ = self._steps[n]
        mine = f"\"by\" = '{self._name}'"
        calls: dict[str, Callable[[], Outcome]] = {
            "append": lambda: table.append(
                self._data({f"s{n}": 0}), app_id=self._name, app_version=n
            ),
            "update": lambda: table.update({"v": "v + 1"}, mine),
            "delete": lambda: table.delete(f"{mine} and id = '{target}'"),
            "merge": lambda: (
                table.merge(
                    self._data({target: 10, f"s{n}": 10}),
                    't.id = s.id and t."by" = s."by"',
                    source_alias="s",
                    target_alias="t",
                )
                .when_matched_update({"v": "t.v + s.v"})
                .when_not_matched_insert_all()
                .execute()
            ),
            "overwrite own": lambda: table.overwrite(
                self._data({f"s{n}": 0, f"s{n}+": 0}), predicate=mine
            ),
            "overwrite": lambda: table.overwrite(self._data({f"s{n}": 0, f"s{n}+": 0})),
            "optimize": lambda: table.optimize(),
            "z_order": lambda: table.z_order(["id"]),
            "vacuum": lambda: table.vacuum(dry_run=False),
            "restore": lambda: table.restore(versions[n - 3]),
            "set_properties": lambda: table.set_properties({"of.the.test": str(n)}),
            "create_checkpoint": lambda: table.create_checkpoint(),
        }
        return calls[kind]()

    def _data(self, rows: Rows) -> pa.RecordBatchReader:
        batch = pa.record_batch(
            {
                "id": list(rows),
                "v": pa.array(rows.values(), pa.int64()),
                "by": [self._name] * len(rows),
            }
        )
        return pa.RecordBatchReader.from_batches(batch.schema, iter([batch]))


def main() -> None:
    """Answer until the input ends."""
    dfd_native.ensure_compatible()  # once for all forks
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                kinds = ALONE if asked["alone"] else BESIDE_OTHERS
                steps = plan(asked["name"], asked["seed"], asked["count"], kinds)
                Job(asked["uri"], asked["name"], steps, Path(asked["journal"])).run()
                status = 0
            except BaseException:  # noqa: BLE001  a fork never goes on as its parent
                sys.excepthook(*sys.exc_info())
            os._exit(status)
        say("began", pid)
        _, status = os.waitpid(pid, 0)
        say("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
