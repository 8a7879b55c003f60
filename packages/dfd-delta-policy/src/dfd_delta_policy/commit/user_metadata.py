"""What a user says of a commit, beside what the commit says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dfd_delta_policy.errors import InvalidOperation

CommitMetadata = Callable[[], Mapping[str, str]]

_OF_THE_COMMIT = frozenset(
    {
        "engineInfo",
        "inCommitTimestamp",
        "isBlindAppend",
        "isolationLevel",
        "operation",
        "operationMetrics",
        "operationParameters",
        "readVersion",
        "timestamp",
        "txnId",
        "version",
    }
)


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The names and texts, if none is the commit's own.

    Raises:
        InvalidOperation: a name is one that the commit gives itself, or something is no text.
    """
    for name, text in metadata.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise InvalidOperation(
                f"Commit metadata is text by name, not {name!r}: {text!r}. Nothing was committed."
            )
        if name in _OF_THE_COMMIT or name.startswith("dfd."):
            raise InvalidOperation(
                f"{name!r} is said by the commit itself: take another name, like 'userMetadata'. "
                "Nothing was committed."
            )
    return dict(metadata)


def together(first: CommitMetadata | None, more: Mapping[str, str]) -> CommitMetadata:
    """What is asked for each operation, with what stands beside it in all of them."""
    return lambda: {**(first() if first is not None else {}), **more}
