"""Files and folders as they are, whatever a log says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dfd_native import _native
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri


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
