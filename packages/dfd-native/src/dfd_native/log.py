"""A table's log, as it is read: the files of a version, commits by number, and columns that deltalake misreads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dfd_native import _native
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.stage import StagedFiles


class ActiveFiles:
    """Files of one version of a table, all of them or some; made by `active_files`."""

    def __init__(self, native: _native.ActiveFiles) -> None:
        self._native = native

    @property
    def version(self) -> int:
        """The version."""
        return self._native.version

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        return self._native.bytes

    @cached_property
    def actions(self) -> list[dict[str, Any]]:
        """Of each file its add action under the protocol's names, without statistics.

        `path` exactly as the log has it, still encoded; `partitionValues` by physical name; `size`;
        `modificationTime`; and `deletionVector`, `tags`, `baseRowId`, `defaultRowCommitVersion`,
        `clusteringProvider` where the file has them. Made when it is first asked for.
        """
        found: list[dict[str, Any]] = json.loads(self._native.actions())
        return found

    def only(self, paths: Sequence[str]) -> ActiveFiles:
        """Those among these files that have one of `paths`.

        Raises:
            TableError: none has such a path.
        """
        return ActiveFiles(self._native.only(list(paths)))

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return f"<ActiveFiles of version {self.version}: {len(self)} files>"


def active_files(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    version: int | None = None,
    *,
    beside: StagedFiles | None = None,
) -> ActiveFiles:
    """The files of a version, the newest by default; the snapshot is the one that scans share.

    With `beside` they are those of the partitions that these staged files are in, by values and not by their texts; all,
    where the table has no partitions and there is a staged file.

    - `uri`: a path, absolute, relative or from `~`, or a URI (`file:///data/t`, `s3://bucket/t`).
    - `options`: of the object store, complete: nothing is read from the environment.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such table or version, or it can't be read.
    """
    ensure_compatible()
    staged = None if beside is None else beside._native
    return ActiveFiles(_native.active_files(table_uri(uri), dict(options or {}), version, staged))


@dataclass(frozen=True)
class LoggedCommit:
    """A commit of the log.

    - `info`: its commitInfo exactly as the log has it; empty where it has none.
    """

    version: int
    info: dict[str, Any]


def commits_since(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    last: int | None = None,
) -> list[LoggedCommit]:
    """The commits after a version, oldest first and without a gap; none where there is nothing newer.

    They are read by their numbers until one isn't there, and no log is listed for it. Only where the log doesn't
    have `version` itself any more is it listed, once; the first commit is then the oldest that it still
    has, and its number tells of the gap. A table that was removed and made anew is the caller's to notice.

    - `uri`, `options`: as for `active_files`.
    - `version`: the newest that is known; -1 for none.
    - `last`: the newest to read; whichever is the newest by default.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: the store fails, or a commit isn't lines of JSON.
    """
    ensure_compatible()
    known = None if version < 0 else version
    found = _native.commits_since(table_uri(uri), dict(options or {}), known, last)
    return [
        LoggedCommit(number, {} if line is None else json.loads(line)["commitInfo"])
        for number, line in found
    ]


def misread_columns(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    predicate: str | None = None,
) -> dict[str, str]:
    """The columns of `version` that deltalake would carry over wrong into files that it writes anew, and why.

    Those are timestamps in Parquet's old type INT96, which it takes for nanoseconds (moments outside the years
    1677 to 2262 become others), and columns that a file spells in another case, which become nulls.
    The footers of the files are looked at, those of earlier scans without a request.

    - `uri`, `options`: as for `active_files`.
    - `predicate`: a condition of SQL. Only files that may have a row for which it is true are looked at; one that
      can't be decided by the log leaves all.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such version, or a footer can't be read.
    """
    ensure_compatible()
    return _native.misread_columns(table_uri(uri), dict(options or {}), version, predicate)
