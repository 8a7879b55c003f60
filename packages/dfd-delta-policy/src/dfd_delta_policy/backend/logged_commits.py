"""The commits of a log by their number, where dfd-native isn't installed.

`DeltaTable.history()` can't tell them: it counts down from the version of its handle, over newer commits too, and
leaves out those without a commitInfo.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import pyarrow.fs
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from dfd_delta_policy.backend.protocol import LoggedCommit

_LOG = "_delta_log"
_NAME = re.compile(r"(\d{20})\.json")


class _Line(msgspec.Struct, rename="camel"):
    commit_info: dict[str, Any] | None = None


def commits_since(
    uri: str, options: Mapping[str, str] | None, version: int, last: int | None
) -> list[LoggedCommit]:
    """The commits after a version up to `last` (None: the newest), oldest first and without a gap.

    Where the log has lost those right after `version`, the first is the oldest that is left.

    Raises:
        OSError: the log can't be read.
        msgspec.MsgspecError: a commit isn't lines of JSON.
    """
    try:
        files = pyarrow.fs.PyFileSystem(DeltaStorageHandler(uri, options=dict(options or {})))
    except TableNotFoundError:  # there is no such directory
        return []
    found = _from(files, version + 1, last)
    if found or (last is not None and last <= version) or _read(files, version) is not None:
        return found
    listed = files.get_file_info(pyarrow.fs.FileSelector(_LOG, allow_not_found=True))
    names = (_NAME.fullmatch(info.path.rpartition("/")[2]) for info in listed)
    left = [number for name in names if name and (number := int(name[1])) > version]
    return _from(files, min(left), last) if left else []


def _from(files: pyarrow.fs.FileSystem, first: int, last: int | None) -> list[LoggedCommit]:
    found: list[LoggedCommit] = []
    for version in count(first) if last is None else range(first, last + 1):
        info = _read(files, version)
        if info is None:
            break
        found.append(LoggedCommit(version, info))
    return found


def _read(files: pyarrow.fs.FileSystem, version: int) -> dict[str, Any] | None:
    """A commit's commitInfo; None where there is no such commit."""
    try:
        with files.open_input_stream(f"{_LOG}/{version:020}.json") as stream:
            content = stream.read()
    except FileNotFoundError:
        return None
    for line in content.splitlines():
        info = msgspec.json.decode(line, type=_Line).commit_info
        if info is not None:
            return info
    return {}
