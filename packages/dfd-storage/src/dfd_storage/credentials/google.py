"""Explicit credentials of Google Cloud: what a variant of credentials stands for now."""

from __future__ import annotations

import os

from dfd_storage.credentials.cache import provider_cache
from dfd_storage.credentials.variants import (
    AmbientCredentials,
    AnonymousCredentials,
    ProviderCredentials,
    ServiceAccountCredentials,
)
from dfd_storage.errors import CredentialsUnavailable

Explicit = ServiceAccountCredentials | AnonymousCredentials


def resolve(credentials: Explicit | AmbientCredentials | ProviderCredentials) -> Explicit | None:
    """Resolve credentials to explicit ones; None for what the machine has beside the variable.

    Raises:
        CredentialsUnavailable: a callback failed, or gave another variant.
    """
    match credentials:
        case ServiceAccountCredentials() | AnonymousCredentials():
            return credentials
        case ProviderCredentials() as provider:
            found = provider_cache(provider).current()
            if not isinstance(found, ServiceAccountCredentials):
                raise CredentialsUnavailable(
                    f"The callback of a GCSProfile gave a {type(found).__name__}.",
                    "Give ServiceAccountCredentials: no library below takes a token of Google.",
                    source="callback",
                )
            return found
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return None if not path else ServiceAccountCredentials(path=path)
