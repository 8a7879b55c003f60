"""The table of what each library can say is what the renderings do, and what the documents show."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AnyStorageProfile,
    AssumeRoleCredentials,
    AzureCliCredentials,
    AzureProfile,
    BearerTokenCredentials,
    ClientSecretCredentials,
    DynamoDBLock,
    Encryption,
    GCSProfile,
    HTTPProfile,
    LocalProfile,
    LockUnsupported,
    ManagedIdentityCredentials,
    MemoryProfile,
    MissingDependency,
    ProfileCredentials,
    ProviderCredentials,
    ProxyAuth,
    S3Profile,
    SasCredentials,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    StorageProfile,
    UnsupportedSetting,
    WebIdentityCredentials,
)
from dfd_storage.capabilities import CAPABILITIES, LIBRARIES, table
from dfd_storage.credentials import aws

DOCUMENT = Path(__file__).parents[3] / "docs/architecture/storage.md"
CERTIFICATE = Path(__file__).parent / "root.pem"
KEY = StaticCredentials("AK", Secret("hunter2-secret"))
BASE64 = Secret(base64.b64encode(b"0" * 32).decode())

RENDER: dict[str, Callable[[StorageProfile], Any]] = {
    "deltalake": lambda profile: profile.to_deltalake_options(),
    "dfd-native": lambda profile: profile.to_native_options(),
    "datafusion": lambda profile: profile.to_datafusion_object_store(),
    "obstore": lambda profile: profile.to_obstore(),
    "pyarrow": lambda profile: profile.to_pyarrow_fs(),
    "polars": lambda profile: profile.to_polars_options(),
    "duckdb": lambda profile: profile.to_duckdb_secret("s"),
}
# Rendered as text: the library itself isn't needed for it.
OPTIONS = ("deltalake", "dfd-native")
CELLS = [
    (kind, setting, library)
    for kind, settings in CAPABILITIES.items()
    for setting in settings
    for library in LIBRARIES
]
FIELDS: dict[str, Any] = {
    "region": {"region": "eu-west-1"},
    "endpoint": {"endpoint": "https://127.0.0.1:9"},
    "allow_http": {"allow_http": True},
    "virtual_hosted": {"virtual_hosted": True},
    "timeout_s": {"timeout_s": 1},
    "connect_timeout_s": {"connect_timeout_s": 1},
    "max_retries": {"max_retries": 1},
    "retry_timeout_s": {"retry_timeout_s": 1},
    "proxy_url": {"proxy_url": "http://127.0.0.1:9"},
    "proxy_auth": {
        "proxy_url": "http://127.0.0.1:9",
        "proxy_auth": ProxyAuth("me", Secret("hunter2")),
    },
    "max_concurrency": {"max_concurrency": 3},
    "extra": {"extra": {"user_agent": "x"}},
    "encryption": {"encryption": Encryption(type="aws:kms", kms_key_id="k", bucket_key=True)},
    "commits: dynamodb": {"commits": DynamoDBLock()},
    "commits: unsafe": {"commits": "unsafe"},
    "emulator": {"emulator": True},
    "uri": {},
    "account": {},
}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], StorageProfile]:
    """The profile of a kind in which one setting is set, beside what is needed."""
    monkeypatch.setattr(
        aws, "_exchange", lambda *_: (KEY, None)
    )  # no token service listens here: the test is of what follows
    monkeypatch.delenv("AZURITE_BLOB_STORAGE_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = AK\naws_secret_access_key = hunter2\n"
    )
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "gcs_base_url": "http://127.0.0.1:9",
                "disable_oauth": True,
                "client_email": "",
                "private_key": "",
                "private_key_id": "",
            }
        )
    )
    token = tmp_path / "token"
    token.write_text("hunter2")
    service = ServiceAccountCredentials(path=str(account))
    credentials: dict[tuple[str, str], Any] = {
        ("s3", "static"): KEY,
        ("s3", "profile"): ProfileCredentials(),
        ("s3", "assume_role"): AssumeRoleCredentials(role_arn="r", source=KEY),
        ("s3", "web_identity"): WebIdentityCredentials(token_file=str(token), role_arn="r"),
        ("s3", "provider"): ProviderCredentials(provider=lambda: (KEY, None)),
        ("gcs", "service_account"): service,
        ("gcs", "provider"): ProviderCredentials(provider=lambda: (service, None)),
        ("azure", "account_key"): AccountKeyCredentials(BASE64),
        ("azure", "sas"): SasCredentials(Secret("?sv=1&sig=x")),
        ("azure", "bearer_token"): BearerTokenCredentials(Secret("hunter2")),
        ("azure", "client_secret"): ClientSecretCredentials(
            tenant_id="00000000-0000-0000-0000-000000000000",
            client_id="c",
            client_secret=Secret("hunter2"),
        ),
        ("azure", "web_identity"): WebIdentityCredentials(
            token_file=str(token), client_id="c", tenant_id="t"
        ),
        ("azure", "managed_identity"): ManagedIdentityCredentials(client_id="c"),
        ("azure", "azure_cli"): AzureCliCredentials(),
        ("azure", "provider"): ProviderCredentials(
            provider=lambda: (AccountKeyCredentials(BASE64), None)
        ),
    }
    kinds: dict[str, Any] = {
        "s3": (S3Profile, {"uri": "s3://bucket/t", "credentials": KEY}),
        "gcs": (GCSProfile, {"uri": "gs://bucket/t", "credentials": AnonymousCredentials()}),
        "azure": (
            AzureProfile,
            {"uri": "az://lake/t", "account": "acc", "credentials": AccountKeyCredentials(BASE64)},
        ),
        "http": (HTTPProfile, {"uri": "https://127.0.0.1:9/t"}),
        "local": (LocalProfile, {"uri": str(tmp_path)}),
        "memory": (MemoryProfile, {"uri": "memory:///t"}),
    }

    def build(kind: str, setting: str) -> StorageProfile:
        cls, fields = kinds[kind]
        if setting.startswith("credentials: "):
            tag = setting.partition(": ")[2]
            shared = {"anonymous": AnonymousCredentials(), "ambient": AmbientCredentials()}
            change = {"credentials": credentials.get((kind, tag)) or shared[tag]}
        elif setting == "ca_file":
            change = {"ca_file": str(CERTIFICATE)}
        else:
            change = FIELDS[setting]
        built = cls(**(fields | change))
        assert isinstance(built, StorageProfile)
        return built

    return build


@pytest.mark.parametrize(("kind", "setting", "library"), CELLS)
def test_each_cell_is_what_happens(
    given: Callable[[str, str], StorageProfile], kind: str, setting: str, library: str
) -> None:
    try:
        version(library)
    except Exception:  # noqa: BLE001
        if library in OPTIONS and library in CAPABILITIES[kind][setting]:
            assert RENDER[library](given(kind, setting)) is not None
        else:
            with pytest.raises(MissingDependency):
                RENDER[library](given(kind, setting))
        return
    profile = given(kind, setting)
    # An anonymous GCS profile is what the other settings are tried on, and DataFusion has no such.
    needs_other = kind == "gcs" and library in ("datafusion",) and not setting.startswith("cred")
    if setting == "commits: dynamodb" and library == "deltalake":
        with pytest.raises(LockUnsupported, match=r"1\.6\.1 dropped"):
            RENDER[library](profile)
    elif library in CAPABILITIES[kind][setting] and not needs_other:
        assert RENDER[library](profile) is not None
    else:
        with pytest.raises(UnsupportedSetting) as caught:
            RENDER[library](profile)
        assert caught.value.library == library


def test_every_field_of_every_kind_is_in_the_table() -> None:
    kinds = {cls.__struct_config__.tag: cls for cls in get_args(AnyStorageProfile)}
    assert set(kinds) == set(CAPABILITIES)
    for kind, cls in kinds.items():
        fields = set(cls.__struct_fields__) - {"environment", "credentials", "commits"}
        assert fields <= set(CAPABILITIES[kind]), kind


def test_the_document_has_the_table() -> None:
    is_there = table() in DOCUMENT.read_text(encoding="utf-8")
    assert is_there, (
        f"In {DOCUMENT} the table is not what dfd_storage.capabilities.table() gives:\n{table()}"
    )
