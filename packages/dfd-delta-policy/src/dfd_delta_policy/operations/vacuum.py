"""VACUUM: files that no version within the retention needs go, and none that a writer at work still needs.

    leases of stages -> snapshot -> files older than the retention -> VACUUM START, removal, VACUUM END

A full vacuum takes files that are in no version, and files that are staged are in none until their
commit. They are safe while they are younger than the retention; whoever stages for longer than that is
found by the lease that dfd-native keeps in the table's directory meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from dfd_delta_policy.backend.protocol import LiveStage
from dfd_delta_policy.commit.operation import OPERATION_ID, Attempt, Done
from dfd_delta_policy.errors import OperationRefused, UnsupportedTable
from dfd_delta_policy.operations.deltalake_handle import existing
from dfd_delta_policy.properties import TableProperties

_START = "VACUUM START"
_RETENTION = "delta.deletedFileRetentionDuration"
_HOUR = timedelta(hours=1)
# Clocks differ, and a vacuum takes its time: a stage that is younger than the retention by less isn't safe.
_MARGIN = timedelta(hours=1)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class _Retention(NamedTuple):
    """The retention of one vacuum: its length, and how deltalake is told."""

    length: timedelta
    hours: int | None
    is_enforced: bool


class Vacuum:
    """One VACUUM, given to the loop as `attempt`; trying it again removes what is left.

    - `retention_hours`: None is the table's own (`delta.deletedFileRetentionDuration`, a week by default).
    - `dry_run`: tell what would go, and what would be refused.
    - `full`: list the table's directory, and take files that were never committed too.
    - `live_stages`: the stages of writers at work.
    - `now`: the time, in UTC.
    """

    def __init__(
        self,
        uri: str,
        open_table: Callable[[], DeltaTable],
        live_stages: Callable[[], Iterable[LiveStage]],
        retention_hours: int | None = None,
        *,
        dry_run: bool = True,
        full: bool = False,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._uri = uri
        self._open_table = open_table
        self._live_stages = live_stages
        self._hours = retention_hours
        self._dry_run = dry_run
        self._full = full
        self._now = now
        self._files: set[str] = set()

    @property
    def metrics(self) -> dict[str, Any]:
        """The files that went in all attempts, or would go, relative to the table.

        Removed files are among them, gone or not, for as long as the log remembers their removal.
        """
        return {"files": sorted(self._files), "dry_run": self._dry_run}

    def attempt(self, attempt: Attempt) -> Done:
        """Remove what is left to remove.

        Raises:
            OperationRefused: the retention is below the table's own, or a writer at work has
                staged since before it. Nothing was removed.
            UnsupportedTable: the table's retention can't be understood; or `full`, and the table may
                have deletion vectors.
        """
        table = existing(attempt)
        retention = self._retention(table)
        if self._full:
            _refuse_deletion_vectors(table)
            self._refuse_stages(retention.length)
            # Of those who have given up their lease since, this one knows the commit.
            table = self._open_table()
        self._files.update(self._vacuum(table, retention, None))
        if self._dry_run or not self._files:
            return Done(None, self.metrics)
        before = table.version()
        ids = attempt.commit.custom_metadata or {}
        try:
            # Neither commit adds or removes a file, so that any version will do for them.
            self._vacuum(table, retention, CommitProperties(custom_metadata=ids))
        except CommitFailedError:
            # The files go between the two commits; once the first is there, it was the second that failed.
            begun = self._begun(before, ids.get(OPERATION_ID))
            if begun is None:
                raise
            return Done(begun, self.metrics)
        return Done(self._open_table().version(), self.metrics)

    def _begun(self, before: int, operation_id: str | None) -> int | None:
        """The version of this operation's VACUUM START that came after `before`."""
        table = self._open_table()
        newer = table.version() - before
        for commit in table.history(newer) if newer > 0 else ():
            if (commit.get("operation"), commit.get(OPERATION_ID)) == (_START, operation_id):
                return int(commit["version"])
        return None

    def _retention(self, table: DeltaTable) -> _Retention:
        """The retention of this vacuum, on a table with one of its own.

        Raises:
            OperationRefused: it is below the table's.
            UnsupportedTable: the table's can't be understood.
        """
        properties = TableProperties.of(table)
        least = properties.deleted_file_retention
        is_plain = properties.is_plain(_RETENTION)
        if self._hours is None:
            # deltalake, which goes by a week where it can't read the table's own, is told.
            hours = None if is_plain else math.ceil(least / _HOUR)
            return _Retention(least, hours, is_plain)
        if self._hours * _HOUR < least:
            raise OperationRefused(
                f"VACUUM of {self._uri} with {self._hours} hours is below the table's retention of "
                f"{least / _HOUR:g} hours; nothing was removed. Leave `retention_hours` out."
            )
        return _Retention(self._hours * _HOUR, self._hours, is_plain)

    def _vacuum(
        self, table: DeltaTable, retention: _Retention, commit: CommitProperties | None
    ) -> list[str]:
        return table.vacuum(
            retention_hours=retention.hours,
            dry_run=commit is None,
            enforce_retention_duration=retention.is_enforced,
            full=self._full,
            commit_properties=commit,
        )

    def _refuse_stages(self, retention: timedelta) -> None:
        oldest = self._now() - retention + _MARGIN
        for stage in self._live_stages():
            if stage.started < oldest:
                raise OperationRefused(
                    f"VACUUM of {self._uri} with `full` could remove files of stage {stage.stage_id}, "
                    f"which process {stage.pid} on {stage.host} has been writing since "
                    f"{stage.started:%Y-%m-%d %H:%M:%S} UTC. Nothing was removed. Run it when that "
                    "write is done, or without `full`."
                )


def _refuse_deletion_vectors(table: DeltaTable) -> None:
    """deltalake's full vacuum takes the files of deletion vectors for files of nobody, and removes those in use."""
    if "deletionVectors" in (table.protocol().reader_features or ()):
        raise UnsupportedTable(
            "A full vacuum of deltalake's would remove the table's deletion vectors, and with them its rows' "
            "deletions. Nothing was removed. Run it without `full`."
        )
