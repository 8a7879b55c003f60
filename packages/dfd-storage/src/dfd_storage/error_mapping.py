"""Mapping of the errors of libraries: the same class, whichever library asked."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from dfd_storage.capabilities import installed_version
from dfd_storage.errors import (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    ConnectionRefused,
    ConnectionStalled,
    ExpiredCredentials,
    LibraryPanic,
    StorageError,
    StorageFailure,
    UnknownKey,
    WrongSecret,
)

# In this order: a refusal for one reason often names another in passing. The codes are those of S3,
# Azure and GCS; the rest is what object_store, hyper and pyarrow say.
_PATTERNS: tuple[tuple[type[StorageFailure], re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        (
            CertificateRefused,
            r"invalid peer certificate|InvalidCertificate|UnknownIssuer|certificate verify failed|curlCode: 60\b|"
            r"self.signed certificate",
        ),
        (
            ExpiredCredentials,
            r"ExpiredToken|TokenRefreshRequired|not valid in the specified time frame|RequestExpired|invalid_token.{0,40}expired|"
            r"(?:token|credential|signature)\w* (?:included in the request )?(?:is|has|have) expired",
        ),
        (WrongSecret, r"SignatureDoesNotMatch|AuthorizationFailure|AuthenticationFailed"),
        (
            UnknownKey,
            r"InvalidAccessKeyId|InvalidClientTokenId|access key id you provided does not exist|"
            r"InvalidTokenId|AccountNotFound|<Code>ResourceNotFound|The specified resource does not exist|"
            r"invalid_client|invalid_grant",
        ),
        (
            BucketNotFound,
            r"NoSuchBucket|ContainerNotFound|specified bucket does not exist|bucket.{0,20}notFound",
        ),
        (
            AccessRefused,
            r"AccessDenied|AuthorizationPermissionMismatch|InsufficientAccountPermissions|\b403 Forbidden|"
            r"permission denied|PublicAccessNotPermitted|NoAuthenticationInformation|"
            r"\b401 Unauthorized|HTTP status 40[13]\b",
        ),
        (
            ConnectionRefused,
            r"Connection refused|dns error|failed to lookup address|Connection reset|"
            r"curlCode: (?:6|7)\b|connection closed before",
        ),
        (
            ConnectionStalled,
            r"timed out|\bTimedOut\b|deadline has elapsed|operation timeout|curlCode: 28",
        ),
    )
)


# An error of another origin may quote any text of its user's.
_NAMES_A_STORE = re.compile(
    r"Error performing|Generic [A-Za-z0-9]+ error|object store|AWS Error|error sending request",
    re.IGNORECASE,
)


def classify_failure(
    error: BaseException, location: str, library: str | None = None
) -> StorageFailure | None:
    """The failure of storage that an error tells of, or None where it tells of something else.

    - `location`: canonical URI of the location that was asked for.
    - `library`: the one that asked, where it is known.
    """
    if isinstance(error, StorageError) and not isinstance(error, StorageFailure):
        return None
    seen = causal_chain(error)
    for found in seen:
        if isinstance(found, StorageFailure):
            return found
    if any(map(_quotes_rows, seen)):
        return None
    text = "\n".join(f"{type(found).__name__}: {found}" for found in seen)
    if not (_NAMES_A_STORE.search(text) or any(isinstance(found, OSError) for found in seen)):
        return None
    for kind, pattern in _PATTERNS:
        if pattern.search(text):
            return kind(location, library)
    return None


# Not permitted, permission denied, not a directory, no space left, read-only.
_SYSTEM_REFUSALS = re.compile(
    r"\b(?:os error|Errno) (?:1|13|20|28|30)\b|Unable to create (?:dir|file)"
)


def is_system_refusal(error: BaseException, named: str) -> bool:
    """Whether an error tells that the operating system refuses a path with `named` in it."""
    seen = causal_chain(error)
    if any(map(_quotes_rows, seen)):
        return False
    text = "\n".join(str(found) for found in seen)
    return named in text and _SYSTEM_REFUSALS.search(text) is not None


def _quotes_rows(error: BaseException) -> bool:
    """Whether dfd-native says that the rows are the cause, or their source: it quotes them."""
    return getattr(error, "code", None) in {"rule_violation", "stage_source"}


def causal_chain(error: BaseException) -> list[BaseException]:
    """The chain of an error and its causes, the error first."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        current = current.__cause__ or current.__context__
    return seen


def has_no_body(error: BaseException) -> bool:
    """Whether the store's answer had no body that says why, as answers to HEAD have none."""
    return re.search(r"performing HEAD .* status code: 40[013]\b", str(error)) is not None


@contextlib.contextmanager
def panics_as_errors(library: str) -> Iterator[None]:
    """A block in which a panic of a library in Rust, which is no `Exception`, becomes an error.

    Raises:
        LibraryPanic: the library panicked; its text, which may hold a secret, is left out.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise LibraryPanic(library, installed_version(library)) from None
