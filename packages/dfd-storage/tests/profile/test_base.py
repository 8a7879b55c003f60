"""What all kinds of profile have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dfd_storage import (
    InvalidProfile,
    InvalidUri,
    LocalProfile,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
)

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


def test_kind_follows_the_scheme(tmp_path: Path) -> None:
    assert isinstance(StorageProfile.from_uri(tmp_path), LocalProfile)
    assert s3().kind == "s3"
    with pytest.raises(InvalidProfile):
        StorageProfile(uri="/data")
    with pytest.raises(InvalidProfile):
        LocalProfile(uri="s3://bucket")
    with pytest.raises(InvalidUri):
        StorageProfile.from_uri("ftp://host")


def test_fingerprints_know_meaning_and_no_secret() -> None:
    assert (
        s3().fingerprint
        == s3(credentials=StaticCredentials("AKIDEXAMPLE", Secret("x"))).fingerprint
    )
    assert len({s3().fingerprint, s3(region="r").fingerprint, s3(max_retries=1).fingerprint}) == 3
