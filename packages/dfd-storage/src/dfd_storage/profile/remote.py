"""The base of the profiles of stores behind HTTP: how to connect, and object_store's options."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from dfd_storage.capabilities import require
from dfd_storage.commit_safety import Mechanism
from dfd_storage.credentials import CredentialCache, ProxyAuth
from dfd_storage.environment import Environment, contradictions, enforce
from dfd_storage.errors import InvalidProfile
from dfd_storage.fields import Seconds, Text, check_url
from dfd_storage.options import Keys, canonical_options
from dfd_storage.profile.base import StorageProfile
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.render import polars_options
from dfd_storage.render.connection import Connection
from dfd_storage.render.object_store_options import certificate_options, client_options
from dfd_storage.uri import parse_uri

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class RemoteProfile(StorageProfile, frozen=True, kw_only=True):
    """A location in a store behind HTTP, and how to connect to it.

    - `allow_http`: take an endpoint without TLS. Default: no.
    - `timeout_s`, `connect_timeout_s`: seconds of one request and of connecting; None leaves the
      library's own.
    - `max_retries`, `retry_timeout_s`: how often and how long one request is tried again; None
      leaves the library's own (10 times, 180 s). A silent server holds a reader for
      `timeout_s * (max_retries + 1)` at the most.
    - `proxy_url`, `proxy_auth`: the proxy. Default: none of the profile's; `HTTP_PROXY` works as
      ever.
    - `ca_file`: path of a PEM file with one further root certificate.
    - `max_concurrency`: requests at once of all tables of the profile. dfd-native alone holds to
      it; the others refuse it, and so nothing is written through deltalake with it.
    - `extra`: further options of object_store by name, checked.
    - `environment`: what to do with variables that would change what is said here: `"refuse"`, the
      default, or `"warn"`.
    """

    keys: ClassVar[Keys]
    allow_http: bool = False
    timeout_s: Seconds | None = None
    connect_timeout_s: Seconds | None = None
    max_retries: Annotated[int, msgspec.Meta(ge=0)] | None = None
    retry_timeout_s: Seconds | None = None
    proxy_url: Text | None = None
    proxy_auth: ProxyAuth | None = None
    ca_file: Text | None = None
    max_concurrency: Annotated[int, msgspec.Meta(gt=0)] | None = None
    extra: dict[str, str] = msgspec.field(default_factory=dict)
    environment: Environment = "refuse"

    def __post_init__(self) -> None:
        StorageProfile.__post_init__(self)
        if self.proxy_url is not None:
            check_url(self.proxy_url, "proxy_url")
        if self.proxy_auth is not None and self.proxy_url is None:
            raise InvalidProfile("`proxy_auth` needs `proxy_url`.", "Give it.", field="proxy_url")
        msgspec.structs.force_setattr(self, "extra", canonical_options(self.keys, self.extra))

    def settings(self) -> list[str]:
        """The names of what is set here and not by default."""
        found = ["uri"]
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if field.name in ("uri", "environment"):
                continue
            if field.name == "credentials":
                found.append(f"credentials: {value.__struct_config__.tag}")
            elif field.name == "commits":
                if value != "conditional_put":
                    found.append("commits: unsafe" if value == "unsafe" else "commits: dynamodb")
            elif value != ({} if field.name == "extra" else field.default):
                found.append(field.name)
        return found

    @property
    def credentials_generation(self) -> int:
        """The number of the credentials that hold now; 0 for those that don't change."""
        cache = self._credential_cache()
        return 0 if cache is None else cache.generation

    def _credential_cache(self) -> CredentialCache | None:
        """The cache of credentials that end; None where they don't."""
        return None

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism of conditional puts, `"conditional_put"`."""
        return "conditional_put"

    @property
    def _connection(self) -> Connection:
        return Connection(
            endpoint=getattr(self, "endpoint", None),
            allow_http=self.allow_http,
            timeout_s=self.timeout_s,
            connect_timeout_s=self.connect_timeout_s,
            max_retries=self.max_retries,
            retry_timeout_s=self.retry_timeout_s,
            proxy_url=self.proxy_url,
            proxy_auth=self.proxy_auth,
            ca_file=self.ca_file,
        )

    @property
    def _prefix(self) -> str | None:
        return parse_uri(self.uri).path.strip("/") or None

    def options(self) -> dict[str, str]:
        """The options of object_store, without `ca_file`, `max_concurrency` and the lock."""
        return self.extra | client_options(self._connection) | self._own_options()

    def _own_options(self) -> dict[str, str]:
        """The options of this kind of store alone."""
        return {}

    def to_deltalake_options(self) -> dict[str, str]:
        """The `storage_options` of deltalake: complete, so that the environment adds nothing."""
        require(self.kind, self.settings(), "deltalake")
        options = self.options() | certificate_options(self._connection)
        enforce(self._contradictions(options, "deltalake"), "deltalake", self.environment)
        return options

    def to_native_options(self) -> dict[str, str]:
        """The options of dfd-native, which reads nothing from the environment."""
        require(self.kind, self.settings(), "dfd-native")
        options = self.options() | certificate_options(self._connection)
        if self.max_concurrency is not None:
            options["max_concurrency"] = str(self.max_concurrency)
        return options

    def to_datafusion_object_store(self) -> Any:
        """The store of `datafusion.object_store`; most of how to connect can't be said to it."""
        store = StorageProfile.to_datafusion_object_store(self)
        enforce(self._contradictions(self.options(), "datafusion"), "datafusion", self.environment)
        return store

    def to_polars_options(self) -> dict[str, Any]:
        """The `storage_options` of polars."""
        require(self.kind, self.settings(), "polars")
        return polars_options.storage_options(self.options())

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        """The variables that a library takes beside the options."""
        return contradictions(self.keys, options, os.environ)

    def validate(self) -> list[StorageIssue]:
        """The issues of how to connect."""
        issues = []
        if self.proxy_url is None:
            # reqwest asks for either case, and takes the endpoint out by NO_PROXY.
            set_here = [n for n in _PROXIES if os.environ.get(n) or os.environ.get(n.lower())]
            if set_here:
                issues.append(
                    StorageIssue(
                        code="proxy_of_environment",
                        severity="warning",
                        message=f"Requests go through the proxy of {', '.join(set_here)}.",
                        remedy="Say it as `proxy_url`, or take the endpoint out with NO_PROXY.",
                    )
                )
        return issues

    def _plain_http(self, endpoint: str | None) -> list[StorageIssue]:
        if endpoint is None or urlsplit(endpoint).scheme != "http" or self.allow_http:
            return []
        return [
            StorageIssue(
                code="http_refused",
                severity="error",
                message="The endpoint is plain http, which `allow_http` doesn't allow.",
                remedy="Use https, or set allow_http = true for a trusted network.",
            )
        ]


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
