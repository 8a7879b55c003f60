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
            f"{library} {version} has no way to express `{field}`. "
            f"Leave the field out, or read through deltalake."
        )
        self.field = field
        self.library = library
        self.version = version

    def __reduce__(self) -> tuple[type[UnsupportedSetting], tuple[str, str, str]]:
        return type(self), (self.field, self.library, self.version)


class EnvironmentContradiction(StorageError):
    """Variables of the environment would change what a profile says; `variables` are their names."""

    code = "environment_contradiction"

    def __init__(self, variables: tuple[str, ...]) -> None:
        super().__init__(
            f"deltalake would take {', '.join(variables)} from the environment beside the profile. "
            "Unset them, or set the fields of the profile that they mean."
        )
        self.variables = variables

    def __reduce__(self) -> tuple[type[EnvironmentContradiction], tuple[tuple[str, ...]]]:
        return type(self), (self.variables,)


class UnresolvedStorage(StorageError):
    """No profile covers a location."""

    code = "unresolved_storage"


class SecretExposed(StorageError):
    """A secret was about to be pickled."""

    code = "secret_exposed"


class MissingDependency(StorageError):
    """A library of an extra isn't installed; the message says how to install it."""

    code = "missing_dependency"
