"""The same profile for the tools next door. Each rendering says all of the profile, or refuses."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dfd_storage.azure import EMULATOR_ENDPOINT, AzureProfile
from dfd_storage.capabilities import installed_version, require
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    ClientSecretCredentials,
    SasCredentials,
)
from dfd_storage.errors import InvalidProfile, UnsupportedSetting
from dfd_storage.gcs import GCSProfile
from dfd_storage.http import HTTPProfile
from dfd_storage.local import LocalProfile, MemoryProfile
from dfd_storage.options import RETRIES
from dfd_storage.profile import StorageProfile, no_panic
from dfd_storage.remote import RemoteProfile
from dfd_storage.s3 import S3Profile
from dfd_storage.uri import local_path, parse_uri

if TYPE_CHECKING:
    from obstore.store import MemoryStore, ObjectStore
    from pyarrow.fs import FileSystem

_memories: dict[str, MemoryStore] = {}


def to_obstore(profile: StorageProfile) -> ObjectStore:
    """A store of obstore, of the location itself; a location in memory is one store in the process."""
    installed_version("obstore")
    require(profile.kind, profile.settings(), "obstore")
    from obstore import store

    path = parse_uri(profile.uri).path.strip("/")
    if isinstance(profile, MemoryProfile):
        return _memories.setdefault(profile.uri, store.MemoryStore())
    if isinstance(profile, LocalProfile):
        return store.LocalStore(prefix=local_path(profile.uri), mkdir=True)
    assert isinstance(profile, RemoteProfile)
    options = profile.options()
    client = {name: options.pop(name) for name in list(options) if not _is_of_cloud(name)}
    retries: Any = _obstore_retries(profile) if RETRIES & set(client) else None
    given: Any = {
        "client_options": {k: v for k, v in client.items() if k not in RETRIES},
        "retry_config": retries,
    }
    if profile.ca_file is not None:
        given["client_options"]["root_certificate"] = _certificate(profile.ca_file)
    with no_panic("obstore"):
        match profile:
            case S3Profile():
                config: Any = options
                return store.S3Store(profile.bucket, prefix=path or None, config=config, **given)
            case AzureProfile():
                config = options
                return store.AzureStore(
                    profile.container, prefix=path or None, config=config, **given
                )
            case GCSProfile():
                config = options
                return store.GCSStore(profile.bucket, prefix=path or None, config=config, **given)
            case HTTPProfile():
                web: ObjectStore = store.HTTPStore.from_url(profile.uri, **given)
                return web
    raise AssertionError(profile.kind)


def _certificate(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, RuntimeError) as error:
        raise InvalidProfile(f"`ca_file`: {path} can't be read.") from error


def first_of(profile: StorageProfile) -> None:
    """List the location, as far as the first answer."""
    store = to_obstore(profile)
    import obstore

    next(iter(obstore.list(store, chunk_size=1)), None)


def _is_of_cloud(option: str) -> bool:
    return option.startswith(("aws_", "azure_", "google_"))


def _obstore_retries(profile: RemoteProfile) -> dict[str, Any]:
    retries: dict[str, Any] = {}
    if profile.max_retries is not None:
        retries["max_retries"] = profile.max_retries
    if profile.retry_timeout_s is not None:
        retries["retry_timeout"] = timedelta(seconds=profile.retry_timeout_s)
    return retries


def to_pyarrow(profile: StorageProfile) -> FileSystem:
    """A file system of pyarrow, rooted at the location."""
    installed_version("pyarrow")
    require(profile.kind, profile.settings(), "pyarrow")
    from pyarrow import fs

    location = parse_uri(profile.uri)
    base: fs.FileSystem
    match profile:
        case LocalProfile():
            return fs.SubTreeFileSystem(str(local_path(profile.uri)), fs.LocalFileSystem())
        case S3Profile():
            base = fs.S3FileSystem(**_pyarrow_s3(profile))
        case GCSProfile():
            base = fs.GcsFileSystem(**_pyarrow_gcs(profile))
        case AzureProfile():
            base = fs.AzureFileSystem(**_pyarrow_azure(profile))
        case _:
            raise UnsupportedSetting("kind", "pyarrow", installed_version("pyarrow"))
    return fs.SubTreeFileSystem(f"{location.container}{location.path}", base)


def _pyarrow_s3(profile: S3Profile) -> dict[str, Any]:
    from pyarrow import fs

    given: dict[str, Any] = {
        "region": profile.region,
        "anonymous": isinstance(profile.credentials, AnonymousCredentials),
        "force_virtual_addressing": profile.virtual_hosted,
        "request_timeout": profile.timeout_s,
        "connect_timeout": profile.connect_timeout_s,
        "tls_ca_file_path": profile.ca_file,
    }
    key = profile.static_credentials()
    if key is not None:
        given["access_key"] = key.access_key_id
        given["secret_key"] = key.secret_access_key.reveal()
        if key.session_token is not None:
            given["session_token"] = key.session_token.reveal()
    if profile.endpoint is not None:
        parts = urlsplit(profile.endpoint)
        given["endpoint_override"] = parts.netloc + parts.path.rstrip("/")
        given["scheme"] = _scheme(profile, parts.scheme)
    if profile.max_retries is not None:
        # It counts attempts, and gives up without one.
        given["retry_strategy"] = fs.AwsStandardS3RetryStrategy(
            max_attempts=profile.max_retries + 1
        )
    if profile.proxy_url is not None:
        given["proxy_options"] = profile.proxy_with_auth()
    return {name: value for name, value in given.items() if value is not None}


def _scheme(profile: RemoteProfile, scheme: str) -> str:
    """The scheme of the endpoint, which `allow_http` must allow: pyarrow asks nobody."""
    if scheme == "http" and not profile.allow_http:
        raise InvalidProfile("The endpoint is plain http, which `allow_http` doesn't allow.")
    return scheme


def _pyarrow_gcs(profile: GCSProfile) -> dict[str, Any]:
    given: dict[str, Any] = {"anonymous": isinstance(profile.credentials, AnonymousCredentials)}
    if profile.endpoint is not None:
        parts = urlsplit(profile.endpoint)
        given |= {
            "endpoint_override": parts.netloc,
            "scheme": _scheme(profile, parts.scheme),
            # Its own default is a quarter of an hour.
            "retry_time_limit": timedelta(seconds=30),
        }
    return given


def _pyarrow_azure(profile: AzureProfile) -> dict[str, Any]:
    given: dict[str, Any] = {"account_name": profile.account}
    match profile._explicit():
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
    endpoint = profile.endpoint or (EMULATOR_ENDPOINT if profile.emulator else None)
    if endpoint is not None:
        parts = urlsplit(endpoint)
        scheme = parts.scheme if profile.emulator else _scheme(profile, parts.scheme)
        # It asks the data lake's address too, and leaves for Azure's own where only one is given.
        for service in ("blob", "dfs"):
            given[f"{service}_storage_authority"] = parts.netloc
            given[f"{service}_storage_scheme"] = scheme
    return given


def to_polars(profile: StorageProfile) -> dict[str, Any]:
    """polars' `storage_options`: the names of object_store, and polars' own for retries."""
    require(profile.kind, profile.settings(), "polars")
    if not isinstance(profile, RemoteProfile):
        return {}
    options: dict[str, Any] = dict(profile.options())
    if "max_retries" in options:
        options["max_retries"] = int(options["max_retries"])
    return options


def to_duckdb(profile: StorageProfile, name: str) -> str:
    """The `CREATE SECRET` statement of DuckDB; it replaces a secret of that name."""
    require(profile.kind, profile.settings(), "duckdb")
    match profile:
        case S3Profile():
            pairs = _duckdb_s3(profile)
        case AzureProfile():
            pairs = _duckdb_azure(profile)
        case _:
            raise UnsupportedSetting("kind", "duckdb", installed_version("duckdb"))
    listed = ", ".join(f"{key} {_literal(value)}" for key, value in pairs.items())
    quoted = '"' + _plain(name).replace('"', '""') + '"'
    return f"CREATE OR REPLACE SECRET {quoted} ({listed})"


def _duckdb_s3(profile: S3Profile) -> dict[str, str | bool]:
    pairs: dict[str, str | bool] = {"TYPE": "s3", "PROVIDER": "config", "SCOPE": profile.uri}
    key = profile.static_credentials()
    if key is not None:
        pairs["KEY_ID"] = key.access_key_id
        pairs["SECRET"] = key.secret_access_key.reveal()
        if key.session_token is not None:
            pairs["SESSION_TOKEN"] = key.session_token.reveal()
    pairs["REGION"] = profile.region
    pairs["URL_STYLE"] = "vhost" if profile.virtual_hosted else "path"
    if profile.endpoint is not None:
        parts = urlsplit(profile.endpoint)
        if parts.path.strip("/"):
            raise UnsupportedSetting("endpoint", "duckdb", installed_version("duckdb"))
        pairs["ENDPOINT"] = parts.netloc
        pairs["USE_SSL"] = _scheme(profile, parts.scheme) == "https"
    return pairs


def _duckdb_azure(profile: AzureProfile) -> dict[str, str | bool]:
    assert profile.account is not None
    pairs: dict[str, str | bool] = {"TYPE": "azure", "SCOPE": profile.uri}
    match profile._explicit():
        case AccountKeyCredentials(key):
            pairs["CONNECTION_STRING"] = (
                f"AccountName={profile.account};AccountKey={key.reveal()};"
                "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net"
            )
        case ClientSecretCredentials() as client if client.authority_host is None:
            pairs |= {
                "PROVIDER": "service_principal",
                "ACCOUNT_NAME": profile.account,
                "TENANT_ID": client.tenant_id,
                "CLIENT_ID": client.client_id,
                "CLIENT_SECRET": client.client_secret.reveal(),
            }
        case _:
            raise UnsupportedSetting("credentials", "duckdb", installed_version("duckdb"))
    return pairs


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + _plain(value).replace("'", "''") + "'"


def _plain(text: str) -> str:
    """DuckDB's text ends at a null character."""
    if "\x00" in text:
        raise InvalidProfile("A value for DuckDB has a null character in it.")
    return text
