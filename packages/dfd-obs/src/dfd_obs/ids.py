"""The ids of the run, and of its query, that the current code works for.

Kept in context variables: threads and tasks that copy the context see them, others don't.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextvars import ContextVar

import msgspec

from dfd_obs.blocks import BlockVar, current, entered
from dfd_obs.errors import InvalidRunId
from dfd_obs.uuid7 import uuid7

RUN_ID = "dfd.run_id"
QUERY_ID = "dfd.query_id"
_VALID = re.compile(r"[!-~]{1,128}")


class Run(msgspec.Struct, frozen=True):
    """One run of a job: everything in its block carries `id`."""

    id: str


_run: BlockVar[Run] = ContextVar("dfd_run", default=None)
_query: BlockVar[str] = ContextVar("dfd_query", default=None)
_of_process: dict[int, Run] = {}


@contextlib.contextmanager
def run(run_id: str | None = None) -> Iterator[Run]:
    """Enter a run for as long as the block lasts; another task or thread may leave it.

    - `run_id`: 1 to 128 printable ASCII characters without spaces. None joins the run around
      it, or makes an id where there is none.

    Raises:
        InvalidRunId: it is something else.

    >>> with run("nightly-7") as outer, run() as inner:
    ...     inner.id, current_ids()
    ('nightly-7', {'dfd.run_id': 'nightly-7'})
    """
    if run_id is None:
        made = entered_run() or Run(new_id())
    elif isinstance(run_id, str) and _VALID.fullmatch(run_id):
        made = Run(run_id)
    else:
        raise InvalidRunId("A run id is 1 to 128 printable ASCII characters without spaces.")
    with entered(_run, made):
        yield made


@contextlib.contextmanager
def working_for(run: Run | None) -> Iterator[None]:
    """Work for a run for as long as the block lasts, unless the caller works for another already."""
    if run is None or entered_run() is not None:
        yield
    else:
        with entered(_run, run):
            yield


def entered_run() -> Run | None:
    """The run whose block is around the caller; None outside of all."""
    return current(_run)


def current_run() -> Run:
    """The run around the caller, or else the one of the whole process."""
    return entered_run() or process_run()


def process_run() -> Run:
    """The run of the whole process. A forked child is another process, and another run."""
    return _of_process.setdefault(os.getpid(), Run(new_id()))


@contextlib.contextmanager
def query(query_id: str, of: Run | None = None) -> Iterator[None]:
    """Work for one query for as long as the block lasts; for its run too, where that is given."""
    with contextlib.ExitStack() as blocks:
        if of is not None:
            blocks.enter_context(entered(_run, of))
        blocks.enter_context(entered(_query, query_id))
        yield


def current_query_id() -> str | None:
    """The id of the query that the caller works for; None where it works for none."""
    return current(_query)


def current_ids() -> dict[str, str]:
    """The ids as they go into spans, records and commits: `dfd.run_id`, and `dfd.query_id` if any."""
    ids = {RUN_ID: current_run().id}
    query_id = current_query_id()
    if query_id is not None:
        ids[QUERY_ID] = query_id
    return ids


def new_id() -> str:
    """A new id of 32 hexadecimal digits, which sorts by the time it was made (UUID version 7)."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10)).hex
