"""A table's log: its files as the log has them, and new versions put as they are given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfd_native import _native
from dfd_native.handshake import ensure_compatible


@dataclass(frozen=True)
class ActiveFiles:
    """The files of one version of a table.

    `actions`: of each file its add action under the protocol's names, without statistics: `path` exactly as the
    log has it, still encoded; `partitionValues` by physical name; `size`; `modificationTime`; and
    `deletionVector`, `tags`, `baseRowId`, `defaultRowCommitVersion`, `clusteringProvider` where the file
    has them. A remove action made of them takes away that very file.
    """

    version: int
    actions: list[dict[str, Any]]


def active_files(
    uri: str, options: Mapping[str, str] | None = None, version: int | None = None
) -> ActiveFiles:
    """The files of a version, the newest by default; the snapshot is the one that scans share.

    - `uri`: canonical (`file:///data/t`, `s3://bucket/t`).
    - `options`: of the object store, complete: nothing is read from the environment.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such table or version, or it can't be read.
    """
    ensure_compatible()
    found, actions = _native.active_files(uri, dict(options or {}), version)
    return ActiveFiles(found, json.loads(actions))


def misread_columns(
    uri: str,
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
    return _native.misread_columns(uri, dict(options or {}), version, predicate)


def commit(
    uri: str, options: Mapping[str, str] | None = None, *, version: int, actions: bytes
) -> None:
    """Put a version into the log: all of it, or nothing where that version is there already.

    One conditional put (a link on the local disk), and no other check: whether the actions are right on top
    of the version before is the caller's to know.

    - `uri`, `options`: as for `active_files`.
    - `version`: of the new commit.
    - `actions`: JSON, one action a line; written as given.

    Raises:
        CommitError: the store failed; whether the commit is there has to be looked up.
        FileExistsError: the version is taken. A store whose answer was lost may say so of this very
            commit: look whose it is before another version is tried.
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: the location or an option is refused.
    """
    ensure_compatible()
    _native.commit(uri, dict(options or {}), version, actions)
