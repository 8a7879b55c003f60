"""Staged files on their way into the log, which are deleted unless a commit takes them.

They belong to their stages, which delete them, until they are known to be in the log. Where
that can't be known they stay: an orphan costs space until a full vacuum, a missing file the table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dfd_delta_policy.backend.protocol import StagedFiles
from dfd_delta_policy.commit.knowledge import Knowledge, NotLanded, Unknown

logger = logging.getLogger(__name__)


class UncommittedFiles:
    """The files of one operation on the table at `uri`, until a commit takes them."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._stages: list[StagedFiles] = []

    def take(self, staged: StagedFiles) -> None:
        """Answer for these files too."""
        self._stages.append(staged)

    def drop(self, staged: StagedFiles) -> None:
        """Delete the files of a stage that no version can hold any more."""
        self._stages.remove(staged)
        try:
            staged.drop()
        except Exception:  # the store may be gone; what stopped the write is said, not this
            logger.warning(
                "Stage %s of %s could not be deleted; `dfd doctor --table` finds it",
                staged.stage_id,
                self._uri,
                exc_info=True,
            )

    def close(self, settled: Callable[[], Knowledge]) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        if not self._stages:
            return
        known = settled()
        for staged in list(self._stages):
            if isinstance(known, NotLanded):
                self.drop(staged)
            else:
                self._release(staged, known)

    def _release(self, staged: StagedFiles, known: Knowledge) -> None:
        if isinstance(known, Unknown):
            logger.warning(
                "Whether stage %s is committed to %s can't be known: its files stay",
                staged.stage_id,
                self._uri,
            )
        try:
            staged.release()
        except Exception:  # the commit stands; only the lease is left, and it expires
            logger.warning("The lease of stage %s is left", staged.stage_id, exc_info=True)
