"""TOML has references in place of secrets, and is read back."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AmbientCredentials,
    AssumeRoleCredentials,
    AzureProfile,
    DynamoDBLock,
    Encryption,
    GCSProfile,
    HTTPProfile,
    LocalProfile,
    MemoryProfile,
    ProviderCredentials,
    ProxyAuth,
    S3Profile,
    SasCredentials,
    Secret,
    SecretExposed,
    StaticCredentials,
    StorageProfile,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BASE64 = base64.b64encode(b"0" * 32).decode()
KEY = StaticCredentials("AK", Secret("hunter2-secret"))


def azure(**fields: Any) -> AzureProfile:
    given = {"uri": "az://lake/t", "credentials": AccountKeyCredentials(Secret(BASE64))}
    return AzureProfile(**(given | fields))


@pytest.mark.parametrize(
    "profile",
    [
        azure(account="acc", credentials=SasCredentials(Secret("x", {"env": "SAS"}))),
        GCSProfile(uri="gs://b", credentials=AmbientCredentials(), extra={"user_agent": 'a"\\ü'}),
        HTTPProfile(uri="https://h/x", timeout_s=1.5, max_retries=0),
        LocalProfile(uri="/t"),
        MemoryProfile(uri="memory:///t"),
        S3Profile(
            uri="s3://b/t",
            region="r",
            virtual_hosted=True,
            commits=DynamoDBLock(table="locks", endpoint="https://d"),
            encryption=Encryption(type="sse-c", customer_key=Secret(BASE64, {"file": "/key"})),
            proxy_url="http://p",
            proxy_auth=ProxyAuth("me", Secret("x", {"env": "PROXY"})),
            credentials=AssumeRoleCredentials(
                role_arn="r", source=StaticCredentials("AK", Secret("x", {"env": "SAS"}))
            ),
        ),
    ],
    ids=lambda profile: profile.kind,
)
def test_toml_round_trip(
    profile: StorageProfile, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("SAS", "x")
    monkeypatch.setenv("PROXY", "x")
    (tmp_path / "key").write_text(BASE64)
    text = profile.to_toml().replace("/key", str(tmp_path / "key"))
    assert BASE64 not in text
    assert StorageProfile.from_toml(tomllib.loads(text)) == profile


def test_what_cannot_be_a_reference_is_not_written() -> None:
    provided = ProviderCredentials(provider=lambda: (KEY, None))
    for profile in (azure(account="acc"), S3Profile(uri="s3://b", credentials=provided)):
        with pytest.raises(SecretExposed):
            profile.to_toml()
