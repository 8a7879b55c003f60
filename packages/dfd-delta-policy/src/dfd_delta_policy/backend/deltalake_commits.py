"""Versions of a table that deltalake puts and reads, where dfd-native isn't installed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
)
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from dfd_delta_policy.backend.logged_commits import commits_since
from dfd_delta_policy.backend.protocol import (
    PLAIN,
    ActiveFiles,
    FileAction,
    LoggedCommit,
    OperationInfo,
    StagedFiles,
    TableDescription,
)
from dfd_delta_policy.errors import UnsupportedTable


class DeltalakeCommits:
    """The part of `dfd_native` that commits and reads commits; `options` are deltalake's."""

    def commit_files(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        read_version: int,
        info: OperationInfo,
        adds: Sequence[StagedFiles] = (),
        removes: ActiveFiles | None = None,
        keeps_rows: bool = False,
        in_commit_timestamp: bool = False,
    ) -> int:
        """Commit through deltalake, strictly; it calls every operation a WRITE.

        Raises:
            FileExistsError: the version is taken.
            UnsupportedTable: the version before has no time where this one must have one.
        """
        table = open_table(uri, options, read_version)
        now = int(time.time() * 1000)
        stamp = {"inCommitTimestamp": _time_after(table, now)} if in_commit_timestamp else {}
        removed = [] if removes is None else removes.actions
        try:
            table.create_write_transaction(
                [
                    *(_remove(file, now, not keeps_rows) for file in removed),
                    *_adds(adds, not keeps_rows),
                ],
                "append",
                table.schema(),
                table.metadata().partition_columns,
                commit_properties=_properties(info, {**stamp, "txnId": info.operation_id}),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except CommitFailedError as error:
            if str(error).rstrip().endswith("Failed to commit transaction: 0"):
                raise FileExistsError(str(error)) from error
            raise
        return read_version + 1

    def create_table(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        schema_json: str,
        partition_by: Sequence[str] = (),
        description: TableDescription = PLAIN,
        info: OperationInfo,
        adds: Sequence[StagedFiles] = (),
    ) -> int:
        """Make a table through deltalake, strictly: who comes second must look again.

        Raises:
            deltalake.exceptions.DeltaError: there is a table.
        """
        create_table_with_add_actions(
            uri,
            Schema.from_json(schema_json),
            _adds(adds, data_change=True),
            mode="error",
            partition_by=list(partition_by),
            name=description.name,
            description=description.description,
            configuration=dict(description.properties),
            storage_options=dict(options or {}),
            commit_properties=_properties(info, {}),
        )
        return 0

    def commits_since(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        last: int | None = None,
    ) -> list[LoggedCommit]:
        """The commits after a version (-1: all) up to `last` (None: the newest), oldest first."""
        return commits_since(uri, options, version, last)


def open_table(uri: str, options: Mapping[str, str] | None, version: int | None) -> DeltaTable:
    """A handle on a version, the newest by default."""
    return DeltaTable(uri, version=version, storage_options=dict(options or {}))


def _properties(info: OperationInfo, more: Mapping[str, Any]) -> CommitProperties:
    metrics = {name: str(value) for name, value in info.metrics.items()}
    return CommitProperties(
        custom_metadata={**more, **info.metadata, "operationMetrics": metrics},
        max_commit_retries=0,
        app_transactions=[Transaction(*transaction) for transaction in info.transactions],
    )


def _time_after(table: DeltaTable, now: int) -> int:
    """The time of the next commit (section In-Commit Timestamps)."""
    before = table.history(1)[0].get("inCommitTimestamp")
    if before is None:
        raise UnsupportedTable(
            f"Version {table.version()} has no inCommitTimestamp, after which that of the next version "
            "would have to be. Nothing was committed."
        )
    return max(now, int(before) + 1)


def _remove(file: FileAction, now: int, data_change: bool) -> RemoveAction:
    # The log has the path percent-encoded; deltalake encodes it again when it commits.
    return RemoveAction(
        path=unquote(file["path"]),
        data_change=data_change,
        deletion_timestamp=now,
        partition_values=file["partitionValues"],
        size=file["size"],
    )


def _adds(stages: Sequence[StagedFiles], data_change: bool) -> list[AddAction]:
    actions = (action for stage in stages for action in stage.actions)
    return [AddAction(**action, data_change=data_change) for action in actions]
