"""The ids of the run, and of its query, that the current code works for.

Kept in context variables: threads and tasks that copy the context see them, others don't.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

import msgspec

from dfd_obs.errors import InvalidRunId

RUN_ID = "dfd.run_id"
QUERY_ID = "dfd.query_id"
_VALID = re.compile(r"[!-~]{1,128}")


class Run(msgspec.Struct, frozen=True):
    """One run of a job: everything in its block carries `id`."""

    id: str


_run: ContextVar[Run | None] = ContextVar("dfd_run", default=None)
_query: ContextVar[str | None] = ContextVar("dfd_query", default=None)
_of_process: dict[int, Run] = {}


@contextlib.contextmanager
def run(run_id: str | None = None) -> Iterator[Run]:
    """Enter a run for as long as the block lasts.

    - `run_id`: 1 to 128 printable ASCII characters without spaces. None joins the run around
      it, or makes an id where there is none.

    Raises:
        InvalidRunId: it is something else.

    >>> with run("nightly-7") as outer, run() as inner:
    ...     inner.id, current_ids()
    ('nightly-7', {'dfd.run_id': 'nightly-7'})
    """
    if run_id is None:
        entered = _run.get() or Run(new_id())
    elif isinstance(run_id, str) and _VALID.fullmatch(run_id):
        entered = Run(run_id)
    else:
        raise InvalidRunId("A run id is 1 to 128 printable ASCII characters without spaces.")
    token = _run.set(entered)
    try:
        yield entered
    finally:
        _run.reset(token)


def current_run() -> Run:
    """The run around the caller, or else the one of the whole process."""
    found = _run.get()
    if found is None:
        # A forked child is another process, and another run.
        found = _of_process.setdefault(os.getpid(), Run(new_id()))
    return found


@contextlib.contextmanager
def query(query_id: str) -> Iterator[None]:
    """Work for one query for as long as the block lasts."""
    token = _query.set(query_id)
    try:
        yield
    finally:
        _query.reset(token)


def current_ids() -> dict[str, str]:
    """The ids as they go into spans, records and commits: `dfd.run_id`, and `dfd.query_id` if any."""
    ids = {RUN_ID: current_run().id}
    query_id = _query.get()
    if query_id is not None:
        ids[QUERY_ID] = query_id
    return ids


def new_id() -> str:
    """A random id of 32 hexadecimal digits."""
    return uuid.uuid4().hex
