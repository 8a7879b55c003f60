"""Files and folders as they are, whatever a log says of them; and what a log costs who opens it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from dfd_native import _native
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri


class LogLength(NamedTuple):
    """The commits since a log's last checkpoint, all of which are read where the table is opened.

    - `checkpoint`: its version; None where there is none. `commits`: how many came since; `bytes`: their size.
    """

    checkpoint: int | None
    commits: int
    bytes: int


class OpeningCost(NamedTuple):
    """What it takes to open a table that nobody has read before.

    - `requests`: to the store; those too that other threads made meanwhile.
    """

    seconds: float
    requests: int


def log_length(uri: str | os.PathLike[str], options: Mapping[str, str] | None = None) -> LogLength:
    """How many commits stand behind a log's last checkpoint: one listing.

    - `uri`, `options`: as for `active_files`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: the location is refused, or the store can't be read.
    """
    ensure_compatible()
    return LogLength(*_native.log_length(table_uri(uri), dict(options or {})))


def opening_cost(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None
) -> OpeningCost:
    """Open the newest version of a table, whatever is kept of it, and keep nothing.

    - `uri`, `options`: as for `active_files`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such table, or its log can't be read.
    """
    ensure_compatible()
    return OpeningCost(*_native.opening_cost(table_uri(uri), dict(options or {})))


def list_files(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None, folder: str = ""
) -> list[str]:
    """The paths of all files below a folder of a table, from the table's root; empty where there is none.

    - `uri`, `options`: as for `active_files`.
    - `folder`: from the table's root, which is the default.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: the location is refused, or the store can't be read.
    """
    ensure_compatible()
    return _native.list_files(table_uri(uri), dict(options or {}), folder)


def read_file(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None, *, path: str
) -> bytes:
    """The content of a file in a table's folder.

    - `uri`, `options`: as for `active_files`.
    - `path`: from the table's root, as `list_files` has it.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such file, or it can't be read.
    """
    ensure_compatible()
    return _native.read_file(table_uri(uri), dict(options or {}), path)


def tables_beneath(
    uri: str | os.PathLike[str], options: Mapping[str, str] | None = None
) -> list[str]:
    """The names of the folders right beneath one that have the log of a Delta table in them, sorted.

    - `uri`: the folder. `options`: as for `active_files`.

    One listing, and one more for each folder. Empty where there is no such folder.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: the location is refused, or the store can't be read.
    """
    ensure_compatible()
    return _native.tables_beneath(table_uri(uri), dict(options or {}))
