"""Containers of Azure: accounts, credentials, the emulator."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AnonymousCredentials,
    AzureProfile,
    ClientSecretCredentials,
    EnvironmentContradiction,
    InvalidProfile,
    ManagedIdentityCredentials,
    SasCredentials,
    Secret,
    WebIdentityCredentials,
)

BASE64 = base64.b64encode(b"0" * 32).decode()


def azure(**fields: Any) -> AzureProfile:
    given = {"uri": "az://lake/t", "credentials": AccountKeyCredentials(Secret(BASE64))}
    return AzureProfile(**(given | fields))


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
