"""Commits of dfd's own, which put files into a table's log at exactly the next version.

    Commit (what is done, with which files) -> actions as JSON -> the version's file, if nobody has it

deltalake's commits name a removed file otherwise than the log does where its partition has letters
beyond ASCII, carry no deletion vector given by hand, and call a compaction a WRITE. Here
removes repeat the add actions of the very snapshot, and the history says what was done, in the words of
Delta-Spark.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as _version
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, create_table_with_add_actions
from dfd_storage import LocalProfile, StorageProfile

from dfd_delta_policy.backend.protocol import FileAction, Native
from dfd_delta_policy.commit.loop import OPERATION_ID
from dfd_delta_policy.conflict import Conflict, ConflictFound
from dfd_delta_policy.errors import DeltaPolicyError, UnsupportedTable

logger = logging.getLogger(__name__)

_ENGINE = f"dfd-delta-policy/{_version('dfd-delta-policy')}"

# Writer features that ask nothing of a commit, or what is done here and while files are staged. Of the
# rest each asks for more: row ids, identity values, clustering, another schema in every file.
_HONOURED = frozenset(
    {
        "allowColumnDefaults",
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "checkpointProtection",
        "columnMapping",
        "deletionVectors",
        "domainMetadata",
        "generatedColumns",
        "inCommitTimestamp",
        "invariants",
        "timestampNtz",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    }
)

# What a remove repeats of the add that it removes.
_REMOVED = ("partitionValues", "size", "deletionVector", "tags", "baseRowId", "defaultRowCommitVersion")  # fmt: skip
# What needs no escape in the path of an action.
_LITERAL = "/="
# deltalake's own, which its other commits follow.
_CHECKPOINT_INTERVAL = 100


class Commit(NamedTuple):
    """The content of one version: what it says it is, and the files it adds and removes.

    - `operation`, `parameters`, `metrics`: as Delta-Spark names them.
    - `adds`: of files that were staged. `removes`: add actions of the snapshot.
    - `keeps_rows`: readers of changes see none (`dataChange` is false).
    - `is_blind`: nothing of the table was read to write it.
    """

    operation: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, int]
    adds: Sequence[Mapping[str, Any]]
    removes: Sequence[FileAction] = ()
    keeps_rows: bool = False
    is_blind: bool = False


class Committer:
    """Commits to one table."""

    def __init__(
        self,
        native: Native,
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

    @property
    def is_local(self) -> bool:
        """Whether a request that failed is over, so that it can't be carried out later."""
        return isinstance(self._storage, LocalProfile)

    def active(self, version: int) -> Sequence[FileAction]:
        """The files of a version, as the log names them.

        Raises:
            OSError: the log can't be read.
        """
        with _reading():
            return self.native.active_files(self.uri, self.options, version=version).actions

    def misread_columns(self, version: int, predicate: str | None = None) -> Mapping[str, str]:
        """The columns that deltalake misreads in files that may have rows of `predicate`, and why.

        Raises:
            OSError: the log or a file can't be read.
        """
        with _reading():
            return self.native.misread_columns(
                self.uri, self.options, version=version, predicate=predicate
            )

    def put(self, table: DeltaTable, commit: Commit, properties: CommitProperties) -> int:
        """Commit at exactly the version after the handle's; the version.

        Raises:
            ConflictFound: another commit took the version.
            UnsupportedTable: the table has a writer feature that such a commit can't honour.
            OSError: the store failed; whether the commit is there can't be known.
        """
        refuse_features(table)
        version = table.version() + 1
        actions = b"".join(
            msgspec.json.encode(action) + b"\n" for action in _actions(table, commit, properties)
        )
        try:
            self.native.commit(self.uri, self.options, version=version, actions=actions)
        except FileExistsError as taken:
            reason = "another commit took the version"
            raise ConflictFound(Conflict.CONCURRENT_WRITE, reason) from taken
        self._keep_short(table, version)
        return version

    def create(
        self,
        schema: Any,
        partition_by: Sequence[str],
        commit: Commit,
        properties: CommitProperties,
    ) -> int:
        """Make the table, of a schema in Delta's JSON, by its version 0.

        Raises:
            deltalake.exceptions.DeltaError: there is a table.
        """
        create_table_with_add_actions(
            self.uri,
            Schema.from_json(json.dumps(schema)),
            [AddAction(**add, data_change=True) for add in commit.adds],
            # Strict for the first version too: who comes second must look again.
            mode="error",
            partition_by=list(partition_by),
            storage_options=self._storage.to_deltalake_options(),
            commit_properties=CommitProperties(
                custom_metadata={
                    **(properties.custom_metadata or {}),
                    "operationMetrics": _texts(commit.metrics),
                },
                max_commit_retries=0,
                app_transactions=properties.app_transactions,
            ),
        )
        return 0

    def _keep_short(self, table: DeltaTable, version: int) -> None:
        """Write a checkpoint and clean up the log, when they are due; the commit stands without."""
        try:
            properties = table.metadata().configuration
            interval = int(properties.get("delta.checkpointInterval") or _CHECKPOINT_INTERVAL)
            if (version + 1) % interval:
                return
            table.update_incremental()
            table.create_checkpoint()
            is_protected = "checkpointProtection" in (table.protocol().writer_features or ())
            if properties.get("delta.enableExpiredLogCleanup") != "false" and not is_protected:
                table.cleanup_metadata()
        except Exception:
            logger.warning("No checkpoint of %s at version %d", self.uri, version, exc_info=True)


