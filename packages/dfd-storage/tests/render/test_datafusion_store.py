"""Stores of DataFusion: what can't be said to them is refused."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_storage import (
    AnonymousCredentials,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
    UnsupportedSetting,
)

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("virtual_hosted", True),
        ("timeout_s", 1),
        ("connect_timeout_s", 1),
        ("max_retries", 3),
        ("extra", {"aws_conditional_put": "etag"}),
        ("credentials", AnonymousCredentials()),
    ],
)
def test_what_datafusion_cannot_say_is_not_dropped(field: str, value: Any) -> None:
    with pytest.raises(UnsupportedSetting) as caught:
        s3(**{field: value}).to_datafusion_object_store()
    assert (caught.value.field, caught.value.library) == (field, "datafusion")
