"""Mutations that deltalake makes, on the handle of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltalake import DeltaTable, WriterProperties

from dfd_delta_policy.backend.deltalake import refuse_binary_partitions, refuse_odd_paths
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation

# Without a compression, any WriterProperties write none.
WRITER = WriterProperties(compression="ZSTD")


def existing(attempt: Attempt) -> DeltaTable:
    """The handle of an attempt that needs a table."""
    if attempt.table is None:
        raise InvalidOperation("There is no table.")
    return attempt.table


def writing_files(
    attempt: Callable[[Attempt], Done], *, removes_rows: bool
) -> Callable[[Attempt], Done]:
    """An attempt in which deltalake writes data files, refused where it would name or fill them wrong.

    Raises:
        UnsupportedTable: the table is partitioned by binary values; or, where the operation removes rows, it has
            files whose paths deltalake would write otherwise.
    """

    def checked(on: Attempt) -> Done:
        if on.table is not None:
            refuse_binary_partitions(
                on.table.schema().fields, on.table.metadata().partition_columns
            )
            if removes_rows:
                refuse_odd_paths(on.table)
        return attempt(on)

    return checked


def on_handle(attempt: Attempt, work: Callable[[DeltaTable], dict[str, Any] | None]) -> Done:
    """Run `work`; the handle moves to the version it commits, or stays when it commits none."""
    table = existing(attempt)
    before = table.version()
    metrics = work(table)
    after = table.version()
    return Done(after if after != before else None, metrics or {})
