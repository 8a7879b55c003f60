"""The search of a table's log for one operation, and for the commits of others that came before it.

Every commit carries its operation's id in its commitInfo. An application transaction per operation would
tell the same, but stays in the table's state for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dfd_delta_policy.backend.protocol import LoggedCommit
from dfd_delta_policy.commit.knowledge import Found, Searched
from dfd_delta_policy.commit.operation import OPERATION_ID
from dfd_delta_policy.outcome import ConcurrentCommit

CommitsSince = Callable[[int, int | None], Sequence[LoggedCommit]]
"""The commits after a version up to another (None: the newest), oldest first."""

# What an operation commits when it begins: it has still to be done.
_ANNOUNCEMENTS = frozenset({"VACUUM START"})


class Search(NamedTuple):
    """What a search saw of the operation, and the commits of others on its way."""

    seen: Found | Searched
    others: tuple[ConcurrentCommit, ...] = ()


def search(
    commits_since: CommitsSince, operation_id: str, after: int, newest: int | None = None
) -> Search:
    """Search the versions after `after` up to `newest` (None: whichever is the newest in the log).

    Raises:
        OSError: the log can't be read.
    """
    if newest is not None and newest <= after:
        return Search(Searched(after, newest))
    commits = commits_since(after, newest)
    others: list[ConcurrentCommit] = []
    found = None
    for commit in commits:
        if commit.info.get(OPERATION_ID) != operation_id:
            others.append(_concurrent(commit))
        elif commit.info.get("operation") not in _ANNOUNCEMENTS:
            found = Found(commit.version)
    if found is not None:
        return Search(found, tuple(others))
    last = commits[-1].version if commits else after
    seen = Searched(_through(after, commits), last if newest is None else newest)
    return Search(seen, tuple(others))


def _through(after: int, commits: Iterable[LoggedCommit]) -> int:
    """The last version before the first that is missing."""
    for commit in commits:
        if commit.version != after + 1:
            break
        after = commit.version
    return after


def _concurrent(commit: LoggedCommit) -> ConcurrentCommit:
    return ConcurrentCommit(
        version=commit.version,
        operation=str(commit.info.get("operation", "unknown")),
        operation_id=commit.info.get(OPERATION_ID),
    )