class PlainCommitter(Committer):
    """Commits to one table through a backend that takes deltalake's options."""

    @property
    def options(self) -> dict[str, str]:
        """deltalake's options, with the credentials that hold now."""
        return self._storage.to_deltalake_options()


@contextmanager
def _reading() -> Iterator[None]:
    """Every error is one of the store, which may work the next time: the table was opened right before."""
    try:
        yield
    except DeltaPolicyError:
        raise
    except Exception as error:
        raise OSError(str(error)) from error


def refuse_features(table: DeltaTable) -> None:
    """Refuse a table whose protocol asks for more of a commit than is done here.

    Raises:
        UnsupportedTable: it does; the features are named.
    """
    missing = {*(table.protocol().writer_features or ())} - _HONOURED
    if missing:
        raise UnsupportedTable(
            f"The table has {', '.join(sorted(missing))}, which dfd can't write. "
            "Nothing was read or written."
        )


def _actions(
    table: DeltaTable, commit: Commit, properties: CommitProperties
) -> Iterator[dict[str, Any]]:
    """A version's actions, commitInfo first."""
    now = int(time.time() * 1000)
    yield {
        "commitInfo": {**_in_commit_timestamp(table, now), **_info(table, commit, properties, now)}
    }
    for transaction in properties.app_transactions or ():
        txn = {"appId": transaction.app_id, "version": transaction.version, "lastUpdated": now}
        yield {"txn": txn}
    for file in commit.removes:
        yield {
            "remove": {
                "path": file["path"],
                "deletionTimestamp": now,
                "dataChange": not commit.keeps_rows,
                "extendedFileMetadata": True,
                **{key: file[key] for key in _REMOVED if file.get(key) is not None},
            }
        }
    for add in commit.adds:
        yield {
            "add": {
                "path": quote(add["path"], safe=_LITERAL),
                "partitionValues": add["partition_values"],
                "size": add["size"],
                "modificationTime": add["modification_time"],
                "dataChange": not commit.keeps_rows,
                "stats": add["stats"],
            }
        }


def _info(
    table: DeltaTable, commit: Commit, properties: CommitProperties, now: int
) -> dict[str, Any]:
    given = properties.custom_metadata or {}
    return {
        **given,
        "timestamp": now,
        "operation": commit.operation,
        "operationParameters": commit.parameters,
        "readVersion": table.version(),
        # As Delta-Spark has it for what changes no rows.
        "isolationLevel": "SnapshotIsolation" if commit.keeps_rows else "Serializable",
        "isBlindAppend": commit.is_blind,
        "operationMetrics": _texts(commit.metrics),
        "engineInfo": _ENGINE,
        "txnId": given[OPERATION_ID],
    }


def _in_commit_timestamp(table: DeltaTable, now: int) -> dict[str, int]:
    """The time of the commit, after that of the commit before (section In-Commit Timestamps)."""
    if table.metadata().configuration.get("delta.enableInCommitTimestamps") != "true":
        return {}
    before = table.history(1)[0].get("inCommitTimestamp")
    if before is None:
        raise UnsupportedTable(
            f"Version {table.version()} has no inCommitTimestamp, after which that of the next version "
            "would have to be. Nothing was committed."
        )
    return {"inCommitTimestamp": max(now, before + 1)}


def _texts(metrics: Mapping[str, int]) -> dict[str, str]:
    return {name: str(value) for name, value in metrics.items()}
