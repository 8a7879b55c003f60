"""File systems of pyarrow, rooted at the location."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dfd_storage.capabilities import installed_version
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    ClientSecretCredentials,
    SasCredentials,
    StaticCredentials,
    azure,
)
from dfd_storage.environment import EMULATOR_ENDPOINT
from dfd_storage.errors import UnsupportedSetting
from dfd_storage.render.connection import Connection
from dfd_storage.uri import parse_uri

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


def local_filesystem(directory: Path) -> FileSystem:
    """The file system of a directory."""
    from pyarrow import fs

    return fs.SubTreeFileSystem(str(directory), fs.LocalFileSystem())


def s3_filesystem(
    location: str,
    connection: Connection,
    *,
    region: str,
    virtual_hosted: bool,
    credentials: StaticCredentials | AnonymousCredentials | Mapping[str, str],
) -> FileSystem:
    """The file system of a bucket behind the S3 protocol."""
    from pyarrow import fs

    given: dict[str, Any] = {
        "region": region,
        "anonymous": isinstance(credentials, AnonymousCredentials),
        "force_virtual_addressing": virtual_hosted,
        "request_timeout": connection.timeout_s,
        "connect_timeout": connection.connect_timeout_s,
        "tls_ca_file_path": connection.ca_file,
        "proxy_options": connection.proxy_with_auth(),
    }
    if isinstance(credentials, StaticCredentials):
        given["access_key"] = credentials.access_key_id
        given["secret_key"] = credentials.secret_access_key.reveal()
        if credentials.session_token is not None:
            given["session_token"] = credentials.session_token.reveal()
    endpoint = connection.allowed_endpoint()
    if endpoint is not None:
        given["endpoint_override"] = endpoint.netloc + endpoint.path.rstrip("/")
        given["scheme"] = endpoint.scheme
    if connection.max_retries is not None:
        # It counts attempts, and gives up without one.
        given["retry_strategy"] = fs.AwsStandardS3RetryStrategy(
            max_attempts=connection.max_retries + 1
        )
    given = {name: value for name, value in given.items() if value is not None}
    return _rooted(location, fs.S3FileSystem(**given))


def gcs_filesystem(location: str, connection: Connection, *, is_anonymous: bool) -> FileSystem:
    """The file system of a bucket of Google Cloud Storage."""
    from pyarrow import fs

    given: dict[str, Any] = {"anonymous": is_anonymous}
    endpoint = connection.allowed_endpoint()
    if endpoint is not None:
        given |= {
            "endpoint_override": endpoint.netloc,
            "scheme": endpoint.scheme,
            # Its own default is a quarter of an hour.
            "retry_time_limit": timedelta(seconds=30),
        }
    return _rooted(location, fs.GcsFileSystem(**given))


def azure_filesystem(
    location: str,
    connection: Connection,
    *,
    account: str | None,
    credentials: azure.Explicit | None,
    emulator: bool,
) -> FileSystem:
    """The file system of a container of Azure.

    Raises:
        UnsupportedSetting: credentials that pyarrow doesn't know.
    """
    from pyarrow import fs

    given: dict[str, Any] = {"account_name": account}
    match credentials:
        case AccountKeyCredentials(key):
            given["account_key"] = key.reveal()
        case SasCredentials(token):
            given["sas_token"] = "?" + token.reveal().lstrip("?")
        case ClientSecretCredentials() as client:
            given |= {
                "tenant_id": client.tenant_id,
                "client_id": client.client_id,
                "client_secret": client.client_secret.reveal(),
            }
        case _:
            raise UnsupportedSetting("credentials", "pyarrow", installed_version("pyarrow"))
    endpoint = (
        urlsplit(connection.endpoint or EMULATOR_ENDPOINT)
        if emulator
        else connection.allowed_endpoint()
    )
    if endpoint is not None:
        # It asks the data lake's address too, and leaves for Azure's own where only one is given.
        for service in ("blob", "dfs"):
            given[f"{service}_storage_authority"] = endpoint.netloc
            given[f"{service}_storage_scheme"] = endpoint.scheme
    return _rooted(location, fs.AzureFileSystem(**given))


def _rooted(location: str, filesystem: FileSystem) -> FileSystem:
    from pyarrow import fs

    parts = parse_uri(location)
    return fs.SubTreeFileSystem(f"{parts.container}{parts.path}", filesystem)
