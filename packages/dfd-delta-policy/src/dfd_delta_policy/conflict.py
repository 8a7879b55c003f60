"""The classes of conflicts: what an error of deltalake means, and what is safe to do next.

deltalake raises one class for every conflict; only the text tells them apart. The names are
Delta-Spark's (`io.delta.exceptions`), as is the meaning.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec
from dfd_base import DfdError


class Conflict(str, Enum):
    """A reason for which a commit did not happen, or may not have."""

    CONCURRENT_APPEND = "ConcurrentAppendException"
    CONCURRENT_DELETE_READ = "ConcurrentDeleteReadException"
    CONCURRENT_DELETE_DELETE = "ConcurrentDeleteDeleteException"
    METADATA_CHANGED = "MetadataChangedException"
    PROTOCOL_CHANGED = "ProtocolChangedException"
    CONCURRENT_TRANSACTION = "ConcurrentTransactionException"
    CONCURRENT_WRITE = "ConcurrentWriteException"
    APPEND_ONLY = "DeltaUnsupportedOperationException"
    COMMIT_FAILED = "CommitFailedException"

    def __str__(self) -> str:
        return self.value


class Action(str, Enum):
    """The step that may follow a conflict, after a look whether the operation landed after all."""

    RECOMMIT = "RECOMMIT"
    """The files as they are may be committed on top of the newer version."""
    REPLAN = "REPLAN"
    """The operation must be worked out again on the newer version."""
    VERIFY = "VERIFY"
    """The outcome is unknown: look at the log first."""
    ABORT = "ABORT"
    """Trying again can't help."""

    def __str__(self) -> str:
        return self.value


class ConflictFound(DfdError):
    """A conflict that dfd found itself, by looking at the table or by its own commit."""

    code = "conflict_found"

    def __init__(self, conflict: Conflict, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.conflict = conflict
        self.advice = advice


class Verdict(msgspec.Struct, frozen=True):
    """The conflict, what is safe next, and why."""

    conflict: Conflict
    action: Action
    reason: str

    @property
    def spark_name(self) -> str:
        """The exception that Delta-Spark raises for this."""
        return self.conflict.value


_TEXTS: tuple[tuple[re.Pattern[str], Conflict, str], ...] = tuple(
    (re.compile(pattern), conflict, reason)
    for pattern, conflict, reason in (
        (
            r"concurrent transactions? added new data",
            Conflict.CONCURRENT_APPEND,
            "another commit added rows that this operation should have seen",
        ),
        (
            r"concurrent transactions? deleted data this operation read",
            Conflict.CONCURRENT_DELETE_READ,
            "another commit removed files that this operation read",
        ),
        (
            r"concurrent transactions? deleted the same data",
            Conflict.CONCURRENT_DELETE_DELETE,
            "another commit removed the files that this operation removes",
        ),
        (
            r"Metadata changed since last commit",
            Conflict.METADATA_CHANGED,
            "another commit changed schema, partitioning or properties",
        ),
        (
            r"Protocol changed since last commit",
            Conflict.PROTOCOL_CHANGED,
            "another commit changed the protocol of the table",
        ),
        (
            r"Concurrent transaction failed",
            Conflict.CONCURRENT_TRANSACTION,
            "another commit has the same application id",
        ),
        (
            r"Failed to commit transaction: \d+\s*$",
            Conflict.CONCURRENT_WRITE,
            "another commit took the version",
        ),
        (
            r"append-only",
            Conflict.APPEND_ONLY,
            "the table takes appends only (delta.appendOnly)",
        ),
    )
)

_ACTIONS = {
    Conflict.CONCURRENT_APPEND: Action.REPLAN,
    Conflict.CONCURRENT_DELETE_READ: Action.REPLAN,
    Conflict.CONCURRENT_DELETE_DELETE: Action.REPLAN,
    Conflict.METADATA_CHANGED: Action.ABORT,
    Conflict.PROTOCOL_CHANGED: Action.ABORT,
    Conflict.CONCURRENT_TRANSACTION: Action.VERIFY,
    Conflict.CONCURRENT_WRITE: Action.REPLAN,
    Conflict.APPEND_ONLY: Action.ABORT,
    Conflict.COMMIT_FAILED: Action.VERIFY,
}

# A pure append reads nothing, so that what others removed or committed can't make it wrong. A
# rewrite looks whether what it rewrote is still there.
_RECOMMITS = {
    "append": {Conflict.CONCURRENT_DELETE_READ, Conflict.CONCURRENT_WRITE},
    "optimize": {Conflict.CONCURRENT_WRITE},
    "z_order": {Conflict.CONCURRENT_WRITE},
}


# Waiting mends none of these: permission, file too large, disk full, read-only, quota (errno.h).
_UNWRITABLE = re.compile(r"\(os error (13|27|28|30|122)\)")
_UNSUPPORTED = re.compile(r"Unsupported table features required")


def classify(exception: BaseException, operation: str) -> Verdict:
    """Say what an exception of `operation` (`"append"`, `"merge"`, ...) means.

    Anything unknown, I/O errors and lost responses among it, is `CommitFailedException` with
    `VERIFY`: it may have landed, so look before anything else. Errors of the caller's input don't come
    through here; the loop raises those as they are.

    >>> classify(OSError("connection reset"), "append").action
    <Action.VERIFY: 'VERIFY'>
    """
    if isinstance(exception, ConflictFound):
        return _verdict(exception.conflict, operation, str(exception))
    text = str(exception)
    for pattern, conflict, reason in _TEXTS:
        if pattern.search(text):
            return _verdict(conflict, operation, reason)
    if _UNWRITABLE.search(text):
        return Verdict(Conflict.COMMIT_FAILED, Action.ABORT, "the location can't be written")
    if _UNSUPPORTED.search(text):
        return Verdict(
            Conflict.COMMIT_FAILED, Action.ABORT, "the table has features deltalake can't write"
        )
    return Verdict(
        Conflict.COMMIT_FAILED,
        Action.VERIFY,
        f"the outcome is unknown ({type(exception).__name__})",
    )


def _verdict(conflict: Conflict, operation: str, reason: str) -> Verdict:
    recommits = conflict in _RECOMMITS.get(operation, ())
    return Verdict(conflict, Action.RECOMMIT if recommits else _ACTIONS[conflict], reason)
