"""New versions of a table: staged files, and files that they take the place of."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dfd_native import _native
from dfd_native.changes import DefinitionChange, Restore
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.log import ActiveFiles
from dfd_native.row_changes import MarkedFiles
from dfd_native.stage import StagedFiles
from dfd_native.table_description import PLAIN, TableDescription


@dataclass(frozen=True)
class OperationInfo:
    """What a commit says of the operation that made it, for its commitInfo and its transactions.

    - `operation`, `parameters`, `metrics`: in the words of Delta-Spark. Parameters are what JSON has; metrics
      stand in the log as texts.
    - `isolation_level`: "SnapshotIsolation" where no row changes.
    - `is_blind_append`: whether nothing of the table was read to write it.
    - `engine`: what made it (`engineInfo`).
    - `operation_id`: what tells it from others (`txnId`).
    - `metadata`: entries of its user's. Names that the commitInfo has of its own are left out.
    - `transactions`: ids of applications, and the version of each (`txn`).
    """

    operation: str
    engine: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    isolation_level: Literal["Serializable", "SnapshotIsolation"] = "Serializable"
    is_blind_append: bool = False
    operation_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    transactions: Sequence[tuple[str, int]] = ()


def commit_files(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    read_version: int,
    info: OperationInfo,
    adds: Sequence[StagedFiles] = (),
    removes: ActiveFiles | None = None,
    marked: MarkedFiles | None = None,
    restore: Restore | None = None,
    definition: DefinitionChange | None = None,
    keeps_rows: bool = False,
    in_commit_timestamp: bool = False,
) -> int:
    """Commit as the version after `read_version`: all of it, or nothing where that version is there already.

    One conditional put (a link on the local disk), and no other check: whether the files are right on top of
    `read_version` is the caller's to know. No file is listed in Python: a remove repeats the add action of its
    file, path, deletion vector and all, and an add says what was staged. Release the stages afterwards.

    - `uri`, `options`: as for `active_files`.
    - `removes`: files of `read_version`.
    - `marked`: files among `removes` that come back with another deletion vector.
    - `restore`: planned for `read_version`; it comes without `removes` and `definition`, which it has itself.
    - `definition`: what becomes of schema, properties and protocol; by default what the stages among `adds` need
      (`schema_mode` of `stage`, `merge_schema` of `merge_rows`).
    - `keeps_rows`: readers of changes see none (`dataChange` is false).
    - `in_commit_timestamp`: whether the table has `delta.enableInCommitTimestamps`: the time is then read from the
      clock, and is after that of `read_version` (protocol, section "In-Commit Timestamps").

    Returns the new version.

    Raises:
        CommitError: the store failed; whether the commit is there has to be looked up.
        FileExistsError: the version is taken. A store whose answer was lost may say so of this very
            commit: look whose it is before another version is tried.
        IncompatibleInstallation: the installed libraries don't fit together.
        InvalidCommit: the removes are of another version, or `read_version` has no time where the next must
            have one; nothing was put.
        TableError: the location or an option is refused.
        ValueError: there is a `restore` beside what it has itself.
    """
    ensure_compatible()
    if restore is not None and (removes is not None or definition is not None):
        raise ValueError("`restore` has `removes` and `definition` itself: leave them out.")
    return _native.commit_files(
        table_uri(uri),
        dict(options or {}),
        read_version,
        info,
        [staged._native for staged in adds],
        None if removes is None else removes._native,
        None if marked is None else marked._native,
        None if restore is None else restore._native,
        None if definition is None else definition._native,
        keeps_rows,
        in_commit_timestamp,
    )


def create_table(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    schema_json: str,
    partition_by: Sequence[str] = (),
    description: TableDescription = PLAIN,
    info: OperationInfo,
    adds: Sequence[StagedFiles] = (),
) -> int:
    """Make a table by its version 0, with staged files: all of it, or nothing where there is a table.

    Its protocol is the lowest that has the types of the schema and what its properties ask for.

    - `uri`, `options`: as for `active_files`.
    - `schema_json`: in the JSON of Delta's log, as `StagedFiles.schema_json` has it.
    - `description`: what it says of itself; nothing by default.

    Returns the version, 0.

    Raises:
        CommitError: the store failed; whether the commit is there has to be looked up.
        FileExistsError: there is a version 0.
        IncompatibleInstallation: the installed libraries don't fit together.
        RuleViolation: a partition column isn't in the schema.
        TableError: the location or an option is refused.
    """
    ensure_compatible()
    return _native.create_table(
        table_uri(uri),
        dict(options or {}),
        schema_json,
        list(partition_by),
        description,
        info,
        [staged._native for staged in adds],
    )


def commit(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    actions: bytes,
) -> None:
    """Put a version of actions in JSON, one a line, as given. Deprecated: `commit_files` makes them.

    Raises:
        CommitError, FileExistsError, IncompatibleInstallation, TableError: as `commit_files`.
    """
    warnings.warn(
        "`commit` takes actions as they are; `commit_files` makes them. It goes with the next release.",
        DeprecationWarning,
        stacklevel=2,
    )
    ensure_compatible()
    _native.commit(table_uri(uri), dict(options or {}), version, actions)
