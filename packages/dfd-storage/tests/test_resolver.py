"""The longest prefix wins, at slashes only."""

from __future__ import annotations

import pytest
from dfd_storage import (
    AnonymousCredentials,
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
    with pytest.raises(UnresolvedStorage, match="s3://other"):
        StorageResolver([bucket("s3://b")]).resolve("s3://other/t")


def test_local_paths_need_none() -> None:
    assert StorageResolver().resolve("/data/t") == LocalProfile(uri="/data/t")
    root = LocalProfile(uri="/")
    assert StorageResolver([root]).resolve("/data/t") == root


def test_two_profiles_of_one_location_are_refused() -> None:
    StorageResolver([bucket("s3://b"), bucket("s3a://b/")])
    with pytest.raises(InvalidProfile, match="s3://b"):
        StorageResolver([bucket("s3://b"), bucket("s3://b", "eu-west-1")])
