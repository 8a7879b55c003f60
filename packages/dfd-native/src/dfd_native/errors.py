"""Errors of the native half."""

from __future__ import annotations

from dfd_base import DfdError


class NativeError(DfdError):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "native"


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
    """A Delta table can't be opened or scanned; the message has no credentials."""

    code = "table"


class CommitError(TableError, OSError):
    """A version couldn't be put into the log; whether it is there isn't known."""

    code = "commit"


class InvalidCommit(TableError, ValueError):
    """A version can't be what was asked for on top of the version before; nothing was put."""

    code = "invalid_commit"


class EngineRefusal(NativeError):
    """The engine doesn't take the plan, and says why; nothing has run."""

    code = "engine_refusal"


class EngineError(NativeError):
    """A query failed while it ran in the engine, or its run was read twice."""

    code = "engine"


class StageError(NativeError):
    """A stage failed: the stream, the store or the disk did. Nothing is committed, and nothing is left."""

    code = "stage"


class RuleViolation(StageError, ValueError):
    """The data doesn't follow a rule of the table; names the column, and the row of the stream."""

    code = "rule_violation"
