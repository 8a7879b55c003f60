"""Commits of dfd's own, which put files into a table's log at exactly the next version.

    Commit (what is done, with which files) -> backend: actions -> the version's file, if nobody has it

deltalake's commits name a removed file otherwise than the log does where its partition has letters
beyond ASCII, carry no deletion vector given by hand, and call a compaction a WRITE. dfd-native's
removes repeat the add actions of the very snapshot, and the history says what was done, in the words of
Delta-Spark.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version as _version
from typing import Any, NamedTuple

from deltalake import CommitProperties, DeltaTable, Schema
from dfd_storage import StorageProfile

from dfd_delta_policy.backend.protocol import (
    ActiveFiles,
    Backend,
    DefinitionChange,
    LiveStage,
    LoggedCommit,
    Native,
    OperationInfo,
    Restore,
    StagedFiles,
    TableDescription,
    Work,
)
from dfd_delta_policy.commit.operation import OPERATION_ID
from dfd_delta_policy.conflict import Conflict, ConflictFound
from dfd_delta_policy.errors import DeltaPolicyError, InvalidOperation, UnsupportedTable
from dfd_delta_policy.properties import TableProperties

logger = logging.getLogger(__name__)

# A commit of so many files is followed by a look at how long the log has become; smaller ones add up to no more than
# some megabytes from one checkpoint to the next.
_MANY_FILES = 200
# What readers may have to read of a log beside its checkpoint, before there is another.
_LONG_LOG_BYTES = 8 << 20

_ENGINE = f"dfd-delta-policy/{_version('dfd-delta-policy')}"


class Commit(NamedTuple):
    """The content of one version: what it says it is, and the files it adds and removes.

    - `operation`, `parameters`, `metrics`: as Delta-Spark names them.
    - `adds`: stages, whose files it adds. `removes`: files of the version before.
    - `keeps_rows`: readers of changes see none (`dataChange` is false).
    - `is_blind`: nothing of the table was read to write it.
    """

    operation: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, int]
    adds: Sequence[StagedFiles] = ()
    removes: ActiveFiles | None = None
    keeps_rows: bool = False
    is_blind: bool = False

    @property
    def files(self) -> int:
        """How many files come and go."""
        return sum(len(staged.file_bytes) for staged in self.adds) + len(self.removes or ())


class Committer:
    """Commits to one table."""

    _writer = "dfd"

    def __init__(
        self,
        native: Backend,
        uri: str,
        storage: StorageProfile,
        open_table: Callable[[], DeltaTable],
    ) -> None:
        self.native = native
        self.uri = uri
        self.open = open_table
        self._storage = storage

    @property
    def options(self) -> dict[str, str]:
        """dfd-native's options, with the credentials that hold now."""
        return self._storage.to_native_options()

    def active(self, version: int) -> ActiveFiles:
        """The files of a version, as the log names them.

        Raises:
            OSError: the log can't be read.
        """
        with _reading():
            return self.native.active_files(self.uri, self.options, version=version)

    def commits_since(self, version: int, last: int | None = None) -> Sequence[LoggedCommit]:
        """The commits after a version (-1: all), oldest first, without a listing of the log.

        The first has a later number where the log doesn't have the next any more.

        Raises:
            OSError: the log can't be read.
        """
        with _reading():
            return self.native.commits_since(self.uri, self.options, version=version, last=last)

    def refuse_features(self, table: DeltaTable, *work: Work) -> None:
        """Refuse a table whose protocol asks for more of some work than is done.

        Raises:
            UnsupportedTable: it does; the features are named.
        """
        features = table.protocol().writer_features or ()
        if missing := self.native.unsupported_features(features, *work):
            raise UnsupportedTable(
                f"The table has {', '.join(missing)}, which {self._writer} can't write. "
                "Nothing was read or written."
            )

    def misread_columns(self, version: int, predicate: str | None = None) -> Mapping[str, str]:
        """The columns that deltalake misreads in files that may have rows of `predicate`, and why.

        Raises:
            OSError: the log or a file can't be read.
        """
        with _reading():
            return self.native.misread_columns(
                self.uri, self.options, version=version, predicate=predicate
            )

    def live_stages(self) -> Sequence[LiveStage]:
        """The stages of writers at work in the table's directory.

        Raises:
            OSError: the store can't be read.
        """
        with _reading():
            return self.native.live_stages(self.uri, self.options)

    def put(
        self, table: DeltaTable, commit: Commit, properties: CommitProperties, **changes: Any
    ) -> int:
        """Commit at exactly the version after the handle's, with `changes` that the backend knows; the version.

        Raises:
            ConflictFound: another commit took the version.
            UnsupportedTable: the table has a writer feature that such a commit can't honour.
            OSError: the store failed; whether the commit is there can't be known.
        """
        self.refuse_features(table, "commit")
        stamps = TableProperties.of(table).has_in_commit_timestamps
        try:
            version = self.native.commit_files(
                self.uri,
                self.options,
                read_version=table.version(),
                info=_info(commit, properties),
                adds=commit.adds,
                removes=commit.removes,
                keeps_rows=commit.keeps_rows,
                in_commit_timestamp=stamps,
                **changes,
            )
        except FileExistsError as taken:
            raise _taken() from taken
        except ValueError as invalid:
            raise UnsupportedTable(f"{invalid}. Nothing was committed.") from invalid
        self._keep_short(table, version, commit)
        return version

    def create(
        self,
        schema_json: str,
        partition_by: Sequence[str],
        description: TableDescription,
        commit: Commit,
        properties: CommitProperties,
    ) -> int:
        """Make the table, of a schema in Delta's JSON, by its version 0: who comes second must look again.

        Raises:
            ConflictFound: another commit took the version.
            deltalake.exceptions.DeltaError: there is a table, without dfd-native.
            OSError: the store failed; whether the commit is there can't be known.
        """
        try:
            return self.native.create_table(
                self.uri,
                self.options,
                schema_json=schema_json,
                partition_by=partition_by,
                description=description,
                info=_info(commit, properties),
                adds=commit.adds,
            )
        except FileExistsError as taken:
            raise _taken() from taken

    def _keep_short(self, table: DeltaTable, version: int, commit: Commit) -> None:
        """Write a checkpoint and clean up the log, when they are due; the commit stands without."""
        try:
            properties = TableProperties.of(table)
            if (version + 1) % properties.checkpoint_interval and not self._is_long(commit):
                return
            table.update_incremental()
            table.create_checkpoint()
            is_protected = "checkpointProtection" in (table.protocol().writer_features or ())
            if properties.cleans_log and not is_protected:
                table.cleanup_metadata()
        except Exception:
            logger.warning("No checkpoint of %s at version %d", self.uri, version, exc_info=True)

    def _is_long(self, commit: Commit) -> bool:
        """Whether a commit of many files has made the log long since its last checkpoint; known to dfd-native alone."""
        return False


