"""Each kind of profile: what it takes, how it is built from code, environment and TOML, what it refuses."""

from __future__ import annotations

import base64
import contextlib
import sys
from typing import Any

import msgspec
import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AnyStorageProfile,
    AssumeRoleCredentials,
    AzureProfile,
    ClientSecretCredentials,
    DynamoDBLock,
    Encryption,
    EnvironmentContradiction,
    GCSProfile,
    HTTPProfile,
    InvalidProfile,
    LocalProfile,
    ManagedIdentityCredentials,
    MemoryProfile,
    ProfileCredentials,
    ProviderCredentials,
    ProxyAuth,
    S3Profile,
    SasCredentials,
    Secret,
    SecretExposed,
    ServiceAccountCredentials,
    StaticCredentials,
    StorageError,
    StorageProfile,
    StorageResolver,
    UnknownOption,
    UnresolvedStorage,
    UnsafeStorage,
    WebIdentityCredentials,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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
    assert {kind: kind.__struct_config__.tag for kind in kinds} == kinds
    decoded = msgspec.json.decode(
        '{"kind": "http", "uri": "https://Host/x/", "timeout_s": 3}', type=AnyStorageProfile
    )
    assert decoded == HTTPProfile(uri="https://host/x", timeout_s=3)


def test_an_account_belongs_to_the_location() -> None:
    profile = azure(account="acc")
    assert profile.uri == "abfss://lake@acc.dfs.core.windows.net/t"
    assert profile == azure(uri="https://acc.blob.core.windows.net/lake/t/")
    assert profile.canonical_uri("abfs://lake/t/x") == f"{profile.uri}/x"
    assert profile.store_uris()[-1] == "abfs://lake@acc.dfs.core.windows.net"
    assert ("abfss://", "acc.dfs.core.windows.net") in profile.registrations()
    assert ("az://", "lake") in profile.registrations()
    assert azure(emulator=True).uri == "az://lake/t"
    with pytest.raises(InvalidProfile, match="account"):
        azure()
    with pytest.raises(InvalidProfile, match="other"):
        azure(uri="abfss://lake@acc.dfs.core.windows.net", account="other")


def test_locations_of_two_accounts_are_told_apart() -> None:
    one, two = azure(account="one"), azure(account="two")
    resolver = StorageResolver([one, two])
    assert resolver.resolve("abfss://lake@two.dfs.core.windows.net/t/x") == two
    with pytest.raises(UnresolvedStorage, match="more than one account"):
        resolver.resolve("az://lake/t")
    assert StorageResolver([one]).resolve("az://lake/t") == one
    with pytest.raises(InvalidProfile, match="different endpoints"):
        StorageResolver(
            S3Profile(uri=f"s3://b/{n}", credentials=KEY, endpoint=f"https://h{n}") for n in "xy"
        )


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (AccountKeyCredentials(Secret(BASE64)), {"azure_storage_account_key": BASE64}),
        (SasCredentials(Secret("?sig=x")), {"azure_storage_sas_key": "sig=x"}),
        (
            ClientSecretCredentials(tenant_id="t", client_id="c", client_secret=Secret("s")),
            {
                "azure_storage_tenant_id": "t",
                "azure_storage_client_id": "c",
                "azure_storage_client_secret": "s",
            },
        ),
        (
            WebIdentityCredentials(token_file="/f", tenant_id="t", client_id="c"),
            {
                "azure_storage_tenant_id": "t",
                "azure_storage_client_id": "c",
                "azure_federated_token_file": "/f",
            },
        ),
        (ManagedIdentityCredentials(resource_id="r"), {"azure_msi_resource_id": "r"}),
        (AnonymousCredentials(), {"azure_skip_signature": "true"}),
    ],
)
def test_azure_options(credentials: Any, expected: dict[str, str]) -> None:
    options = azure(account="acc", credentials=credentials).to_deltalake_options()
    assert options == {
        "azure_storage_account_name": "acc",
        "allow_http": "false",
        **expected,
    }


