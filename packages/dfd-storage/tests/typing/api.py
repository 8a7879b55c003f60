"""The public API as a user's type checker sees it."""

from __future__ import annotations

from datafusion import SessionContext
from dfd_storage import (
    Secret,
    StaticCredentials,
    StorageIssue,
    StorageProfile,
    StorageResolver,
    UnsupportedSetting,
)


def use(context: SessionContext) -> None:
    profile: StorageProfile = StorageProfile.from_uri(
        "s3://bucket/prefix",
        endpoint="https://s3.example.com",
        credentials=StaticCredentials("id", Secret("...")),
    )
    options: dict[str, str] = profile.to_deltalake_options()
    uri: str = profile.canonical_uri("s3a://bucket/t")
    issues: list[StorageIssue] = profile.validate()
    try:
        profile.register(context)
    except UnsupportedSetting as error:
        parts: tuple[str, str, str] = (error.field, error.library, error.version)
        print(parts)
    resolved: StorageProfile = StorageResolver([profile]).resolve("s3://bucket/prefix/t")
    print(options, uri, issues, resolved.fingerprint)
