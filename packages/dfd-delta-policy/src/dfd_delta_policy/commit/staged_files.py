"""Staged files on their way into the log, which are deleted unless a commit takes them.

They belong to their stages, which delete them, until they are known to be in the log. Where
that can't be known they stay: an orphan costs space until a full vacuum, a missing file the table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deltalake import CommitProperties
from deltalake.exceptions import TableNotFoundError

from dfd_delta_policy.backend.protocol import StagedFiles
from dfd_delta_policy.commit.committer import Commit, Committer
from dfd_delta_policy.commit.loop import OPERATION_ID, Attempt, is_transient, version_with
from dfd_delta_policy.outcome import Outcome, Status

logger = logging.getLogger(__name__)


class UncommittedFiles:
    """The files of one operation, and what is known of the commits that were to take them."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._stages: list[StagedFiles] = []
        # The versions that a commit of these files may have become, the operation's id, and
        # whether the request for the last may still be on its way.
        self._first: int | None = None
        self._last = 0
        self._operation_id = ""
        self._is_in_flight = False

    def take(self, staged: StagedFiles) -> None:
        """Answer for these files too."""
        self._stages.append(staged)

    def put(self, attempt: Attempt, commit: Commit) -> int:
        """`Committer.put` of what holds these files."""
        if attempt.table is None:
            raise ValueError("a table is made by `create`")
        with self._committing(attempt.table.version() + 1, attempt.commit):
            return self._committer.put(attempt.table, commit, attempt.commit)

    def create(self, attempt: Attempt, schema: Any, partition_by: list[str], commit: Commit) -> int:
        """`Committer.create` of what holds these files."""
        with self._committing(0, attempt.commit):
            return self._committer.create(schema, partition_by, commit, attempt.commit)

    @contextmanager
    def _committing(self, version: int, properties: CommitProperties) -> Iterator[None]:
        self._first = version if self._first is None else self._first
        self._last = version
        self._operation_id = (properties.custom_metadata or {})[OPERATION_ID]
        self._is_in_flight = True
        try:
            yield
        except Exception as error:
            self._is_in_flight = is_transient(error)
            raise

    def drop(self, staged: StagedFiles) -> None:
        """Delete the files of a stage that no version can hold any more."""
        self._stages.remove(staged)
        try:
            staged.drop()
        except Exception:  # the store may be gone; what stopped the write is said, not this
            logger.warning(
                "Stage %s of %s could not be deleted; `dfd doctor --table` finds it",
                staged.stage_id,
                self._committer.uri,
                exc_info=True,
            )

    def close(self, outcome: Outcome | None) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        if not self._stages:
            return
        done = (Status.COMMITTED, Status.LANDED_AFTER_ERROR)
        committed = True if outcome is not None and outcome.status in done else self._committed()
        for staged in list(self._stages):
            if committed is False:
                self.drop(staged)
                continue
            if committed is None:
                logger.warning(
                    "Whether stage %s is committed to %s can't be known: its files stay",
                    staged.stage_id,
                    self._committer.uri,
                )
            try:
                staged.release()
            except Exception:  # the commit stands; only the lease is left, and it expires
                logger.warning("The lease of stage %s is left", staged.stage_id, exc_info=True)

    def _committed(self) -> bool | None:
        """Whether a commit of the files is in the log; None where that can't be known.

        A version that is another's can't become ours any more. One that nobody took can, by a request
        that is still on its way; on a local disk there is none.
        """
        if self._first is None:
            return False
        in_flight = self._is_in_flight and not self._committer.is_local
        try:
            table = self._committer.open()
            commits = table.history(max(table.version() + 1 - self._first, 1))
        except TableNotFoundError:
            return None if in_flight else False
        except Exception:  # noqa: BLE001  whatever keeps the log from being read
            return None
        if version_with(commits, self._operation_id) is not None:
            return True
        return None if in_flight and table.version() < self._last else False
