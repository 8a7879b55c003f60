"""Each kind of profile: what it takes, what it refuses, what it finds."""

from __future__ import annotations

import base64
from typing import Any, get_args

import msgspec
import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AnonymousCredentials,
    AnyStorageProfile,
    AssumeRoleCredentials,
    AzureProfile,
    DynamoDBLock,
    Encryption,
    GCSProfile,
    HTTPProfile,
    InvalidProfile,
    LocalProfile,
    MemoryProfile,
    ProfileCredentials,
    ProxyAuth,
    S3Profile,
    SasCredentials,
    Secret,
    StaticCredentials,
    StorageProfile,
    WebIdentityCredentials,
)
from dfd_storage.profile.base import kind_of

BASE64 = base64.b64encode(b"0" * 32).decode()
KEY = StaticCredentials("AK", Secret("hunter2-secret"))


def azure(**fields: Any) -> AzureProfile:
    given = {"uri": "az://lake/t", "credentials": AccountKeyCredentials(Secret(BASE64))}
    return AzureProfile(**(given | fields))


def test_the_union_is_tagged() -> None:
    kinds = {
        S3Profile: "s3",
        GCSProfile: "gcs",
        AzureProfile: "azure",
        HTTPProfile: "http",
        LocalProfile: "local",
        MemoryProfile: "memory",
    }
    assert {kind: kind.__struct_config__.tag for kind in get_args(AnyStorageProfile)} == kinds
    decoded = msgspec.json.decode(
        '{"kind": "http", "uri": "https://Host/x/", "timeout_s": 3}', type=AnyStorageProfile
    )
    assert decoded == HTTPProfile(uri="https://host/x", timeout_s=3)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("s3://b", S3Profile),
        ("gs://b", GCSProfile),
        ("az://lake", AzureProfile),
        ("abfss://lake@acc.dfs.core.windows.net", AzureProfile),
        ("http://h", HTTPProfile),
        ("https://h", HTTPProfile),
        ("file:///t", LocalProfile),
        ("memory:///t", MemoryProfile),
    ],
)
def test_a_scheme_has_its_kind(location: str, kind: type[StorageProfile]) -> None:
    assert kind_of(location) is kind
    assert kind in get_args(AnyStorageProfile)
    assert location.partition(":")[0] in kind.schemes


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: Encryption(type="rot13"), "type"),  # type: ignore[arg-type]
        (lambda: Encryption(type="sse-c"), "customer_key"),
        (lambda: Encryption(type="AES256", kms_key_id="k"), "kms_key_id"),
        (lambda: Encryption(type="sse-c", customer_key=Secret("hunter2!")), "base64"),
        (lambda: AccountKeyCredentials(Secret("hunter2!")), "base64"),
        (lambda: HTTPProfile(uri="https://h", proxy_auth=ProxyAuth("u", Secret("p"))), "proxy_url"),
        (lambda: HTTPProfile(uri="https://h", proxy_url="http://u:hunter2@p"), "proxy_url"),
        (lambda: HTTPProfile(uri="https://h", endpoint="x"), "endpoint"),  # type: ignore[call-arg]
        (lambda: S3Profile(uri="s3://b", credentials=SasCredentials(Secret("x"))), "credentials"),  # type: ignore[arg-type]
        (lambda: S3Profile(uri="s3://b", credentials=KEY, commits="maybe"), "commits"),  # type: ignore[arg-type]
        (lambda: S3Profile(uri="s3://b", credentials=KEY, max_concurrency=0), "max_concurrency"),
        (lambda: S3Profile(uri="s3://b", credentials=KEY, environment="hide"), "environment"),  # type: ignore[arg-type]
        (lambda: S3Profile(uri="s3://b", credentials=KEY, endpoint="https://h/ x"), "endpoint"),
        (
            lambda: azure(account="a", credentials=WebIdentityCredentials(token_file="f")),
            "client_id",
        ),
        (lambda: AssumeRoleCredentials(role_arn="r", source="hunter2"), "source"),  # type: ignore[arg-type]
        (lambda: ProfileCredentials(""), "name"),
    ],
)
def test_refuses_and_says_what(build: Any, match: str) -> None:
    with pytest.raises((InvalidProfile, TypeError), match=match) as caught:
        build()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("profile", "codes"),
    [
        (azure(account="devstoreaccount1"), {"azurite_without_emulator"}),
        (
            azure(account="a", endpoint="http://localhost:1", allow_http=True),
            {"azurite_without_emulator"},
        ),
        (azure(account="a", endpoint="http://host"), {"http_refused"}),
        (azure(emulator=True), set()),
        (
            azure(account="a", credentials=SasCredentials(Secret("se=2020-01-01&sig=x"))),
            {"sas_ended"},
        ),
        (azure(account="a", credentials=AnonymousCredentials()), {"anonymous_writes"}),
        (GCSProfile(uri="gs://b", credentials=AnonymousCredentials()), {"anonymous_writes"}),
        (HTTPProfile(uri="http://h"), {"http_refused"}),
        (S3Profile(uri="s3://b", credentials=KEY, commits="unsafe"), {"unsafe_commits"}),
        (S3Profile(uri="s3://b.c", credentials=KEY, virtual_hosted=True), {"virtual_host_of_dots"}),
        (S3Profile(uri="s3://b", credentials=KEY, commits=DynamoDBLock()), set()),
        (
            S3Profile(uri="s3://b", credentials=KEY, commits=DynamoDBLock(region="x")),
            {"lock_region"},
        ),
        (LocalProfile(uri="/t"), set()),
        (MemoryProfile(uri="memory:///t"), set()),
    ],
)
def test_validate(
    profile: StorageProfile, codes: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    found = profile.validate()
    assert {issue.code for issue in found} == codes
    assert all(issue.message and issue.remedy for issue in found)
