"""Options of object_store, as deltalake, dfd-native, obstore and polars take them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    ManagedIdentityCredentials,
    SasCredentials,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    WebIdentityCredentials,
    azure,
    google,
)
from dfd_storage.errors import InvalidProfile
from dfd_storage.render.connection import Connection

_AZURE_VARIABLES = {
    "AZURE_STORAGE_ACCOUNT_KEY": "azure_storage_account_key",
    "AZURE_STORAGE_SAS_TOKEN": "azure_storage_sas_key",
    "AZURE_CLIENT_ID": "azure_storage_client_id",
    "AZURE_TENANT_ID": "azure_storage_tenant_id",
    "AZURE_CLIENT_SECRET": "azure_storage_client_secret",
    "AZURE_FEDERATED_TOKEN_FILE": "azure_federated_token_file",
    "AZURE_AUTHORITY_HOST": "azure_storage_authority_host",
    "IDENTITY_ENDPOINT": "azure_msi_endpoint",
}


def client_options(connection: Connection) -> dict[str, str]:
    """The options that say how to connect, but for the endpoint and the certificate."""
    given = {
        "allow_http": "true" if connection.allow_http else "false",
        "timeout": _milliseconds(connection.timeout_s),
        "connect_timeout": _milliseconds(connection.connect_timeout_s),
        "max_retries": None if connection.max_retries is None else str(connection.max_retries),
        "retry_timeout": _milliseconds(connection.retry_timeout_s),
        "proxy_url": connection.proxy_with_auth(),
    }
    return {name: value for name, value in given.items() if value is not None}


def certificate_options(connection: Connection) -> dict[str, str]:
    """The option of a root certificate as deltalake names it, and dfd-native after it."""
    if connection.ca_file is None:
        return {}
    try:
        return {"certificate_path": str(Path(connection.ca_file).expanduser())}
    except RuntimeError as error:
        raise InvalidProfile(
            f"`ca_file`: {connection.ca_file} has no home.", "Write it whole.", field="ca_file"
        ) from error


def s3_credentials(
    credentials: StaticCredentials | AnonymousCredentials | Mapping[str, str],
) -> dict[str, str]:
    """The options of credentials of S3; those for the metadata service are options already."""
    match credentials:
        case StaticCredentials(key, secret, token):
            options = {"aws_access_key_id": key, "aws_secret_access_key": secret.reveal()}
            return options if token is None else options | {"aws_session_token": token.reveal()}
        case AnonymousCredentials():
            return {"aws_skip_signature": "true"}
    return dict(credentials)


def gcs_credentials(credentials: google.Explicit | None, *, is_ambient: bool) -> dict[str, str]:
    """The options of credentials of Google; none for what the library finds by itself."""
    match credentials:
        case ServiceAccountCredentials(path=str(path)):
            # Of the ambient kind it may be a user's file, which only this key takes.
            name = "application_credentials" if is_ambient else "service_account"
            return {f"google_{name}": path}
        case ServiceAccountCredentials(key=key) if key is not None:
            return {"google_service_account_key": key.reveal()}
        case AnonymousCredentials():
            return {"google_skip_signature": "true"}
    return {}


def azure_credentials(credentials: azure.Explicit | None) -> dict[str, str]:
    """The options of credentials of Azure; None: the machine's own, by Azure's variables."""
    given: dict[str, str | Secret | None]
    match credentials:
        case AccountKeyCredentials(key):
            given = {"azure_storage_account_key": key}
        case SasCredentials(token):
            given = {"azure_storage_sas_key": token.reveal().lstrip("?")}
        case BearerTokenCredentials(token):
            given = {"azure_storage_token": token}
        case ClientSecretCredentials() as client:
            given = {
                "azure_storage_tenant_id": client.tenant_id,
                "azure_storage_client_id": client.client_id,
                "azure_storage_client_secret": client.client_secret,
                "azure_storage_authority_host": client.authority_host,
            }
        case WebIdentityCredentials() as identity:
            given = {
                "azure_federated_token_file": identity.token_file,
                "azure_storage_client_id": identity.client_id,
                "azure_storage_tenant_id": identity.tenant_id,
                "azure_storage_authority_host": identity.token_service,
            }
        case ManagedIdentityCredentials() as machine:
            given = {
                "azure_storage_client_id": machine.client_id,
                "azure_object_id": machine.object_id,
                "azure_msi_resource_id": machine.resource_id,
                "azure_msi_endpoint": machine.endpoint,
            }
        case AzureCliCredentials():
            given = {"azure_use_azure_cli": "true"}
        case AnonymousCredentials():
            given = {"azure_skip_signature": "true"}
        case None:
            given = {name: os.environ.get(v) for v, name in _AZURE_VARIABLES.items()}
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in given.items()
        if value
    }


def _milliseconds(seconds: float | None) -> str | None:
    """A duration as object_store takes it."""
    return None if seconds is None else f"{max(round(seconds * 1000), 1)}ms"
