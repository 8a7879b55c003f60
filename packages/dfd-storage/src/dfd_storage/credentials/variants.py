"""Variants of credentials: one of them in every profile of a store that asks for any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from dfd_storage.credentials.secret import Secret, require_base64
from dfd_storage.errors import InvalidProfile
from dfd_storage.fields import Text, check_fields


class _Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A variant whose fields are checked when it is built."""

    def __post_init__(self) -> None:
        check_fields(self)


class StaticCredentials(_Credentials, frozen=True, tag="static"):
    """An access key of S3: its id, its secret, and the token of a temporary one."""

    access_key_id: Text
    secret_access_key: Secret
    session_token: Secret | None = None


class ProfileCredentials(_Credentials, frozen=True, tag="profile"):
    """A named profile of the AWS command line, with a key in it.

    - `name`: of the profile.
    - `credentials_file`, `config_file`: default: `~/.aws/credentials` and `~/.aws/config`.
    """

    name: Text = "default"
    credentials_file: Text | None = None
    config_file: Text | None = None


class AssumeRoleCredentials(_Credentials, frozen=True, tag="assume_role", kw_only=True):
    """A role that the key in `source` may assume. Renewed ahead of its end.

    - `sts_endpoint`: URL of the token service; default: that of the region, of AWS.
    - `duration_s`: how long a token lasts, in seconds; default 3600.
    """

    role_arn: Text
    source: StaticCredentials | ProfileCredentials
    session_name: Text = "dfd"
    external_id: Text | None = None
    sts_endpoint: Text | None = None
    duration_s: Annotated[int, msgspec.Meta(ge=900, le=43200)] = 3600


class WebIdentityCredentials(_Credentials, frozen=True, tag="web_identity", kw_only=True):
    """A token in a file that is exchanged for credentials. Renewed ahead of their end.

    S3: `role_arn` is the role, `token_service` the URL of the service (default: that of the
    region, of AWS). Azure: `client_id` and `tenant_id` name the application, `token_service` the
    authority's host.
    """

    token_file: Text
    role_arn: Text | None = None
    session_name: Text = "dfd"
    client_id: Text | None = None
    tenant_id: Text | None = None
    token_service: Text | None = None


class AccountKeyCredentials(_Credentials, frozen=True, tag="account_key"):
    """The key of an Azure storage account, in base64."""

    account_key: Secret

    def __post_init__(self) -> None:
        check_fields(self)
        require_base64(self.account_key, "account_key")


class SasCredentials(_Credentials, frozen=True, tag="sas"):
    """A shared access signature of Azure: `sv=...&sig=...`, with or without the question mark."""

    token: Secret


class BearerTokenCredentials(_Credentials, frozen=True, tag="bearer_token"):
    """An access token of Azure that somebody else renews."""

    token: Secret


class ClientSecretCredentials(_Credentials, frozen=True, tag="client_secret", kw_only=True):
    """An application of Azure with its secret."""

    tenant_id: Text
    client_id: Text
    client_secret: Secret
    authority_host: Text | None = None


class ManagedIdentityCredentials(_Credentials, frozen=True, tag="managed_identity", kw_only=True):
    """The identity of the machine in Azure; the three names choose one of several."""

    client_id: Text | None = None
    object_id: Text | None = None
    resource_id: Text | None = None
    endpoint: Text | None = None


class AzureCliCredentials(_Credentials, frozen=True, tag="azure_cli"):
    """The user that `az login` logged in."""


class ServiceAccountCredentials(_Credentials, frozen=True, tag="service_account", kw_only=True):
    """A service account of Google: the path of its JSON file, or the JSON itself."""

    path: Text | None = None
    key: Secret | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.path is None) == (self.key is None):
            raise InvalidProfile("A service account has `path` or `key`: one of them.", "Give one.")


class AnonymousCredentials(_Credentials, frozen=True, tag="anonymous"):
    """Requests without a signature, for public buckets."""


class AmbientCredentials(_Credentials, frozen=True, tag="ambient"):
    """The machine's own credentials: the cloud's variables, its files, its metadata service.

    Variables and files are looked at when options are rendered, and stand in them; only the
    metadata service is left to the library.
    """


class ProviderCredentials(_Credentials, frozen=True, tag="provider", kw_only=True):
    """A callback that gives credentials and when they end (with a time zone; None: never).

    It is called once for many threads, and again `refresh_ahead_s` seconds before the end. Every
    new answer is a new `generation` of the profile.
    """

    provider: Callable[[], tuple[Any, datetime | None]]
    refresh_ahead_s: Annotated[float, msgspec.Meta(ge=0)] = 300.0

    def __post_init__(self) -> None:
        if not callable(self.provider):
            raise InvalidProfile(
                "`provider` is no function.",
                "Give one that gives (credentials, expires_at).",
                field="provider",
            )
        ahead = self.refresh_ahead_s
        if isinstance(ahead, bool) or not isinstance(ahead, (int, float)) or not ahead >= 0:
            raise InvalidProfile(
                "`refresh_ahead_s` is no number of seconds from 0.",
                "Leave it out for 300.",
                field="refresh_ahead_s",
            )


class ProxyAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """User and password for the proxy."""

    user: Text
    password: Secret

    def __post_init__(self) -> None:
        check_fields(self)
