"""Buckets of Google Cloud Storage."""

from __future__ import annotations

import pytest
from dfd_storage import (
    GCSProfile,
    InvalidProfile,
    Secret,
    ServiceAccountCredentials,
)


def test_google_options() -> None:
    by_key = GCSProfile(
        uri="gcs://b", credentials=ServiceAccountCredentials(key=Secret('{"hunter2": 1}'))
    )
    assert by_key.uri == "gs://b"
    assert by_key.to_deltalake_options()["google_service_account_key"] == '{"hunter2": 1}'
    assert "hunter2" not in repr(by_key)
    for fields in ({}, {"path": "/p", "key": Secret("x")}):
        with pytest.raises(InvalidProfile, match="one of them"):
            ServiceAccountCredentials(**fields)  # type: ignore[arg-type]
