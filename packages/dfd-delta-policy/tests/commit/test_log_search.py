"""A search of the log: the operation, those that came before it, and what the log has lost."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_delta_policy.backend.protocol import LoggedCommit
from dfd_delta_policy.commit.knowledge import Found, Searched
from dfd_delta_policy.commit.log_search import search
from dfd_delta_policy.commit.operation import OPERATION_ID
from dfd_delta_policy.outcome import ConcurrentCommit


def commit(
    version: int, operation: str | None = "WRITE", operation_id: str | None = None
) -> LoggedCommit:
    info: dict[str, Any] = {} if operation is None else {"operation": operation}
    return LoggedCommit(
        version, info if operation_id is None else info | {OPERATION_ID: operation_id}
    )


def among(*commits: LoggedCommit) -> Any:
    """The commits after a version, among these."""
    return lambda after, last: [
        one for one in commits if one.version > after and (last is None or one.version <= last)
    ]


MINE = commit(4, operation_id="mine")


@pytest.mark.parametrize(
    ("commits", "newest", "seen"),
    [
        ([commit(3), MINE, commit(5)], None, Found(4)),
        ([commit(3), MINE], 3, Searched(3, 3)),
        ([commit(3), commit(4)], None, Searched(4, 4)),
        ([], None, Searched(2, 2)),
        ([], 2, Searched(2, 2)),
        ([commit(5), commit(6)], None, Searched(2, 6)),
        ([commit(3)], 4, Searched(3, 4)),
        ([], 4, Searched(2, 4)),
        # A table that was made anew.
        ([commit(0)], 0, Searched(2, 0)),
        # What an operation says before it is done is no end.
        ([commit(3, "VACUUM START", "mine")], None, Searched(3, 3)),
        ([commit(3, "VACUUM START", "mine"), commit(4, "VACUUM END", "mine")], None, Found(4)),
    ],
)
def test_what_is_seen(
    commits: list[LoggedCommit], newest: int | None, seen: Found | Searched
) -> None:
    assert search(among(*commits), "mine", 2, newest).seen == seen


def test_the_commits_of_others_are_named() -> None:
    found = search(among(commit(3, None), MINE, commit(5, "MERGE", "other")), "mine", 2)
    assert found.others == (
        ConcurrentCommit(version=3, operation="unknown"),
        ConcurrentCommit(version=5, operation="MERGE", operation_id="other"),
    )


def test_nothing_is_read_where_nothing_is_new() -> None:
    def never(after: int, last: int | None) -> list[Any]:
        raise AssertionError("the log was read")

    assert search(never, "mine", 2, 2).seen == Searched(2, 2)
