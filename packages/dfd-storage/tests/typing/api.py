"""The public API as a user's type checker sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dfd_storage
import dfd_storage.support
import pyarrow.fs
from datafusion import SessionContext
from dfd_storage import (
    AccountKeyCredentials,
    AnyStorageProfile,
    AzureProfile,
    CommitSafety,
    CredentialCache,
    DynamoDBLock,
    GCSProfile,
    ProviderCredentials,
    S3Profile,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    StorageFailure,
    StorageIssue,
    StorageProfile,
    StorageResolver,
    UnsafeStorage,
    UnsupportedSetting,
    classify_failure,
)


def provide() -> tuple[StaticCredentials, datetime | None]:
    return StaticCredentials("id", Secret("...")), None


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
    print(
        options,
        uri,
        issues,
        resolved.fingerprint,
        resolved.credentials_generation,
        resolved.to_toml(),
    )


def more(kinds: list[AnyStorageProfile]) -> None:
    s3 = S3Profile(
        uri="s3://b",
        credentials=ProviderCredentials(provider=provide),
        commits=DynamoDBLock(table="locks"),
        timeout_s=3,
    )
    azure = AzureProfile(
        uri="abfss://lake@acc.dfs.core.windows.net",
        credentials=AccountKeyCredentials(Secret("a2V5")),
    )
    gcs = GCSProfile(uri="gs://b", credentials=ServiceAccountCredentials(path="/account.json"))
    for profile in (s3, azure, gcs, *kinds):
        try:
            with profile.failures():
                safety: CommitSafety = profile.probe()
                profile.require_safe_commits("s3://b/t")
        except UnsafeStorage:
            continue
        except StorageFailure as failure:
            location: str = failure.location
            again: StorageFailure | None = classify_failure(failure, location)
            print(again)
            continue
        files: pyarrow.fs.FileSystem = profile.to_pyarrow_fs()
        polars: dict[str, Any] = profile.to_polars_options()
        statement: str = profile.to_duckdb_secret("lake")
        print(safety.safe, safety.reason, files, polars, statement, profile.to_obstore())


def old_names(profile: StorageProfile, error: BaseException) -> None:
    cache: CredentialCache = dfd_storage.Refreshing(provide)
    failure: StorageFailure | None = dfd_storage.explain(error, profile.uri)
    generation: int = profile.generation
    table: str = dfd_storage.support.table()
    print(cache, failure, generation, table)
