"""Explicit credentials of Azure: what a variant of credentials stands for now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from dfd_storage.credentials.cache import provider_cache
from dfd_storage.credentials.variants import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    ManagedIdentityCredentials,
    ProviderCredentials,
    SasCredentials,
    WebIdentityCredentials,
)
from dfd_storage.errors import CredentialsUnavailable

Explicit = (
    AccountKeyCredentials
    | SasCredentials
    | BearerTokenCredentials
    | ClientSecretCredentials
    | WebIdentityCredentials
    | ManagedIdentityCredentials
    | AzureCliCredentials
    | AnonymousCredentials
)


def resolve(credentials: Explicit | AmbientCredentials | ProviderCredentials) -> Explicit | None:
    """Resolve credentials to explicit ones; None for what the machine has.

    Raises:
        CredentialsUnavailable: a callback failed, or gave another variant.
    """
    match credentials:
        case AmbientCredentials():
            return None
        case ProviderCredentials() as provider:
            found = provider_cache(provider).current()
            if not isinstance(
                found,
                (
                    AccountKeyCredentials,
                    SasCredentials,
                    BearerTokenCredentials,
                    ClientSecretCredentials,
                ),
            ):
                raise CredentialsUnavailable(
                    f"The callback of an AzureProfile gave a {type(found).__name__}.",
                    "Give AccountKey-, Sas-, BearerToken- or ClientSecretCredentials.",
                    source="callback",
                )
            return found
        case explicit:
            return explicit


def signature_has_ended(
    credentials: Explicit | None,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> bool:
    """Whether the credentials are a shared access signature whose end, `se`, has passed."""
    if not isinstance(credentials, SasCredentials):
        return False
    ends = dict(parse_qsl(credentials.token.reveal().lstrip("?"))).get("se", "")
    try:
        end = datetime.fromisoformat(ends.replace("Z", "+00:00"))
    except ValueError:
        return False
    return end.replace(tzinfo=end.tzinfo or timezone.utc) < now()
