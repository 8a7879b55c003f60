"""Buckets of Google Cloud Storage."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, ClassVar
from urllib.parse import urlsplit

from dfd_storage.capabilities import installed_version
from dfd_storage.credentials import (
    AmbientCredentials,
    AnonymousCredentials,
    ProviderCredentials,
    ServiceAccountCredentials,
)
from dfd_storage.credentials.cache import CredentialCache, provider_cache
from dfd_storage.credentials.google import Explicit, resolve
from dfd_storage.environment import contradictions
from dfd_storage.errors import UnsupportedSetting
from dfd_storage.fields import Text, check_url
from dfd_storage.issue import StorageIssue
from dfd_storage.options import GCS, Keys
from dfd_storage.profile import register_kind
from dfd_storage.remote import RemoteProfile

_GOOGLE = (".googleapis.com",)


@register_kind
class GCSProfile(RemoteProfile, frozen=True, kw_only=True, tag="gcs", tag_field="kind"):
    """A bucket, or a prefix of one, of Google Cloud Storage.

    - `credentials`: a service account, the machine's own (`ambient`), a callback that gives service
      accounts, or none.
    - `endpoint`: URL of the service; None for Google.
    """

    schemes: ClassVar[tuple[str, ...]] = ("gs",)
    keys: ClassVar[Keys] = GCS
    credentials: (
        ServiceAccountCredentials | AnonymousCredentials | AmbientCredentials | ProviderCredentials
    )
    endpoint: Text | None = None

    def __post_init__(self) -> None:
        RemoteProfile.__post_init__(self)
        if self.endpoint is not None:
            check_url(self.endpoint, "endpoint")

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix("gs://").partition("/")[0]

    def _explicit(self) -> Explicit | None:
        return resolve(self.credentials)

    def _credential_cache(self) -> CredentialCache | None:
        provider = self.credentials
        return provider_cache(provider) if isinstance(provider, ProviderCredentials) else None

    def _own_options(self) -> dict[str, str]:
        options = {}
        match self._explicit():
            case ServiceAccountCredentials(path=str(path)):
                # Of the ambient kind it may be a user's file, which only this key takes.
                is_ambient = isinstance(self.credentials, AmbientCredentials)
                name = "application_credentials" if is_ambient else "service_account"
                options[f"google_{name}"] = path
            case ServiceAccountCredentials(key=key) if key is not None:
                options["google_service_account_key"] = key.reveal()
            case AnonymousCredentials():
                options["google_skip_signature"] = "true"
        if self.endpoint is not None:
            options["google_base_url"] = self.endpoint
        return options

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        if library == "datafusion":
            return []  # it reads nothing but the application's credentials, where it is given none
        return contradictions(
            GCS, options, os.environ, prefix="GOOGLE_", harmless={"google_bucket"}
        )

    def _datafusion_store(self, stores: Any) -> Any:
        """DataFusion's `GoogleCloud`: a path of a service account, or what it finds."""
        match self._explicit():
            case ServiceAccountCredentials(path=str(path)) if not isinstance(
                self.credentials, AmbientCredentials
            ):
                return stores.GoogleCloud(bucket_name=self.bucket, service_account_path=path)
            case None | ServiceAccountCredentials(path=str()):
                return stores.GoogleCloud(bucket_name=self.bucket)
        raise UnsupportedSetting("credentials", "datafusion", installed_version("datafusion"))

    def store_uris(self) -> tuple[str, ...]:
        """`gs://`."""
        return (f"gs://{self.bucket}",)

    @property
    def needs_proof(self) -> bool:
        """Any server but Google's own."""
        return self.endpoint is not None and not (urlsplit(self.endpoint).hostname or "").endswith(
            _GOOGLE
        )

    def validate(self) -> list[StorageIssue]:
        """Findings about endpoint and credentials."""
        issues = RemoteProfile.validate(self) + self._plain_http(self.endpoint)
        if isinstance(self.credentials, AnonymousCredentials):
            issues.append(
                StorageIssue(
                    code="anonymous_writes",
                    severity="warning",
                    message="Writes without credentials ask Google's metadata service for a token all the same "
                    "(object_store 0.13).",
                    remedy="Give credentials to write.",
                )
            )
        return issues
