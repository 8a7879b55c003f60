"""Variables of the environment make a profile, or are refused."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AmbientCredentials,
    AzureProfile,
    GCSProfile,
    HTTPProfile,
    InvalidProfile,
    LocalProfile,
    S3Profile,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    StorageError,
    StorageProfile,
    UnknownOption,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BASE64 = base64.b64encode(b"0" * 32).decode()
KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))
FIELDS = sorted(
    {
        "kind",
        *(f for kind in (S3Profile, AzureProfile, GCSProfile) for f in kind.__struct_fields__),
    }
)
URIS = ["s3://b/t", "az://lake", "gs://b", "https://h", "/t", "memory:///t", "nonsense://"]


def azure(**fields: Any) -> AzureProfile:
    given = {"uri": "az://lake/t", "credentials": AccountKeyCredentials(Secret(BASE64))}
    return AzureProfile(**(given | fields))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


def test_from_env_of_each_kind() -> None:
    environ = {
        "DFD_AZURE_ACCOUNT": "acc",
        "DFD_AZURE_ACCOUNT_KEY": BASE64,
        "DFD_AZURE_TIMEOUT_S": "2.5",
        "DFD_AZURE_EXTRA_USER_AGENT": "x",
        "DFD_GCS_PATH": "/account.json",
        "DFD_HTTP_ALLOW_HTTP": "true",
        "DFD_S3_CREDENTIALS": "ambient",
    }
    assert StorageProfile.from_env("az://lake", environ) == azure(
        uri="az://lake", account="acc", timeout_s=2.5, extra={"user_agent": "x"}
    )
    assert StorageProfile.from_env("gs://b", environ) == GCSProfile(
        uri="gs://b", credentials=ServiceAccountCredentials(path="/account.json")
    )
    assert StorageProfile.from_env("http://h", environ) == HTTPProfile(
        uri="http://h", allow_http=True
    )
    assert StorageProfile.from_env("s3://b", environ) == S3Profile(
        uri="s3://b", credentials=AmbientCredentials()
    )
    assert StorageProfile.from_env("/t", environ) == LocalProfile(uri="/t")


@pytest.mark.parametrize(
    ("environ", "match"),
    [
        ({}, "DFD_S3_CREDENTIALS"),
        ({"DFD_S3_CREDENTIALS": "hunter"}, "one of"),
        (
            {"DFD_S3_CREDENTIALS": "static", "DFD_S3_ACCESS_KEY_ID": "x"},
            "SECRET_ACCESS_KEY is needed",
        ),
        ({"DFD_S3_CREDENTIALS": "anonymous", "DFD_S3_ACCESS_KEY_ID": "x"}, "contradicts"),
        ({"DFD_S3_ANONYMOUS": "true", "DFD_S3_CREDENTIALS": "static"}, "contradicts"),
        ({"DFD_S3_CREDENTIALS": "assume_role", "DFD_S3_ROLE_ARN": "x"}, "TOML"),
        ({"DFD_S3_ANONYMOUS": "true", "DFD_S3_TIMEOUT_S": "hunter2"}, "DFD_S3_TIMEOUT_S"),
        ({"DFD_S3_ANONYMOUS": "true", "DFD_S3_EXTRA_NONSENSE": "x"}, "nonsense"),
    ],
)
def test_from_env_refuses(environ: dict[str, str], match: str) -> None:
    with pytest.raises((InvalidProfile, UnknownOption), match=match) as caught:
        StorageProfile.from_env("s3://b", environ)
    assert "hunter2" not in str(caught.value)


def test_from_env_reads_prefixed_names_only() -> None:
    environ = {
        "DFD_S3_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "DFD_S3_SECRET_ACCESS_KEY": "hunter2-secret",
        "DFD_S3_ENDPOINT": "http://127.0.0.1:9000",
        "DFD_S3_ALLOW_HTTP": "true",
        "DFD_S3_MAX_RETRIES": "2",
        "AWS_REGION": "mars",
        "TOKEN": "abc",
    }
    assert StorageProfile.from_env("s3://bucket/t", environ) == s3(
        endpoint="http://127.0.0.1:9000", allow_http=True, max_retries=2
    )
    with pytest.raises(UnknownOption, match="DFD_S3_REGOIN"):
        StorageProfile.from_env("s3://bucket", {**environ, "DFD_S3_REGOIN": "x"})
    with pytest.raises(InvalidProfile, match="MAX_RETRIES"):
        StorageProfile.from_env("s3://bucket", {**environ, "DFD_S3_MAX_RETRIES": "many"})
    with pytest.raises(InvalidProfile, match="DFD_S3_ACCESS_KEY_ID"):
        StorageProfile.from_env("s3://bucket", {})


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(URIS[:4]),
    st.dictionaries(
        st.sampled_from([f"DFD_{k}_{f.upper()}" for k in ("S3", "AZURE", "GCS", "HTTP") for f in FIELDS]
                        + ["DFD_S3_ANONYMOUS", "DFD_S3_ACCESS_KEY_ID", "DFD_S3_SECRET_ACCESS_KEY", "DFD_S3_EXTRA_X"]),
        st.text(max_size=8) | st.sampled_from(["true", "1", "static", "anonymous"]),
        max_size=5,
    ),
)  # fmt: skip
def test_any_environment_is_a_profile_or_refused(uri: str, environ: dict[str, str]) -> None:
    with contextlib.suppress(StorageError):
        assert isinstance(StorageProfile.from_env(uri, environ), StorageProfile)
