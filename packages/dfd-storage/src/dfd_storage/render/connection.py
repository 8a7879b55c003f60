"""The connection to a store behind HTTP, as every rendering of a profile needs it."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from dfd_storage.credentials import ProxyAuth
from dfd_storage.errors import InvalidProfile


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A client's way to a store; each field is that of the profile."""

    endpoint: str | None
    allow_http: bool
    timeout_s: float | None
    connect_timeout_s: float | None
    max_retries: int | None
    retry_timeout_s: float | None
    proxy_url: str | None
    proxy_auth: ProxyAuth | None
    ca_file: str | None

    def allowed_endpoint(self) -> SplitResult | None:
        """The parts of the endpoint, for a library that asks nobody whether http is allowed.

        Raises:
            InvalidProfile: it is plain http, and that isn't allowed.
        """
        if self.endpoint is None:
            return None
        parts = urlsplit(self.endpoint)
        if parts.scheme == "http" and not self.allow_http:
            raise InvalidProfile(
                "The endpoint is plain http, which `allow_http` doesn't allow.",
                "Use https, or set allow_http = true for a trusted network.",
                field="endpoint",
            )
        return parts

    def proxy_with_auth(self) -> str | None:
        """The proxy's URL as clients take it, with user and password in it."""
        if self.proxy_url is None or self.proxy_auth is None:
            return self.proxy_url
        scheme, _, host = self.proxy_url.partition("://")
        user = quote(self.proxy_auth.user, safe="")
        password = quote(self.proxy_auth.password.reveal(), safe="")
        return f"{scheme}://{user}:{password}@{host}"
