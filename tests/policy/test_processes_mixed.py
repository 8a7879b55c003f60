"""Eight processes that append, merge, update, delete and compact one table at once, on disk and on S3.

For 5 seconds; for 60 with DFD_LONG in the environment. Every acknowledged operation is in the table exactly once,
nothing else is, and none fails: what an independent reader finds in the log is compared with what the
writers wrote down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import delta_log
import pytest
from servers import versitygw

SECONDS = 60 if os.environ.get("DFD_LONG") else 5
COUNT = 8

# An effect is told by its mark: an increment by the counter that it raises, a row by its id, which nobody
# else uses. Each writer, a fork, writes down what was acknowledged: the operation, its mark, its version.
WRITERS = """
import json, os, random, sys, time
from pathlib import Path
import pyarrow as pa
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials

def rows(*each):
    ids, values = zip(*each)
    batch = pa.record_batch({"id": ids, "v": pa.array(values, pa.int64())})
    return pa.RecordBatchReader.from_batches(batch.schema, iter([batch]))

def write(name, deadline, done):
    mark, mine = None, []
    policy = DeltaRetryPolicy(attempts=1_000, timeout_s=seconds + 300)
    table = GuardedTable(uri, storage=profile, policy=policy, commit_metadata=lambda: {"mark": mark})
    chance = random.Random(name)
    n = 0
    # One of each, however little a busy machine gets done until the deadline.
    first = ["append", *chance.sample(["update", "merge", "delete", "optimize"], 4)]
    while first or time.monotonic() < deadline:
        n += 1
        mark, counter = f"{name}-{n}", f"c{chance.randrange(4)}"
        kinds = ["append", "update", "merge", "delete", "optimize"]
        kind = first.pop(0) if first else chance.choices(kinds, [5, 3, 3, 2, 1])[0]
        if kind == "delete" and not mine:
            kind = "append"
        target = counter
        if kind == "append":
            outcome = table.append(rows((mark, 0)), app_id=name, app_version=n)
            mine.append(mark)
        elif kind == "update":
            outcome = table.update({"v": "v + 1"}, f"id = '{counter}'")
        elif kind == "merge":
            merge = table.merge(rows((counter, 1_000), (mark, 7)), "t.id = s.id",
                                source_alias="s", target_alias="t")
            outcome = (merge.when_matched_update({"v": "t.v + s.v"})
                       .when_not_matched_insert_all().execute())
        elif kind == "delete":
            target = mine.pop(chance.randrange(len(mine)))
            outcome = table.delete(f"id = '{target}'")
        else:
            outcome = table.optimize()
        print(json.dumps([kind, mark, target, outcome.status, outcome.version, outcome.attempts]),
              file=done, flush=True)

uri, directory, count, seconds, endpoint, key_id, secret = sys.argv[1:]
seconds, profile, forks = float(seconds), None, []
if endpoint:
    profile = S3Profile(uri="s3://lake", endpoint=endpoint, allow_http=True,
                        credentials=StaticCredentials(key_id, Secret(secret)))
deadline = time.monotonic() + seconds
for n in range(int(count)):
    pid = os.fork()
    if pid == 0:
        try:
            with Path(directory, f"w{n}.json").open("w") as done:
                write(f"w{n}", deadline, done)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    forks.append(pid)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in forks))
"""


class Place(NamedTuple):
    """Where the table is, for the writers and on this disk."""

    uri: str
    root: Path
    server: tuple[str, str, str]


@pytest.fixture(params=["disk", "S3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "disk":
        yield Place(str(tmp_path / "t"), tmp_path / "t", ("", "", ""))
        return
    (tmp_path / "buckets/lake").mkdir(parents=True)
    with versitygw(tmp_path) as server:
        key = (server.endpoint, server.key_id, server.secret)
        yield Place("s3://lake/t", tmp_path / "buckets/lake/t", key)


def write(place: Place, directory: Path) -> list[list[Any]]:
    """What the writers acknowledged, when all have ended."""
    directory.mkdir()
    given = [place.uri, str(directory), str(COUNT), str(SECONDS), *place.server]
    process = subprocess.run(
        [sys.executable, "-c", WRITERS, *given], stderr=subprocess.PIPE, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    files = sorted(directory.glob("*.json"))
    assert len(files) == COUNT
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


COUNTERS = """
import sys, pyarrow as pa
from dfd_delta_policy import GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials
uri, endpoint, key_id, secret = sys.argv[1:]
profile = None
if endpoint:
    profile = S3Profile(uri="s3://lake", endpoint=endpoint, allow_http=True,
                        credentials=StaticCredentials(key_id, Secret(secret)))
GuardedTable(uri, storage=profile).append(pa.table({"id": [f"c{n}" for n in range(4)], "v": [0] * 4}))
"""


def test_a_mix(place: Place, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", COUNTERS, place.uri, *place.server], check=True)
    done = write(place, tmp_path / "done")

    expected = {f"c{n}": 0 for n in range(4)}
    for kind, mark, *_ in done:
        if kind in ("append", "merge"):
            expected[mark] = 7 if kind == "merge" else 0
    for kind, _, target, *_ in done:
        if kind == "delete":
            del expected[target]
        elif kind in ("update", "merge"):
            expected[target] += 1 if kind == "update" else 1_000
    # Replayed from the first commit on: no file is added or removed twice, or comes back.
    found = delta_log.rows(place.root)
    assert len(found) == len(expected)
    assert dict(found) == expected

    history = {commit.version: commit.info for commit in delta_log.commits(place.root)}
    committed = [one for one in done if one[3] != "nothing_to_do"]
    assert {one[0] for one in done if one[3] == "nothing_to_do"} <= {"optimize"}
    # Each version but the first is an acknowledged operation's, by its mark.
    assert [history[version]["mark"] for _, _, _, _, version, _ in committed] == [
        mark for _, mark, *_ in committed
    ]
    assert len({version for _, _, _, _, version, _ in committed}) == len(committed)
    assert len(history) == len(committed) + 1
    kinds = Counter(kind for kind, *_ in committed)
    assert {*kinds} == {"append", "update", "merge", "delete", "optimize"}
    attempts = sum(one[-1] for one in done)
    most = max(one[-1] for one in done)
    print(f"{place.uri}: {dict(kinds)}; {attempts} attempts for {len(done)}, {most} at most")
