"""Errors of the native half."""

from __future__ import annotations

from collections.abc import Mapping

from dfd_base import DfdError

REFUSAL_REASONS = frozenset(
    [
        "ambiguous_type",
        "function_of_spark",
        "no_rows",
        "other_schema",
        "statement",
        "unplannable",
        "unreadable",
        "unwritable",
    ]
)
"""The codes of why the engine doesn't take a plan, stable across releases."""


class NativeError(DfdError):
    """Root of the errors of this package: what happened, and where, for a program to read.

    `code` is stable across releases. A field is None where it doesn't apply, or isn't known:

    - `uri`: the table, or its location, without credentials.
    - `version`: the table's.
    - `path`: a file of the table or of its log, from the table's root; where it isn't below that, as the
      log has it, or from the root of its store.
    - `column`: of the table, or of the stream that is written.
    - `row`: of the stream that is written, counted from 0.
    - `rule`, `expression`: a CHECK constraint by its name, and what it says; an invariant, a default or a
      generated column has its `column` in place of a name.
    - `values`: texts of the row's values, by column.

    `__cause__` is an `ErrorCause` where a library below said why.
    """

    code = "native"
    uri: str | None = None
    version: int | None = None
    path: str | None = None
    column: str | None = None
    row: int | None = None
    rule: str | None = None
    expression: str | None = None
    values: Mapping[str, str] | None = None


class ErrorCause(NativeError):
    """What a library below said, as the `__cause__` of another error of this package; never raised alone."""

    code = "cause"


class IncompatibleInstallation(NativeError):
    """The installed libraries don't fit together; nothing native was touched.

    - `installed`: what is there, like `datafusion 54.1.0`.
    - `required`: what is needed, like `datafusion>=55,<56`.
    - `command`: the command that mends it.
    """

    code = "incompatible_installation"

    def __init__(self, installed: str, required: str, command: str) -> None:
        super().__init__(
            f"{installed} is installed and {required} is required; nothing was run. "
            f"Mend it with: {command}"
        )
        self.installed = installed
        self.required = required
        self.command = command


class StreamError(NativeError):
    """A stream can't be read on, or was given away before."""

    code = "stream"


class TableError(NativeError):
    """A Delta table can't be opened or scanned; `path` is the file that can't be read, where it is one."""

    code = "table"


class CommitError(TableError, OSError):
    """A version couldn't be put into the log; whether it is there isn't known."""

    code = "commit"


class InvalidCommit(TableError, ValueError):
    """A version can't be what was asked for on top of the version before; nothing was put."""

    code = "invalid_commit"


class EngineRefusal(NativeError):
    """The engine doesn't take the plan, and says why; nothing has run.

    `reason` is why as a code, in which no part of the plan is: one of `REFUSAL_REASONS`.
    """

    code = "engine_refusal"

    def __init__(self, message: str = "", reason: str = "unplannable") -> None:
        super().__init__(message)
        self.reason = reason


class EngineError(NativeError):
    """A query failed while it ran in the engine, or its run was read twice; `path` as of a `TableError`."""

    code = "engine"


class SnapshotGone(TableError, EngineError):
    """A data file isn't there any more that the version has which is read; no row of it was left out.

    `uri`, `version` and `path` say which; `remedy` what to do.
    """

    code = "snapshot_gone"
    remedy = (
        "Read a newer version: refresh the pin, or register the table again. VACUUM removes what no "
        "version within `delta.deletedFileRetentionDuration` needs: make it longer than a pin lives."
    )


class StageError(NativeError):
    """A stage failed: the stream, the store or the disk did. Nothing is committed, and nothing is left."""

    code = "stage"


class SourceError(StageError):
    """The stream that was to be staged failed. Nothing is committed, and nothing is left."""

    code = "stage_source"


class RuleViolation(StageError, ValueError):
    """The data doesn't follow a rule of the table, which has its `column` or `rule`, and the `row` of the stream, or of the file at `path`."""

    code = "rule_violation"


class StatementError(RuleViolation):
    """A text of a statement isn't one expression over the table's columns, or a name is that of none."""

    code = "statement"


class SqlSyntaxError(NativeError, ValueError):
    """A text is no statement of SQL; the message says the line and the column."""

    code = "sql_syntax"
