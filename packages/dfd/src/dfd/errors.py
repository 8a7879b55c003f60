"""Errors that the composition itself raises; each part raises its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dfd_base import DfdError

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome

__all__ = [
    "ConfigurationError",
    "DemoError",
    "DfdError",
    "QueryError",
    "ScriptError",
    "SnapshotGone",
    "SourceError",
]


class ConfigurationError(DfdError, ValueError):
    """A runtime profile can't be built; the message names the field."""

    code = "configuration"


class QueryError(DfdError):
    """A query could not be planned or failed while it ran.

    - `query_id`: that of the spans and records, or None where nothing was recorded.
    - `has_begun`: whether a run of it had begun; else it couldn't be planned.
    """

    code = "query"
    has_begun = False

    def __init__(self, message: str, query_id: str | None = None) -> None:
        super().__init__(message)
        self.query_id = query_id


class SnapshotGone(QueryError):
    """A version of a table can't be read any more: one of its data files is gone. No row was left out.

    - `table`: its URI. `version`: the one that was read. `file`: from the table's root.
    - `remedy`: what to do.
    """

    code = "query_snapshot_gone"

    def __init__(
        self,
        message: str,
        query_id: str | None = None,
        *,
        table: str,
        version: int,
        file: str,
        remedy: str,
    ) -> None:
        super().__init__(f"{message}. {remedy}", query_id)
        self.table = table
        self.version = version
        self.file = file
        self.remedy = remedy


class ScriptError(QueryError):
    """One of several statements of a text failed; `__cause__` says why, and those before it stand.

    - `statement`: its number, from 1.
    - `outcomes`: of those before it that changed a table.
    """

    code = "script"

    def __init__(
        self, statement: int, of: int, line: int, error: Exception, outcomes: Sequence[Outcome]
    ) -> None:
        done = (
            f"The {statement - 1} before it stand" if statement > 1 else "None was done before it"
        )
        said = str(error).rstrip(".")
        super().__init__(f"Statement {statement} of {of}, in line {line}, failed: {said}. {done}.")
        self.statement = statement
        self.outcomes = tuple(outcomes)


class SourceError(DfdError):
    """A file that is given as a source of rows can't be read; `path` is its name, or `stdin`."""

    code = "source"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} can't be read: {reason.rstrip('.')}. Nothing of it was written.")
        self.path = path


class DemoError(DfdError):
    """The demo could not go on, or its results differ from the source data."""

    code = "demo"
