"""The longest prefix wins, at slashes only."""

from __future__ import annotations

import pytest
from dfd_storage import (
    AnonymousCredentials,
    AzureProfile,
    InvalidProfile,
    LocalProfile,
    S3Profile,
    StorageResolver,
    UnresolvedStorage,
)


def bucket(uri: str, region: str = "us-east-1") -> S3Profile:
    return S3Profile(uri=uri, region=region, credentials=AnonymousCredentials())


def test_longest_prefix_wins() -> None:
    whole, part = bucket("s3://b"), bucket("s3://b/t", "eu-west-1")
    resolver = StorageResolver([whole, part])
    assert resolver.resolve("s3a://B/t/x") == part
    assert resolver.resolve("s3://b/t") == part
    assert resolver.resolve("s3://b/t2") == whole


def test_a_bucket_without_a_profile_is_refused() -> None:
    with pytest.raises(UnresolvedStorage, match="s3://other") as caught:
        StorageResolver([bucket("s3://b")]).resolve("s3://other/t")
    assert caught.value.location == "s3://other/t"


def test_local_paths_need_none() -> None:
    assert StorageResolver().resolve("/data/t") == LocalProfile(uri="/data/t")
    root = LocalProfile(uri="/")
    assert StorageResolver([root]).resolve("/data/t") == root


def test_two_profiles_of_one_location_are_refused() -> None:
    StorageResolver([bucket("s3://b"), bucket("s3a://b/")])
    with pytest.raises(InvalidProfile, match="s3://b"):
        StorageResolver([bucket("s3://b"), bucket("s3://b", "eu-west-1")])


def container(account: str) -> AzureProfile:
    return AzureProfile(uri="az://lake/t", account=account, credentials=AnonymousCredentials())


def test_locations_of_two_accounts_are_told_apart() -> None:
    one, two = container("one"), container("two")
    resolver = StorageResolver([one, two])
    assert resolver.resolve("abfss://lake@two.dfs.core.windows.net/t/x") == two
    with pytest.raises(UnresolvedStorage, match="more than one account"):
        resolver.resolve("az://lake/t")
    assert StorageResolver([one]).resolve("az://lake/t") == one
    with pytest.raises(InvalidProfile, match="different endpoints"):
        StorageResolver(
            S3Profile(
                uri=f"s3://b/{n}", credentials=AnonymousCredentials(), endpoint=f"https://h{n}"
            )
            for n in "xy"
        )
