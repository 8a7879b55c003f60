"""A connection: a runtime, and the cursors over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfd.dbapi import errors
from dfd.dbapi.cursor import Cursor
from dfd.dbapi.errors import InterfaceError, NotSupportedError, as_dbapi_errors
from dfd.profile import DataFusionRuntimeProfile
from dfd.runtime import Runtime
from dfd.runtime import connect as connect_runtime


def connect(
    runtime_profile: str | Path | DataFusionRuntimeProfile | None = None,
    *,
    runtime: Runtime | None = None,
    **overrides: Any,
) -> Connection:
    """A connection of a profile, a TOML file, `DFD_PROFILE` or the defaults, as `dfd.connect` takes them.

    - `runtime`: one that is there, in place of a profile; closing the connection leaves it open.

    Raises:
        Error: the profile is refused, or comes with a runtime.
    """
    if runtime is not None:
        if runtime_profile is not None or overrides:
            raise InterfaceError("Give a profile or a runtime, not both.")
        return Connection(runtime, owns=False)
    with as_dbapi_errors():
        return Connection(connect_runtime(runtime_profile, **overrides), owns=True)


class Connection:
    """Made by `connect()`. Threads may share it.

    - `runtime`: the `dfd.Runtime` beneath, in which tables are registered.
    """

    # PEP 249: the errors by the connection too.
    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(self, runtime: Runtime, owns: bool) -> None:
        self.runtime = runtime
        self._owns = owns
        self._is_closed = False

    def cursor(self) -> Cursor:
        """A new cursor."""
        self.ensure_open()
        return Cursor(self)

    def commit(self) -> None:
        """Nothing: each statement is a commit of its own."""
        self.ensure_open()

    def rollback(self) -> None:
        """Raise, as each statement is committed when it has run.

        Raises:
            NotSupportedError: always.
        """
        self.ensure_open()
        raise NotSupportedError(
            "Each statement is committed when it has run, and can't be rolled back. RESTORE makes an earlier version "
            "of a table the newest."
        )

    def close(self) -> None:
        """End it, and the runtime that it made. Its cursors can't be used any more; closing it twice is harmless."""
        if self._owns and not self._is_closed:
            self.runtime.close()
        self._is_closed = True

    def ensure_open(self) -> None:
        """Nothing where the connection is open.

        Raises:
            InterfaceError: it is closed.
        """
        if self._is_closed:
            raise InterfaceError("The connection is closed.")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
