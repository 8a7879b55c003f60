"""The health of registered tables, as a report has it: their files, their logs, and what mends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from dfd_base import DfdError
from dfd_delta_policy import UpkeepTask
from dfd_obs import ReportWarning

from dfd.advice import Advice
from dfd.session_tables import RegisteredTable

# Each is opened for it.
_MOST = 20
_SHOWN = (
    "files",
    "bytes",
    "files_to_compact",
    "deleted_share",
    "commits",
    "log_bytes",
    "checkpoint",
)


def measured_tables(
    tables: Iterable[RegisteredTable], advise: Callable[[str], Advice] | None
) -> tuple[list[dict[str, Any]], list[ReportWarning]]:
    """The tables as a report shows them, the first of them measured, and what is to be mended."""
    shown: list[dict[str, Any]] = []
    warnings: list[ReportWarning] = []
    measured = 0
    for table in tables:
        plain = msgspec.to_builtins(table)
        if advise is not None and not table.pinned and measured < _MOST:
            measured += 1
            try:
                advice = advise(table.uri)
            except DfdError as error:
                warnings.append(_unreadable(table, error))
            else:
                plain |= {name: getattr(advice, name) for name in _SHOWN}
                warnings += _due(table, advice)
        shown.append(plain)
    return shown, warnings


def _unreadable(table: RegisteredTable, error: DfdError) -> ReportWarning:
    return ReportWarning(
        subject=table.name,
        message=f"It can't be read ({type(error).__name__}).",
        remedy=f"dfd doctor --table {table.uri}",
    )


def _due(table: RegisteredTable, advice: Advice) -> list[ReportWarning]:
    said = {
        UpkeepTask.OPTIMIZE: f"{advice.files_to_compact:,} small files, which readers open one by one.",
        UpkeepTask.CHECKPOINT: f"{advice.commits:,} commits since the last checkpoint, all read by who opens it.",
        UpkeepTask.VACUUM: "Files that no version needs.",
    }
    return [
        ReportWarning(subject=table.name, message=said[task], remedy=f"dfd {task} {table.uri}")
        for task in advice.due
    ]
