"""Stores of DataFusion; timeouts, retries, a proxy and further options can't be said to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from dfd_storage.capabilities import installed_version
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    SasCredentials,
    ServiceAccountCredentials,
    StaticCredentials,
    azure,
    google,
)
from dfd_storage.errors import UnsupportedSetting
from dfd_storage.render.connection import Connection


def local_store() -> Any:
    """The store of all local paths, DataFusion's `LocalFileSystem`."""
    from datafusion import object_store

    return object_store.LocalFileSystem()


def http_store(url: str) -> Any:
    """The store of a web server, DataFusion's `Http`."""
    from datafusion import object_store

    return object_store.Http(url)


def s3_store(
    connection: Connection,
    *,
    bucket: str,
    region: str,
    credentials: StaticCredentials | AnonymousCredentials | Mapping[str, str],
) -> Any:
    """The store of a bucket behind the S3 protocol, DataFusion's `AmazonS3`.

    Raises:
        UnsupportedSetting: nobody's credentials.
    """
    from datafusion import object_store

    if isinstance(credentials, AnonymousCredentials):
        raise UnsupportedSetting("credentials", "datafusion", installed_version("datafusion"))
    key = credentials if isinstance(credentials, StaticCredentials) else None
    token = None if key is None else key.session_token
    return object_store.AmazonS3(
        bucket_name=bucket,
        region=region,
        access_key_id=None if key is None else key.access_key_id,
        secret_access_key=None if key is None else key.secret_access_key.reveal(),
        session_token=None if token is None else token.reveal(),
        endpoint=connection.endpoint,
        allow_http=connection.allow_http,
    )


def gcs_store(*, bucket: str, credentials: google.Explicit | None, is_ambient: bool) -> Any:
    """The store of a bucket of Google, `GoogleCloud`: a service account's path, or what it finds.

    Raises:
        UnsupportedSetting: other credentials.
    """
    from datafusion import object_store

    match credentials:
        case ServiceAccountCredentials(path=str(path)) if not is_ambient:
            return object_store.GoogleCloud(bucket_name=bucket, service_account_path=path)
        case None | ServiceAccountCredentials(path=str()):
            return object_store.GoogleCloud(bucket_name=bucket)
    raise UnsupportedSetting("credentials", "datafusion", installed_version("datafusion"))


def azure_store(
    connection: Connection,
    *,
    container: str,
    account: str | None,
    credentials: azure.Explicit | None,
    emulator: bool,
    fabric: bool,
) -> Any:
    """The store of a container of Azure, DataFusion's `MicrosoftAzure`."""
    from datafusion import object_store

    given: dict[str, Any] = {}
    match credentials:
        case AccountKeyCredentials(key):
            given["access_key"] = key.reveal()
        case SasCredentials(token):
            given["sas_query_pairs"] = parse_qsl(token.reveal().lstrip("?"))
        case BearerTokenCredentials(token):
            given["bearer_token"] = token.reveal()
        case ClientSecretCredentials(tenant_id=tenant, client_id=client, client_secret=secret):
            given |= {"tenant_id": tenant, "client_id": client, "client_secret": secret.reveal()}
    return object_store.MicrosoftAzure(
        container_name=container,
        account=account,
        use_emulator=emulator,
        allow_http=connection.allow_http,
        use_fabric_endpoint=fabric,
        **given,
    )
