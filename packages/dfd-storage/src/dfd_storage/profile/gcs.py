"""Buckets of Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from dfd_storage.credentials import (
    AmbientCredentials,
    AnonymousCredentials,
    CredentialCache,
    ProviderCredentials,
    ServiceAccountCredentials,
    google,
)
from dfd_storage.credentials.cache import provider_cache
from dfd_storage.environment import gcs_contradictions
from dfd_storage.fields import Text, check_url
from dfd_storage.options import GCS, Keys
from dfd_storage.profile.base import register_kind
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.profile.remote import RemoteProfile
from dfd_storage.render import datafusion_store, obstore_store, pyarrow_filesystem
from dfd_storage.render.object_store_options import gcs_credentials

if TYPE_CHECKING:
    import pyarrow.fs
    from obstore.store import ObjectStore

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

    def _resolve(self) -> google.Explicit | None:
        return google.resolve(self.credentials)

    def _credential_cache(self) -> CredentialCache | None:
        provider = self.credentials
        return provider_cache(provider) if isinstance(provider, ProviderCredentials) else None

    @property
    def _is_ambient(self) -> bool:
        return isinstance(self.credentials, AmbientCredentials)

    def _own_options(self) -> dict[str, str]:
        options = gcs_credentials(self._resolve(), is_ambient=self._is_ambient)
        if self.endpoint is not None:
            options["google_base_url"] = self.endpoint
        return options

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        return gcs_contradictions(options, library)

    def _datafusion_store(self) -> Any:
        return datafusion_store.gcs_store(
            bucket=self.bucket, credentials=self._resolve(), is_ambient=self._is_ambient
        )

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.gcs_store(self.bucket, self._prefix, self.options(), self._connection)

    def _pyarrow_filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow_filesystem.gcs_filesystem(
            self.uri,
            self._connection,
            is_anonymous=isinstance(self.credentials, AnonymousCredentials),
        )

    def store_uris(self) -> tuple[str, ...]:
        """The root of the bucket."""
        return (f"gs://{self.bucket}",)

    @property
    def needs_proof(self) -> bool:
        """Whether the server is another than Google's own."""
        return self.endpoint is not None and not (urlsplit(self.endpoint).hostname or "").endswith(
            _GOOGLE
        )

    def validate(self) -> list[StorageIssue]:
        """The issues of endpoint and credentials."""
        issues = RemoteProfile.validate(self) + self._plain_http(self.endpoint)
        if isinstance(self.credentials, AnonymousCredentials):
            issues.append(
                StorageIssue(
                    code="anonymous_writes",
                    severity="warning",
                    message="Writes without credentials ask Google's metadata service for a token "
                    "all the same (object_store 0.13).",
                    remedy="Give credentials to write.",
                )
            )
        return issues
