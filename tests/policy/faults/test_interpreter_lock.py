"""No verb asks a store for anything with the interpreter's lock held: other threads of the process go on.

The store is threads of this very process. What is asked of it with the lock held gets no answer before the
client's timeout, and for that long nothing else in the process moves either: another thread, which counts,
tells. Where nobody holds the lock it stands still for some milliseconds.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import Clock, DeltaRetryPolicy, GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials
from faulted_operations import GAINED, MUTATIONS, NO_TABLE, lay_out, stream_of
from faulty_proxy import Fault, FaultyProxy, faulty_proxy
from servers import Server, versitygw

# How long everything stands still where a request is made with the lock held.
TIMEOUT_S = 3.0
COMMIT = re.compile(r"/_delta_log/\d{20}\.json$")


class Place(NamedTuple):
    """A table laid out on the server's disk, and how it is reached through threads of this process."""

    root: Path
    proxy: FaultyProxy
    profile: S3Profile

    def table(self, **options: Any) -> GuardedTable:
        """The table; one attempt without a second request, so that nothing is mended in silence."""
        options = {"policy": DeltaRetryPolicy(attempts=1)} | options
        uri = f"s3://lake/{self.root.name}"
        return GuardedTable(uri, storage=self.profile, clock=Clock(sleep=lambda _: None), **options)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server, and the directory of its bucket with the table `template`."""
    directory = tmp_path_factory.mktemp("lock")
    bucket = directory / "buckets/lake"
    bucket.mkdir(parents=True)
    with versitygw(directory) as server:
        table = GuardedTable("s3://lake/template", storage=profile_of(server, server.endpoint))
        lay_out(table, "plain")
        yield server, bucket


def profile_of(server: Server, endpoint: str) -> S3Profile:
    return S3Profile(
        uri="s3://lake",
        endpoint=endpoint,
        allow_http=True,
        credentials=StaticCredentials(server.key_id, Secret(server.secret)),
        timeout_s=TIMEOUT_S,
        max_retries=0,
    )


@pytest.fixture
def place(laid_out: tuple[Server, Path], tmp_path: Path) -> Iterator[Place]:
    server, bucket = laid_out
    # With its extended attributes: the server keeps the ETags there.
    root = Path(shutil.copytree(bucket / "template", bucket / tmp_path.name))
    with faulty_proxy(server.endpoint) as proxy:
        yield Place(root, proxy, profile_of(server, proxy.endpoint))
        assert proxy.exchanges != []


@contextmanager
def going_on() -> Iterator[None]:
    """Another thread, which counts; it must not stand still for as long as a client waits for an answer."""
    ticks = [time.monotonic()]
    over = threading.Event()

    def count() -> None:
        while not over.wait(0.001):
            ticks.append(time.monotonic())

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield
    finally:
        over.set()
        counting.join()
        gap_s = max(after - before for before, after in pairwise([*ticks, time.monotonic()]))
        assert gap_s < TIMEOUT_S / 2


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_leaves_the_lock_to_others(place: Place, mutation: str) -> None:
    if MUTATIONS[mutation].table == NO_TABLE:
        shutil.rmtree(place.root)
    with going_on():
        outcome = MUTATIONS[mutation].run(place.table())
    assert outcome.attempts == 1


def test_a_table_is_made_without_the_lock(place: Place) -> None:
    shutil.rmtree(place.root)
    with going_on():
        assert place.table().append(stream_of(GAINED), partition_by=["p"]).version == 0


READS: dict[str, Callable[[GuardedTable], object]] = {
    "version": lambda table: table.version(),
    "history": lambda table: table.history(),
    "history of two": lambda table: table.history(2),
    "audit": lambda table: table.audit(),
}


@pytest.mark.parametrize("read", READS)
def test_a_look_leaves_the_lock_to_others(place: Place, read: str) -> None:
    with going_on():
        assert READS[read](place.table())


@pytest.mark.parametrize("mutation", ["append", "update", "optimize"])
def test_a_search_of_the_log_leaves_the_lock_to_others(place: Place, mutation: str) -> None:
    """The answer to the commit is lost, and the log is where it is found."""

    lost: list[str] = []

    def choose(n: int, method: str, path: str) -> Fault | None:
        if method == "PUT" and COMMIT.search(path) and not lost:
            lost.append(path)
            return Fault.ANSWER_LOST
        return None

    before = DeltaTable(place.root).version()
    table = place.table(policy=DeltaRetryPolicy(attempts=3))
    place.proxy.begin(choose)
    with going_on():
        outcome = MUTATIONS[mutation].run(table)
    assert len(lost) == 1
    assert (outcome.status, outcome.version) == ("landed_after_error", before + 1)


def test_rows_are_there(place: Place) -> None:
    """What the tests above stand on: the store is a store, and its table the one of `lay_out`."""
    assert place.table().append(stream_of(GAINED)).version is not None
    found = pa.table(DeltaTable(place.root).scan())
    assert sorted(found["id"].to_pylist()) == [0, 1, 2, 3, 4, 5, 6, 100, 101]
