"""Ids belong to a context, and don't leak out of it."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator

import dfd_obs
import pytest
from dfd_obs import ids
from dfd_obs.uuid7 import uuid7
from hypothesis import given
from hypothesis import strategies as st


def test_a_run_without_an_id_joins_the_run_around_it() -> None:
    with dfd_obs.run("outer") as outer, dfd_obs.run() as inner:
        assert (outer.id, inner.id) == ("outer", "outer")
    with dfd_obs.run() as first, dfd_obs.run("other") as second:
        assert first.id != second.id


def test_outside_every_run_the_process_is_one() -> None:
    assert dfd_obs.current_run() == dfd_obs.current_run()
    with dfd_obs.run() as run:
        assert run != contextvars.Context().run(dfd_obs.current_run)


FORKED = """
import os, dfd_obs
print(dfd_obs.current_run().id, flush=True)
if os.fork() == 0:
    print(dfd_obs.current_run().id, flush=True)
else:
    os.wait()
"""


def test_a_forked_child_is_another_run() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    parent, child = ran.stdout.split()
    assert parent != child


def test_threads_see_what_their_context_holds() -> None:
    seen: list[str] = []
    with dfd_obs.run("job"):
        context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(lambda: seen.append(dfd_obs.current_ids()[ids.RUN_ID]),)
    )
    thread.start()
    thread.join()
    assert seen == ["job"]


def test_a_query_is_current_inside_its_block_only() -> None:
    with ids.query("q1"):
        assert dfd_obs.current_ids()[ids.QUERY_ID] == "q1"
    assert ids.QUERY_ID not in dfd_obs.current_ids()


@given(st.text())
def test_ids_are_printable_ascii_or_refused(text: str) -> None:
    if 1 <= len(text) <= 128 and all("!" <= c <= "~" for c in text):
        with dfd_obs.run(text) as run:
            assert run.id == text
    else:
        with pytest.raises(dfd_obs.InvalidRunId), dfd_obs.run(text):
            pass


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [ids.new_id() for _ in range(3)]
    assert {uuid.UUID(one).version for one in made} == {7}
    assert {uuid.UUID(one).variant for one in made} == {uuid.RFC_4122}
    early, late = (uuid7(at, bytes(10)).hex for at in (1_000, 1_001))
    assert early < late
    assert len({uuid7(1_000, bytes([n] * 10)) for n in range(256)}) == 256


def test_a_run_that_another_thread_leaves_is_over_here_too() -> None:
    with dfd_obs.run("around"):
        block = dfd_obs.run("left-elsewhere")
        block.__enter__()
        assert dfd_obs.current_run().id == "left-elsewhere"
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        assert dfd_obs.current_run().id == "around"
    assert ids.entered_run() is None


def test_a_run_that_another_task_leaves_raises_nothing() -> None:
    async def entered() -> AsyncIterator[str]:
        with dfd_obs.run("of-a-generator") as run:
            yield run.id

    async def main() -> str:
        generator = entered()
        found = await asyncio.create_task(generator.__anext__())
        await asyncio.create_task(generator.aclose())
        assert ids.entered_run() is None
        return found

    assert asyncio.run(main()) == "of-a-generator"


def test_blocks_that_are_left_in_another_order_leave_nothing() -> None:
    first, second = dfd_obs.run("first"), dfd_obs.run("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert dfd_obs.current_run().id == "second"
    second.__exit__(None, None, None)
    assert ids.entered_run() is None


def test_a_copy_of_the_context_outlives_the_block() -> None:
    with dfd_obs.run("job"):
        context = contextvars.copy_context()
    assert context.run(dfd_obs.current_run).id == "job"


def test_a_run_is_joined_where_the_caller_works_for_none() -> None:
    run = dfd_obs.Run("of-the-process")
    with dfd_obs.working_for(run):
        assert dfd_obs.current_run() == run
    with dfd_obs.run("job"), dfd_obs.working_for(run):
        assert dfd_obs.current_run().id == "job"
    with dfd_obs.working_for(None):
        assert ids.entered_run() is None