class NativeCommitter(Committer):
    """Commits to one table through dfd-native."""

    native: Native

    def _is_long(self, commit: Commit) -> bool:
        if commit.files < _MANY_FILES:
            return False
        return self.native.log_length(self.uri, self.options).bytes >= _LONG_LOG_BYTES

    def add_columns(self, version: int, columns: Schema) -> DefinitionChange:
        """The change by which a version gets columns.

        Raises:
            dfd_native.RuleViolation: the table has one of these names, or one takes no nulls.
            OSError: the log can't be read.
        """
        with _reading():
            return self.native.add_columns(
                self.uri, self.options, version=version, schema_json=columns.to_json()
            )

    def change_properties(
        self, version: int, properties: Mapping[str, str | None]
    ) -> DefinitionChange:
        """The change by which a version gets properties, or loses them.

        Raises:
            dfd_native.RuleViolation: a constraint among them can't be followed, or a row breaks it.
            OSError: the log or a file can't be read.
        """
        with _reading():
            return self.native.change_properties(
                self.uri, self.options, version=version, properties=properties
            )

    def active_beside(self, version: int, staged: StagedFiles) -> ActiveFiles:
        """The files of the partitions that staged files are in.

        Raises:
            OSError: the log can't be read.
        """
        with _reading():
            return self.native.active_files(self.uri, self.options, version=version, beside=staged)

    def version_at(self, timestamp: datetime) -> int:
        """The newest version that was there at a time.

        Raises:
            InvalidOperation: none was that can still be read, or the time has no time zone.
            OSError: the log or the store can't be read.
        """
        if timestamp.tzinfo is None:
            raise InvalidOperation(f"The time {timestamp} has no time zone. Nothing was changed.")
        with _reading_versions():
            return self.native.version_at(self.uri, self.options, timestamp=timestamp)

    def plan_restore(self, read_version: int, version: int) -> Restore:
        """What takes the table from `read_version` back to `version`.

        Raises:
            InvalidOperation: the log doesn't have `version`, or a file of it is gone.
            OSError: the log or the store can't be read.
        """
        with _reading_versions():
            planned = self.native.plan_restore(
                self.uri, self.options, read_version=read_version, version=version
            )
        if planned.missing:
            raise InvalidOperation(
                f"Version {version} can't be restored: {len(planned.missing)} of its files are gone, "
                f"{planned.missing[0]} among them. Nothing was changed."
            )
        return planned


class PlainCommitter(Committer):
    """Commits to one table through a backend that takes deltalake's options."""

    _writer = "dfd without dfd-native"

    @property
    def options(self) -> dict[str, str]:
        """deltalake's options, with the credentials that hold now."""
        return self._storage.to_deltalake_options()


@contextmanager
def _reading() -> Iterator[None]:
    """Every error is one of the store, which may work the next time: the table was opened right before.

    But for those of what was asked for.
    """
    try:
        yield
    except (DeltaPolicyError, ValueError):
        raise
    except Exception as error:
        raise OSError(str(error)) from error


@contextmanager
def _reading_versions() -> Iterator[None]:
    """As `_reading`, but for an error that names a version: it isn't there."""
    with _reading():
        try:
            yield
        except Exception as error:
            if getattr(error, "version", None) is None:
                raise
            raise InvalidOperation(f"{error}. Nothing was changed.") from error


def _info(commit: Commit, properties: CommitProperties) -> OperationInfo:
    metadata = properties.custom_metadata or {}
    return OperationInfo(
        operation=commit.operation,
        engine=_ENGINE,
        parameters=commit.parameters,
        metrics=commit.metrics,
        # As Delta-Spark has it for what changes no rows.
        isolation_level="SnapshotIsolation" if commit.keeps_rows else "Serializable",
        is_blind_append=commit.is_blind,
        operation_id=metadata[OPERATION_ID],
        metadata=metadata,
        transactions=[(txn.app_id, txn.version) for txn in properties.app_transactions or ()],
    )


def _taken() -> ConflictFound:
    return ConflictFound(Conflict.CONCURRENT_WRITE, "another commit took the version")
