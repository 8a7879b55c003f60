"""Secrets of DuckDB: the statement that creates one, every value quoted."""

from __future__ import annotations

from collections.abc import Mapping

from dfd_storage.capabilities import installed_version
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    ClientSecretCredentials,
    StaticCredentials,
    azure,
)
from dfd_storage.errors import InvalidProfile, UnsupportedSetting
from dfd_storage.render.connection import Connection

Settings = Mapping[str, str | bool]


def create_secret(name: str, settings: Settings) -> str:
    """The `CREATE SECRET` statement of DuckDB; it replaces a secret of that name."""
    listed = ", ".join(f"{key} {_literal(value)}" for key, value in settings.items())
    quoted = '"' + _plain(name).replace('"', '""') + '"'
    return f"CREATE OR REPLACE SECRET {quoted} ({listed})"


def s3_settings(
    location: str,
    connection: Connection,
    *,
    region: str,
    virtual_hosted: bool,
    credentials: StaticCredentials | AnonymousCredentials | Mapping[str, str],
) -> Settings:
    """The settings of a secret for S3.

    Raises:
        UnsupportedSetting: an endpoint with a path.
    """
    settings: dict[str, str | bool] = {"TYPE": "s3", "PROVIDER": "config", "SCOPE": location}
    if isinstance(credentials, StaticCredentials):
        settings["KEY_ID"] = credentials.access_key_id
        settings["SECRET"] = credentials.secret_access_key.reveal()
        if credentials.session_token is not None:
            settings["SESSION_TOKEN"] = credentials.session_token.reveal()
    settings["REGION"] = region
    settings["URL_STYLE"] = "vhost" if virtual_hosted else "path"
    endpoint = connection.allowed_endpoint()
    if endpoint is not None:
        if endpoint.path.strip("/"):
            raise UnsupportedSetting("endpoint", "duckdb", installed_version("duckdb"))
        settings["ENDPOINT"] = endpoint.netloc
        settings["USE_SSL"] = endpoint.scheme == "https"
    return settings


def azure_settings(location: str, *, account: str, credentials: azure.Explicit | None) -> Settings:
    """The settings of a secret for Azure.

    Raises:
        UnsupportedSetting: credentials that DuckDB doesn't know.
    """
    settings: dict[str, str | bool] = {"TYPE": "azure", "SCOPE": location}
    match credentials:
        case AccountKeyCredentials(key):
            settings["CONNECTION_STRING"] = (
                f"AccountName={account};AccountKey={key.reveal()};"
                "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net"
            )
        case ClientSecretCredentials() as client if client.authority_host is None:
            settings |= {
                "PROVIDER": "service_principal",
                "ACCOUNT_NAME": account,
                "TENANT_ID": client.tenant_id,
                "CLIENT_ID": client.client_id,
                "CLIENT_SECRET": client.client_secret.reveal(),
            }
        case _:
            raise UnsupportedSetting("credentials", "duckdb", installed_version("duckdb"))
    return settings


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + _plain(value).replace("'", "''") + "'"


def _plain(text: str) -> str:
    """The text, which has no null character: DuckDB's would end there."""
    if "\x00" in text:
        raise InvalidProfile("A value for DuckDB has a null character in it.", "Take it out.")
    return text
