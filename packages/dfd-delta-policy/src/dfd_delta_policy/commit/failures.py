"""What an error of an attempt says of the store: whether it may pass, and whether the request is over."""

from __future__ import annotations

import re

from deltalake.exceptions import CommitFailedError, DeltaError
from dfd_storage import (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    DirectoryRefused,
    ExpiredCredentials,
    LocalProfile,
    StorageProfile,
    UnknownKey,
    WrongSecret,
)

# deltalake wraps some errors of a store, and of who came second, in its error for everything else.
_TRANSIENT = re.compile(
    r"(table|version) already exists|object store|generic (?!deltatable)\w+ error|http error",
    re.IGNORECASE,
)
# What a store answers for as long as somebody doesn't change something about it.
_REFUSALS = (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    DirectoryRefused,
    ExpiredCredentials,
    UnknownKey,
    WrongSecret,
)


def is_transient(error: Exception) -> bool:
    """Whether an unknown error is one of transport, and not of the input.

    deltalake raises `OSError` for object stores and the class of commits for commits; schema,
    expression and protocol errors have classes of their own and won't go away by trying again.
    """
    if isinstance(error, (OSError, CommitFailedError)):
        return True
    return type(error) is DeltaError and _TRANSIENT.search(str(error)) is not None


def may_pass(error: Exception, storage: StorageProfile | None, uri: str) -> bool:
    """Whether waiting may help: not where the input is wrong, nor where the store says no."""
    if not is_transient(error) or storage is None:
        return is_transient(error)
    return not isinstance(storage.failure_of(error, uri), _REFUSALS)


def ends_requests(storage: StorageProfile | None) -> bool:
    """Whether a request that failed is over, so that it can't be carried out later: on a local disk."""
    return storage is None or isinstance(storage, LocalProfile)
