"""Mutations that deltalake makes, on the handle of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltalake import DeltaTable, WriterProperties

from dfd_delta_policy.commit.loop import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation

# Without a compression, any WriterProperties write none.
WRITER = WriterProperties(compression="ZSTD")


def existing(attempt: Attempt) -> DeltaTable:
    """The handle of an attempt that needs a table."""
    if attempt.table is None:
        raise InvalidOperation("There is no table.")
    return attempt.table


def on_handle(attempt: Attempt, work: Callable[[DeltaTable], dict[str, Any] | None]) -> Done:
    """Run `work`; the handle moves to the version it commits, or stays when it commits none."""
    table = existing(attempt)
    before = table.version()
    metrics = work(table)
    after = table.version()
    return Done(after if after != before else None, metrics or {})
