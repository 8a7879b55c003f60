"""Ids belong to a context, and don't leak out of it."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading

import dfd_obs
import pytest
from dfd_obs import ids
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
