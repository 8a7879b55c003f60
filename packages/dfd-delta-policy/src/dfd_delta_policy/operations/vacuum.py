"""VACUUM: files that no version within the retention needs go, and none that a writer at work still needs.

    leases of stages -> snapshot -> files older than the retention -> VACUUM START, removal, VACUUM END

A full vacuum takes files that are in no version, and files that are staged are in none until their
commit. They are safe while they are younger than the retention; whoever stages for longer than that is
found by the lease that dfd-native keeps in `_dfd/stages/` meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler

from dfd_delta_policy.commit.operation import OPERATION_ID, Attempt, Done
from dfd_delta_policy.errors import OperationRefused, UnsupportedTable
from dfd_delta_policy.operations.deltalake_handle import existing

_LEASES = "_dfd/stages"
_START = "VACUUM START"
_WEEK_S = 7 * 24 * 3600.0
# Clocks differ, and a vacuum takes its time: a stage that is younger than the retention by less isn't safe.
_MARGIN_S = 3600.0
_INTERVAL = re.compile(r"\s*interval\s+(\d+)\s+(\w+?)s?\s*")
_UNITS_S = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 24 * 3600.0,
    "week": _WEEK_S,
}


class Vacuum:
    """One VACUUM, given to the loop as `attempt`; trying it again removes what is left.

    - `retention_hours`: None is the table's own (`delta.deletedFileRetentionDuration`, a week by default).
    - `dry_run`: tell what would go, and what would be refused.
    - `full`: list the table's directory, and take files that were never committed too.
    - `now`: seconds since the epoch.
    """

    def __init__(
        self,
        uri: str,
        open_table: Callable[[], DeltaTable],
        storage_options: Callable[[], dict[str, str]],
        retention_hours: int | None = None,
        *,
        dry_run: bool = True,
        full: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._uri = uri
        self._open_table = open_table
        self._storage_options = storage_options
        self._retention_hours = retention_hours
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
            UnsupportedTable: `full`, and the table may have deletion vectors.
        """
        table = existing(attempt)
        if self._full:
            _refuse_deletion_vectors(table)
            self._refuse_stages(table)
            # Of those who have given up their lease since, this one knows the commit.
            table = self._open_table()
        self._files.update(self._vacuum(table, None))
        if self._dry_run or not self._files:
            return Done(None, self.metrics)
        before = table.version()
        ids = attempt.commit.custom_metadata or {}
        try:
            # Neither commit adds or removes a file, so that any version will do for them.
            self._vacuum(table, CommitProperties(custom_metadata=ids))
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

    def _vacuum(self, table: DeltaTable, commit: CommitProperties | None) -> list[str]:
        try:
            return table.vacuum(
                retention_hours=self._retention_hours,
                dry_run=commit is None,
                enforce_retention_duration=True,
                full=self._full,
                commit_properties=commit,
            )
        except Exception as error:
            if "retention period" in str(error):
                raise OperationRefused(
                    f"VACUUM of {self._uri} with {self._retention_hours} hours is below the table's "
                    "retention; nothing was removed. Leave `retention_hours` out."
                ) from error
            raise

    def _refuse_stages(self, table: DeltaTable) -> None:
        retention_s = (
            retention_of(table.metadata().configuration)
            if self._retention_hours is None
            else self._retention_hours * 3600.0
        )
        oldest_ms = (self._now() - retention_s + _MARGIN_S) * 1000
        for lease in self._leases():
            if lease.started_ms < oldest_ms and not lease.is_dead(self._now()):
                began = datetime.fromtimestamp(lease.started_ms / 1000, timezone.utc)
                raise OperationRefused(
                    f"VACUUM of {self._uri} with `full` could remove files of stage {lease.stage_id}, "
                    f"which process {lease.pid} on {lease.host} has been writing since "
                    f"{began:%Y-%m-%d %H:%M:%S} UTC. Nothing was removed. Run it when that write is "
                    "done, or without `full`."
                )

    def _leases(self) -> Iterator[_Lease]:
        files = pyarrow.fs.PyFileSystem(
            DeltaStorageHandler(self._uri, options=self._storage_options())
        )
        for found in files.get_file_info(pyarrow.fs.FileSelector(_LEASES, allow_not_found=True)):
            try:
                with files.open_input_stream(found.path) as stream:
                    yield msgspec.json.decode(stream.read(), type=_Lease)
            except (FileNotFoundError, msgspec.MsgspecError):
                # Given up just now; or it isn't one.
                continue


def _refuse_deletion_vectors(table: DeltaTable) -> None:
    """deltalake's full vacuum takes the files of deletion vectors for files of nobody, and removes those in use."""
    if "deletionVectors" in (table.protocol().reader_features or ()):
        raise UnsupportedTable(
            "A full vacuum of deltalake's would remove the table's deletion vectors, and with them its rows' "
            "deletions. Nothing was removed. Run it without `full`."
        )


def retention_of(configuration: Mapping[str, Any]) -> float:
    """The table's own retention in seconds; a week where it says none."""
    said = str(configuration.get("delta.deletedFileRetentionDuration") or "")
    found = _INTERVAL.fullmatch(said)
    unit = _UNITS_S.get(found[2]) if found else None
    return _WEEK_S if found is None or unit is None else int(found[1]) * unit


class _Lease(msgspec.Struct):
    """A lease as dfd-native writes it (`crates/dfd-write/src/lease.rs`)."""

    stage_id: str
    host: str
    pid: int
    started_ms: int
    expires_ms: int
    namespace: str | None = None
    process_start: int | None = None

    def is_dead(self, now: float) -> bool:
        """Whether its process is gone, as far as can be told from here, or it wasn't renewed."""
        is_here = self.namespace is not None and (self.host, self.namespace) == (
            _host(),
            _namespace(),
        )
        is_gone = is_here and _process_start(self.pid) != self.process_start
        return is_gone or self.expires_ms < now * 1000


def _host() -> str:
    try:
        return Path("/proc/sys/kernel/hostname").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str | None:
    """The scope in which process ids are unique: a boot and a namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _process_start(pid: int) -> int | None:
    """In clock ticks since the boot; None where there is no such process, or it has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
