"""A table of TOML makes a profile, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dfd_storage import (
    AzureProfile,
    GCSProfile,
    InvalidProfile,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageError,
    StorageProfile,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))
LEAVES = st.sampled_from([None, True, 0, -1, 3, 1.5, float("nan"), "", "x", "https://h", "static"])
JSON = (
    LEAVES
    | st.text(max_size=6)
    | st.lists(LEAVES, max_size=2)
    | st.dictionaries(st.sampled_from(["kind", "env", "user_agent", "x"]), LEAVES, max_size=2)
)
FIELDS = sorted(
    {
        "kind",
        *(f for kind in (S3Profile, AzureProfile, GCSProfile) for f in kind.__struct_fields__),
    }
)
URIS = ["s3://b/t", "az://lake", "gs://b", "https://h", "/t", "memory:///t", "nonsense://"]
CREDENTIALS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["static", "anonymous", "sas", "assume_role", "provider", "x"])},
    optional={
        name: JSON | st.just({"env": "HOME"})
        for name in ("access_key_id", "secret_access_key", "token", "role_arn", "source")
    },
)


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


def test_from_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2-secret")
    text = """
        kind = "s3"
        uri = "s3a://bucket/t/"
        region = "us-east-1"
        credentials = {kind = "static", access_key_id = "AKIDEXAMPLE", secret_access_key = {env = "MY_SECRET"}}
        extra = {conditional_put = "etag"}
    """
    (tmp_path / "p.toml").write_text(text)
    assert StorageProfile.from_toml(tmp_path / "p.toml") == s3(
        extra={"aws_conditional_put": "etag"}
    )


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"uri": 3},
        {"uri": "s3://b"},
        {"uri": "s3://b", "kind": "local", "credentials": {"kind": "anonymous"}},
        {"uri": "s3://b", "credentials": {"kind": "anonymous", "x": 1}},
        {
            "uri": "s3://b",
            "credentials": {"kind": "static", "access_key_id": "a", "secret_access_key": "hunter2"},
        },
        {"uri": "s3://b", "credentials": {"kind": "anonymous"}, "regoin": "x"},
    ],
)
def test_from_toml_refuses(mapping: dict[str, Any]) -> None:
    with pytest.raises(StorageError) as caught:
        StorageProfile.from_toml(mapping)
    assert "hunter2" not in str(caught.value)


def test_from_toml_of_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("= 3")
    for path in (tmp_path / "missing.toml", tmp_path / "bad.toml"):
        with pytest.raises(InvalidProfile, match="can't be read"):
            StorageProfile.from_toml(path)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(URIS),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    st.none() | CREDENTIALS,
)
def test_any_table_is_a_profile_or_refused(
    uri: str, fields: dict[str, Any], credentials: Any
) -> None:
    mapping = fields | {"uri": uri} | ({} if credentials is None else {"credentials": credentials})
    try:
        profile = StorageProfile.from_toml(mapping)
    except StorageError:
        return
    assert isinstance(profile, StorageProfile)
    assert profile.validate() is not None
    assert profile.fingerprint == StorageProfile.from_toml(mapping).fingerprint