def test_the_emulator_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURITE_BLOB_STORAGE_URL", raising=False)
    assert azure(emulator=True).to_deltalake_options()["azure_storage_use_emulator"] == "true"
    elsewhere = azure(emulator=True, endpoint="http://127.0.0.1:4567")
    with pytest.raises(EnvironmentContradiction, match="AZURITE_BLOB_STORAGE_URL"):
        elsewhere.to_deltalake_options()
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:4567/")
    assert "azure_storage_endpoint" not in elsewhere.to_deltalake_options()
    with pytest.raises(EnvironmentContradiction):
        azure(emulator=True).to_polars_options()


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


def test_how_to_connect_is_said_whole() -> None:
    profile = S3Profile(
        uri="s3://b",
        credentials=KEY,
        retry_timeout_s=1.5,
        proxy_url="http://proxy:3128",
        proxy_auth=ProxyAuth("m e", Secret("hun:ter2")),
        ca_file="/ca.pem",
        encryption=Encryption(type="sse-c", customer_key=Secret(BASE64)),
    )
    options = profile.to_deltalake_options()
    assert options["retry_timeout"] == "1500ms"
    assert options["proxy_url"] == "http://m%20e:hun%3Ater2@proxy:3128"
    assert options["certificate_path"] == "/ca.pem"
    assert options["aws_server_side_encryption"] == "sse-c"
    assert options["aws_sse_customer_key_base64"] == BASE64
    assert "hun:ter2" not in repr(profile)


def test_dfd_native_takes_what_deltalake_takes_and_the_requests_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    profile = S3Profile(uri="s3://b", credentials=KEY, ca_file="~/ca.pem")
    options = profile.to_deltalake_options()
    assert options["certificate_path"] == "/home/me/ca.pem"
    assert profile.to_native_options() == options
    limited = msgspec.structs.replace(profile, max_concurrency=3)
    assert limited.to_native_options() == options | {"max_concurrency": "3"}
    web = HTTPProfile(uri="https://h", ca_file="/ca.pem", max_concurrency=1)
    assert web.to_native_options() == {
        "allow_http": "false", "certificate_path": "/ca.pem", "max_concurrency": "1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "rendered"),
    [
        ("https://host:9000", "https://b.host:9000"),
        ("https://b.host", "https://b.host"),
        (None, None),
    ],
)
def test_a_virtual_host_has_the_bucket_in_it(endpoint: str | None, rendered: str | None) -> None:
    profile = S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint, virtual_hosted=True)
    assert profile.to_deltalake_options().get("aws_endpoint") == rendered


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


def test_a_proxy_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy")
    found = HTTPProfile(uri="https://h").validate()
    assert [issue.code for issue in found] == ["proxy_of_environment"]
    assert "hunter2" not in repr(found)


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


def test_stores_of_this_process_are_proved(tmp_path: Any) -> None:
    for profile in (MemoryProfile(uri="memory:///proved"), LocalProfile(uri=str(tmp_path))):
        safety = profile.probe()
        assert (safety.safe, safety.winners, safety.racers) == (True, 1, 8)
        assert not profile.needs_proof
        profile.require_safe_commits(profile.uri)
    assert list(tmp_path.iterdir()) == []
    web = HTTPProfile(uri="https://127.0.0.1:9")
    for ask in (web.probe, lambda: web.require_safe_commits(web.uri)):
        with pytest.raises(UnsafeStorage, match="nothing can be written"):
            ask()


@pytest.mark.parametrize(
    ("endpoint", "needs"),
    [
        (None, False),
        ("https://s3.eu-west-1.amazonaws.com", False),
        ("https://s3.example.com", True),
        ("https://amazonaws.com.example.com", True),
    ],
)
def test_who_is_vouched_for(endpoint: str | None, needs: bool) -> None:
    assert S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint).needs_proof is needs
    lock = S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint, commits=DynamoDBLock())
    assert (lock.needs_proof, lock.mechanism) == (False, "dynamodb")


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
