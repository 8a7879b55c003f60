"""Errors of storage: a stable code, fields that a program can read, a message without a secret.

A message says what happened, what that means for the data, and what to do.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from dfd_base import DfdError


class StorageError(DfdError):
    """Root of the errors of this package.

    `code` is stable across releases; `meaning` says what the error means for the data.
    """

    code = "storage"
    meaning: ClassVar[str] = ""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(" ".join(part for part in (problem, self.meaning, remedy) if part))


class InvalidUri(StorageError, ValueError):
    """The URI names no location that can be used.

    `part` is what is wrong with it, None for the whole. The URI itself may hold a secret, and
    isn't repeated.
    """

    code = "invalid_uri"
    meaning = "Nothing was read or written."

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        part: Literal["scheme", "host", "path", "query", "credentials"] | None = None,
    ) -> None:
        super().__init__(problem, remedy)
        self.part = part


class InvalidProfile(StorageError, ValueError):
    """A profile can't be built, or not be rendered; `field` is the one that is wrong, or None."""

    code = "invalid_profile"
    meaning = "Nothing was read or written."

    def __init__(self, problem: str, remedy: str = "", *, field: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.field = field


class UnknownOption(InvalidProfile):
    """A key of `extra` or of the environment is no setting; `nearest` may be the right one."""

    code = "unknown_option"

    def __init__(self, key: str, nearest: str | None, *, field: str | None = None) -> None:
        super().__init__(
            f"{key!r} is no setting of this kind of storage.",
            f"Did you mean {nearest!r}?" if nearest else "Take it out.",
            field=field,
        )
        self.key = key
        self.nearest = nearest


class DuplicateOption(InvalidProfile):
    """One setting is given twice, under two names; `key` is one of them."""

    code = "duplicate_option"

    def __init__(
        self, problem: str, remedy: str = "", *, key: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(problem, remedy, field=field)
        self.key = key


class UnsupportedSetting(StorageError):
    """A library can't express a field of the profile; the field is never dropped."""

    code = "unsupported_setting"
    meaning = "Nothing is dropped in silence."

    def __init__(self, field: str, library: str, version: str) -> None:
        super().__init__(
            f"{library} {version} has no way to express `{field}`.",
            "Leave the field out, or use a library that has it (docs/architecture/storage.md).",
        )
        self.field = field
        self.library = library
        self.version = version


class EnvironmentContradiction(StorageError):
    """Variables of the environment would change what a profile says; `variables` names them."""

    code = "environment_contradiction"
    meaning = "Nothing was read or written."

    def __init__(self, variables: tuple[str, ...], library: str = "deltalake") -> None:
        super().__init__(
            f"{library} would take {', '.join(variables)} from the environment beside the profile.",
            "Unset them, or set the fields of the profile that they mean; `environment = 'warn'` "
            "lets them stand.",
        )
        self.variables = variables
        self.library = library


class UnresolvedStorage(StorageError):
    """No profile covers `location`, or more than one does."""

    code = "unresolved_storage"
    meaning = "Nothing was read or written."

    def __init__(self, problem: str, remedy: str = "", *, location: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.location = location


class SecretExposed(StorageError):
    """A secret was about to be given away in `target`, a pickle or TOML."""

    code = "secret_exposed"
    meaning = "It was not given away."

    def __init__(
        self, problem: str, remedy: str = "", *, target: Literal["pickle", "toml"] | None = None
    ) -> None:
        super().__init__(problem, remedy)
        self.target = target


class CredentialsUnavailable(StorageError):
    """No credentials could be had from `source`, where they come from."""

    code = "credentials_unavailable"
    meaning = "The store was not asked."

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        source: Literal["callback", "named_profile", "token_file", "token_service"] | None = None,
    ) -> None:
        super().__init__(problem, remedy)
        self.source = source


class LibraryPanic(StorageError):
    """A library below panicked where it should have raised."""

    code = "library_panic"
    meaning = "Nothing was made."

    def __init__(self, library: str, version: str) -> None:
        super().__init__(
            f"{library} {version} panics over the values of this profile.",
            "Look at the endpoint, the location and the form of the keys.",
        )
        self.library = library
        self.version = version


class UnsafeStorage(StorageError):
    """Concurrent commits at `location` overwrite one another, or nothing shows that they don't."""

    code = "unsafe_storage"
    meaning = "Nothing was written."

    def __init__(self, problem: str, remedy: str = "", *, location: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.location = location


class MissingDependency(StorageError):
    """A library isn't installed; `command` installs it."""

    code = "missing_dependency"
    meaning = "Nothing was done."

    def __init__(self, library: str) -> None:
        package = library if library == "dfd-native" else f"'dfd-storage[{library}]'"
        self.library = library
        self.command = f"pip install {package}"
        super().__init__(f"{library} isn't installed.", f"Install it: {self.command}.")


class StorageFailure(StorageError):
    """A store refused a request, or didn't answer; the subclass says why.

    `location` is the canonical URI, `library` the one that asked (None where it isn't known).
    """

    code = "storage_failure"
    summary: ClassVar[str] = "The store refused."
    remedy: ClassVar[str] = "The cause has the store's own words."

    def __init__(self, location: str, library: str | None = None) -> None:
        super().__init__(f"{location}: {self.summary}", self.remedy)
        self.location = location
        self.library = library


class WrongSecret(StorageFailure):
    """The secret doesn't belong to the key."""

    code = "wrong_secret"
    summary = "The store doesn't accept the signature: the secret isn't that of the key."
    meaning = "Nothing was read or written."
    remedy = "Put the right secret into the profile."


class UnknownKey(StorageFailure):
    """The store doesn't know the access key."""

    code = "unknown_key"
    summary = "The store doesn't know the access key, or the account."
    meaning = "Nothing was read or written."
    remedy = "Put a key of this store into the profile."


class ExpiredCredentials(StorageFailure):
    """A temporary credential is past its time."""

    code = "expired_credentials"
    summary = "The credentials have expired."
    meaning = "The request did nothing."
    remedy = "Take new ones; ProviderCredentials renews them in time."


class AccessRefused(StorageFailure):
    """The credentials are known, and not allowed to do this."""

    code = "access_refused"
    summary = "The store refuses access to these credentials."
    meaning = "The request did nothing."
    remedy = "Give them the right to list, read and write there."


class BucketNotFound(StorageFailure):
    """There is no such bucket or container."""

    code = "bucket_not_found"
    summary = "There is no such bucket or container."
    meaning = "Nothing was read or written."
    remedy = "Make it, or correct the location."


class DirectoryRefused(StorageFailure):
    """The machine lets nothing be read or made in the directory."""

    code = "directory_refused"
    summary = "The directory can't be used."
    meaning = "The request did nothing, or only a part."
    remedy = (
        "Look at its path, its permissions and the space left; the cause has the system's own "
        "words."
    )


class ConnectionRefused(StorageFailure):
    """The endpoint doesn't take the connection, or its name leads nowhere."""

    code = "connection_refused"
    summary = "Nobody answers at the endpoint."
    meaning = "A write whose connection broke may have arrived."
    remedy = "Look at `endpoint`, and whether the server is up."


class ConnectionStalled(StorageFailure):
    """The endpoint took the connection and didn't answer in time."""

    code = "connection_stalled"
    summary = "The endpoint didn't answer within the profile's timeout."
    meaning = "A write may have arrived."
    remedy = "Look at the server; `timeout_s` and `max_retries` say how long it is waited for."


class CertificateRefused(StorageFailure):
    """The endpoint's certificate is signed by nobody who is trusted, or for another name."""

    code = "certificate_refused"
    summary = "The endpoint's certificate isn't trusted."
    meaning = "Nothing was sent."
    remedy = "Look at the endpoint's name; `ca_file` adds a root certificate."
