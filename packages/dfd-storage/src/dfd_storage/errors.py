"""What can be wrong with a location or a profile. No message carries a secret."""

from __future__ import annotations


class StorageError(Exception):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "storage"


class InvalidUri(StorageError):
    """The URI names no location that can be used; nothing was read or written."""

    code = "invalid_uri"


class InvalidProfile(StorageError):
    """A profile can't be built; the message names the field and what it takes."""

    code = "invalid_profile"


class UnknownOption(InvalidProfile):
    """A key of `extra` or of the environment is no setting; `nearest` may be the right one."""

    code = "unknown_option"

    def __init__(self, key: str, nearest: str | None) -> None:
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"{key!r} is no setting of this kind of storage.{hint}")
        self.key = key
        self.nearest = nearest

    def __reduce__(self) -> tuple[type[UnknownOption], tuple[str, str | None]]:
        return type(self), (self.key, self.nearest)


class DuplicateOption(InvalidProfile):
    """One setting is given twice, under two names."""

    code = "duplicate_option"


class UnsupportedSetting(StorageError):
    """A library can't express a field of the profile; the field is never dropped."""

    code = "unsupported_setting"

    def __init__(self, field: str, library: str, version: str) -> None:
        super().__init__(
            f"{library} {version} has no way to express `{field}`, and nothing is dropped in silence. "
            "Leave the field out, or use a library that has it (docs/architecture/storage.md)."
        )
        self.field = field
        self.library = library
        self.version = version

    def __reduce__(self) -> tuple[type[UnsupportedSetting], tuple[str, str, str]]:
        return type(self), (self.field, self.library, self.version)


class EnvironmentContradiction(StorageError):
    """Variables of the environment would change what a profile says; `variables` are their names."""

    code = "environment_contradiction"

    def __init__(self, variables: tuple[str, ...], library: str = "deltalake") -> None:
        super().__init__(
            f"{library} would take {', '.join(variables)} from the environment beside the profile. "
            "Unset them, or set the fields of the profile that they mean; `environment = 'warn'` lets "
            "them stand."
        )
        self.variables = variables
        self.library = library

    def __reduce__(self) -> tuple[type[EnvironmentContradiction], tuple[tuple[str, ...], str]]:
        return type(self), (self.variables, self.library)


class UnresolvedStorage(StorageError):
    """No profile covers a location."""

    code = "unresolved_storage"


class SecretExposed(StorageError):
    """A secret was about to be pickled."""

    code = "secret_exposed"


class CredentialsUnavailable(StorageError):
    """No credentials could be had from where they come from: a callback, a file, the token service."""

    code = "credentials_unavailable"


class LibraryPanic(StorageError):
    """A library below gave up where it should have raised; nothing was made."""

    code = "library_panic"


class UnsafeStorage(StorageError):
    """Concurrent commits on this store overwrite one another, or nothing shows that they don't."""

    code = "unsafe_storage"


class StorageFailure(StorageError):
    """A store answered with a refusal, or not at all. Which one, its subclasses say.

    `location` is the canonical URI, `library` the one that asked (None where it isn't known).
    """

    code = "storage_failure"
    summary = "The store refused."
    remedy = "The cause has the store's own words."

    def __init__(self, location: str, library: str | None = None) -> None:
        super().__init__(f"{location}: {self.summary} {self.remedy}")
        self.location = location
        self.library = library

    def __reduce__(self) -> tuple[type[StorageFailure], tuple[str, str | None]]:
        return type(self), (self.location, self.library)


class WrongSecret(StorageFailure):
    """The secret doesn't belong to the key."""

    code = "wrong_secret"
    summary = "The store doesn't accept the signature: the secret isn't that of the key."
    remedy = "Nothing was read or written. Put the right secret into the profile."


class UnknownKey(StorageFailure):
    """The store doesn't know who asks."""

    code = "unknown_key"
    summary = "The store doesn't know the access key, or the account."
    remedy = "Nothing was read or written. Put a key of this store into the profile."


class ExpiredCredentials(StorageFailure):
    """A temporary credential is past its time."""

    code = "expired_credentials"
    summary = "The credentials have expired."
    remedy = "Take new ones; ProviderCredentials renews them in time."


class AccessRefused(StorageFailure):
    """The credentials are known, and not allowed to do this."""

    code = "access_refused"
    summary = "The store refuses access to these credentials."
    remedy = "Give them the right to list, read and write there."


class BucketNotFound(StorageFailure):
    """There is no such bucket or container."""

    code = "bucket_not_found"
    summary = "There is no such bucket or container."
    remedy = "Make it, or correct the location."


class DirectoryRefused(StorageFailure):
    """The machine lets nothing be read or made in the directory."""

    code = "directory_refused"
    summary = "The directory can't be used."
    remedy = "Look at its path, its permissions and the space left; the cause has the system's own words."


class ConnectionRefused(StorageFailure):
    """Nobody listens at the endpoint, or its name leads nowhere."""

    code = "connection_refused"
    summary = "Nobody answers at the endpoint."
    remedy = "Look at `endpoint`, and whether the server is up."


class ConnectionStalled(StorageFailure):
    """The endpoint took the connection and didn't answer in time."""

    code = "connection_stalled"
    summary = "The endpoint didn't answer within the profile's timeout."
    remedy = "Look at the server; `timeout_s` and `max_retries` say how long it is waited for."


class CertificateRefused(StorageFailure):
    """The endpoint's certificate is signed by nobody who is trusted, or for another name."""

    code = "certificate_refused"
    summary = "The endpoint's certificate isn't trusted."
    remedy = "Look at the endpoint's name; `ca_file` adds a root certificate."


class MissingDependency(StorageError):
    """A library of an extra isn't installed; the message says how to install it."""

    code = "missing_dependency"
