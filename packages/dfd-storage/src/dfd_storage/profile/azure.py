"""Containers of Azure Blob Storage and Data Lake Storage."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from dfd_storage.commit_safety import Mechanism
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    CredentialCache,
    ManagedIdentityCredentials,
    ProviderCredentials,
    SasCredentials,
    WebIdentityCredentials,
)
from dfd_storage.credentials.azure import Explicit, resolve, signature_has_ended
from dfd_storage.credentials.cache import provider_cache
from dfd_storage.environment import EMULATOR_VARIABLE, azure_contradictions, require_emulator
from dfd_storage.errors import (
    AccessRefused,
    ExpiredCredentials,
    InvalidProfile,
    StorageFailure,
    WrongSecret,
)
from dfd_storage.fields import Text, check_url
from dfd_storage.options import AZURE, Keys
from dfd_storage.profile.base import register_kind
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.profile.remote import RemoteProfile, is_address
from dfd_storage.render import (
    datafusion_store,
    duckdb_secret,
    obstore_store,
    pyarrow_filesystem,
)
from dfd_storage.render.object_store_options import azure_credentials
from dfd_storage.uri import Location, parse_uri

if TYPE_CHECKING:
    import pyarrow.fs
    from obstore.store import ObjectStore

EMULATOR_ACCOUNT = "devstoreaccount1"


@register_kind
class AzureProfile(RemoteProfile, frozen=True, kw_only=True, tag="azure", tag_field="kind"):
    """A container of Azure, or a directory in one.

    - `account`: of storage; a URI with one says it too.
    - `credentials`: one variant; nothing is looked for anywhere else.
    - `endpoint`: URL of the service; None for Azure's, and for the emulator on port 10000.
    - `emulator`: Azurite. The libraries take its endpoint from `AZURITE_BLOB_STORAGE_URL` alone:
      set that to `endpoint` where it isn't `http://127.0.0.1:10000`.
    """

    schemes: ClassVar[tuple[str, ...]] = ("az", "abfss")
    keys: ClassVar[Keys] = AZURE
    credentials: (
        AccountKeyCredentials
        | SasCredentials
        | BearerTokenCredentials
        | ClientSecretCredentials
        | WebIdentityCredentials
        | ManagedIdentityCredentials
        | AzureCliCredentials
        | AnonymousCredentials
        | AmbientCredentials
        | ProviderCredentials
    )
    account: Text | None = None
    endpoint: Text | None = None
    emulator: bool = False

    def __post_init__(self) -> None:
        in_uri = parse_uri(self.uri).account if isinstance(self.uri, str) else None
        if self.account is None:
            account = in_uri or (EMULATOR_ACCOUNT if self.emulator else None)
            msgspec.structs.force_setattr(self, "account", account)
        elif in_uri not in (None, self.account):
            raise InvalidProfile(
                f"`account` is {self.account!r}, and the URI says {in_uri!r}.",
                "Correct one of them.",
                field="account",
            )
        RemoteProfile.__post_init__(self)
        if self.account is None:
            raise InvalidProfile(
                "`account` is needed: the URI has none.", "Give it.", field="account"
            )
        if self.endpoint is not None:
            check_url(self.endpoint, "endpoint")
        if isinstance(self.credentials, WebIdentityCredentials) and not (
            self.credentials.client_id and self.credentials.tenant_id
        ):
            raise InvalidProfile(
                "WebIdentityCredentials of Azure need `client_id` and `tenant_id`.",
                "Give both.",
                field="credentials",
            )

    def _located(self, location: Location) -> Location:
        """The location with its account, which belongs to it under Azure's own host names."""
        if location.scheme != "az" or self.emulator or self.endpoint is not None:
            return location
        host = f"{location.host}@{self.account}.dfs.core.windows.net"
        return Location("abfss", host, location.path)

    @property
    def container(self) -> str:
        """The container's name."""
        return parse_uri(self.uri).container

    def _resolve(self) -> Explicit | None:
        return resolve(self.credentials)

    def _credential_cache(self) -> CredentialCache | None:
        # A web identity's file object_store reads anew by itself.
        provider = self.credentials
        return provider_cache(provider) if isinstance(provider, ProviderCredentials) else None

    @property
    def _is_fabric(self) -> bool:
        return "fabric.microsoft.com" in self.uri

    def options(self) -> dict[str, str]:
        """The options of object_store; the emulator's endpoint is looked for in the environment.

        Raises:
            EnvironmentContradiction: it isn't there.
        """
        if self.emulator:
            require_emulator(self.endpoint)
        return RemoteProfile.options(self)

    def _own_options(self) -> dict[str, str]:
        assert self.account is not None
        options = {"azure_storage_account_name": self.account} | azure_credentials(self._resolve())
        if self.emulator:
            options["azure_storage_use_emulator"] = "true"
        elif self.endpoint is not None:
            options["azure_storage_endpoint"] = self.endpoint
        if self._is_fabric:
            options["azure_use_fabric_endpoint"] = "true"
        return options

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        return azure_contradictions(options, self._resolve(), emulator=self.emulator)

    def _datafusion_store(self) -> Any:
        return datafusion_store.azure_store(
            self._connection,
            container=self.container,
            account=self.account,
            credentials=self._resolve(),
            emulator=self.emulator,
            fabric=self._is_fabric,
        )

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.azure_store(
            self.container, self._prefix, self.options(), self._connection
        )

    def _pyarrow_filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow_filesystem.azure_filesystem(
            self.uri,
            self._connection,
            account=self.account,
            credentials=self._resolve(),
            emulator=self.emulator,
        )

    def _duckdb_settings(self) -> duckdb_secret.Settings:
        assert self.account is not None
        return duckdb_secret.azure_settings(
            self.uri, account=self.account, credentials=self._resolve()
        )

    def failure_of(
        self,
        error: BaseException,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
    ) -> StorageFailure | None:
        """The failure of storage that an error tells of.

        A signature that has ended is told by its own text, because the store may not tell.
        """
        found = RemoteProfile.failure_of(self, error, uri, library)
        if type(found) in (WrongSecret, AccessRefused) and signature_has_ended(self._resolve()):
            return ExpiredCredentials(self.canonical_uri(uri), library)
        return found

    def store_uris(self) -> tuple[str, ...]:
        """The roots with the container as host, and those with the account's host.

        The first are for `az` and its like, the second for `abfss` and `abfs`. Of two containers of
        one account, a session sees under `abfss` the one registered last: DataFusion knows the
        account's host alone.
        """
        location = parse_uri(self.uri)
        found = [
            f"{scheme}://{self.container}" for scheme in ("az", "azure", "adl", "abfs", "abfss")
        ]
        if location.scheme == "abfss":
            found += [f"{scheme}://{location.host}" for scheme in ("abfss", "abfs")]
        return tuple(found)

    def settings(self) -> list[str]:
        """The names of what is set; the emulator's endpoint comes to all from the environment."""
        found = RemoteProfile.settings(self)
        if self.emulator:
            found = [name for name in found if name not in ("endpoint", "allow_http")]
        return found

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism, `"conditional_put"`, or `"emulator"`: the same in Azurite."""
        return "emulator" if self.emulator else "conditional_put"

    @property
    def needs_proof(self) -> bool:
        """Whether the server is another than Azure's own and the emulator."""
        return (
            self.endpoint is not None
            and not self.emulator
            and not (urlsplit(self.endpoint).hostname or "").endswith(".windows.net")
        )

    def validate(self) -> list[StorageIssue]:
        """The issues of endpoint, emulator and credentials."""
        issues = RemoteProfile.validate(self)
        if not self.emulator:
            issues += self._plain_http(self.endpoint)
        host = urlsplit(self.endpoint or "").hostname or ""
        looks_local = host == "localhost" or (is_address(host) and host.startswith("127."))
        if not self.emulator and (looks_local or self.account == EMULATOR_ACCOUNT):
            issues.append(
                StorageIssue(
                    code="azurite_without_emulator",
                    severity="error",
                    message="Azurite at an explicit endpoint doesn't list from a name on, as "
                    "deltalake asks: the second commit fails with 'Invalid table version'.",
                    remedy=f"Set emulator = true, and {EMULATOR_VARIABLE} to the endpoint.",
                )
            )
        if isinstance(self.credentials, SasCredentials) and signature_has_ended(self.credentials):
            issues.append(
                StorageIssue(
                    code="sas_ended",
                    severity="error",
                    message="The shared access signature has ended.",
                    remedy="Take a new one; ProviderCredentials renews it in time.",
                )
            )
        if isinstance(self.credentials, AnonymousCredentials):
            issues.append(
                StorageIssue(
                    code="anonymous_writes",
                    severity="warning",
                    message="A container lets nobody write without credentials.",
                    remedy="Give credentials to write.",
                )
            )
        return issues
