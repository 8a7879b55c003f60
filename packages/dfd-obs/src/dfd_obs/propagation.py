"""A run and a trace, taken along into another process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry import context as otel
from opentelemetry import propagate

from dfd_obs import ids


def carrier() -> dict[str, str]:
    """The caller's run and span as plain texts, for `continued` in a process that is started by spawn.

    A forked process has both of its own accord.
    """
    carried: dict[str, str] = {}
    propagate.inject(carried)
    carried[ids.RUN_ID] = ids.current_run().id
    return carried


@contextlib.contextmanager
def continued(carried: Mapping[str, str]) -> Iterator[None]:
    """Work for the run and under the span that a `carrier` holds, for as long as the block lasts.

    Raises:
        InvalidRunId: its run id is none.
    """
    token = otel.attach(propagate.extract(carried))
    try:
        with ids.run(carried.get(ids.RUN_ID)):
            yield
    finally:
        otel.detach(token)
