"""An operation as the loop is given it: one attempt at it, and what belongs to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deltalake import CommitProperties, DeltaTable, Transaction

from dfd_delta_policy.commit.knowledge import Knowledge

OPERATION_ID = "dfd.operation_id"


class Attempt(NamedTuple):
    """The ground of one attempt: a fresh handle (None: no table yet) and what its commit carries."""

    table: DeltaTable | None
    commit: CommitProperties


class Done(NamedTuple):
    """The result of one attempt: the version it committed, or None when there was nothing to do."""

    version: int | None
    metrics: dict[str, Any]


class Operation(NamedTuple):
    """One mutation: `attempt` plans and commits it once, on the handle it is given.

    - `stage`: makes, before the first attempt, what all of them commit; it is given a handle too, and
      gives what it staged (rows, bytes, files).
    - `metrics`: of a commit that landed although its attempt failed.
    - `close`: called once, whatever the end, with a function that tells what is known of the commit
      then. That one looks into the log where it has to.
    """

    name: str
    operation_id: str
    removes_rows: bool
    attempt: Callable[[Attempt], Done]
    metadata: Mapping[str, str] = {}
    transaction: tuple[str, int] | None = None
    creates: bool = False
    stage: Callable[[DeltaTable | None], Mapping[str, Any]] | None = None
    metrics: Callable[[], dict[str, Any]] = dict
    close: Callable[[Callable[[], Knowledge]], None] | None = None
    changes: Mapping[str, str] = {}
    changes_schema: bool = False

    def commit_properties(self) -> CommitProperties:
        """What its commits carry; strict, so that deltalake commits at exactly the next version."""
        return CommitProperties(
            custom_metadata={
                **self.metadata,
                OPERATION_ID: self.operation_id,
                "dfd.operation": self.name.upper(),
            },
            max_commit_retries=0,
            app_transactions=[Transaction(*self.transaction)] if self.transaction else None,
        )
