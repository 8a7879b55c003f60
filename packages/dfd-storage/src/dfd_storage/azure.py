"""Containers of Azure Blob Storage and Data Lake Storage."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from dfd_storage.commit_safety import Mechanism
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    ManagedIdentityCredentials,
    ProviderCredentials,
    SasCredentials,
    Secret,
    WebIdentityCredentials,
)
from dfd_storage.credentials.azure import Explicit, resolve, signature_has_ended
from dfd_storage.credentials.cache import CredentialCache, provider_cache
from dfd_storage.environment import contradictions
from dfd_storage.errors import (
    AccessRefused,
    EnvironmentContradiction,
    ExpiredCredentials,
    InvalidProfile,
    StorageFailure,
    WrongSecret,
)
from dfd_storage.fields import Text, check_url
from dfd_storage.issue import StorageIssue
from dfd_storage.options import AZURE, Keys
from dfd_storage.profile import no_panic, register_kind
from dfd_storage.remote import EMULATOR_VARIABLE, RemoteProfile, is_address
from dfd_storage.uri import Location, parse_uri

EMULATOR_ENDPOINT = "http://127.0.0.1:10000"
EMULATOR_ACCOUNT = "devstoreaccount1"
# In this order object_store looks for credentials: what stands below the given one changes nothing.
_ORDER: tuple[tuple[type, set[str]], ...] = (
    (BearerTokenCredentials, {"azure_storage_token"}),
    (AccountKeyCredentials, {"azure_storage_account_key"}),
    (
        WebIdentityCredentials,
        {"azure_storage_client_id", "azure_storage_tenant_id", "azure_federated_token_file"},
    ),
    (
        ClientSecretCredentials,
        {"azure_storage_client_id", "azure_storage_tenant_id", "azure_storage_client_secret"},
    ),
    (SasCredentials, {"azure_storage_sas_key"}),
    (AzureCliCredentials, {"azure_use_azure_cli"}),
    (
        ManagedIdentityCredentials,
        {"azure_msi_endpoint", "azure_object_id", "azure_msi_resource_id"},
    ),
)
_CREDENTIALS = set[str]().union(*(names for _, names in _ORDER)) | {"azure_storage_authority_host"}
_AMBIENT = {
    "AZURE_STORAGE_ACCOUNT_KEY": "azure_storage_account_key",
    "AZURE_STORAGE_SAS_TOKEN": "azure_storage_sas_key",
    "AZURE_CLIENT_ID": "azure_storage_client_id",
    "AZURE_TENANT_ID": "azure_storage_tenant_id",
    "AZURE_CLIENT_SECRET": "azure_storage_client_secret",
    "AZURE_FEDERATED_TOKEN_FILE": "azure_federated_token_file",
    "AZURE_AUTHORITY_HOST": "azure_storage_authority_host",
    "IDENTITY_ENDPOINT": "azure_msi_endpoint",
}


@register_kind
class AzureProfile(RemoteProfile, frozen=True, kw_only=True, tag="azure", tag_field="kind"):
    """A container, or a directory in one.

    - `account`: of storage; a URI with one says it too.
    - `credentials`: one variant; nothing is looked for anywhere else.
    - `endpoint`: URL of the service; None for Azure's, and for the emulator on port 10000.
    - `emulator`: Azurite. The libraries take its endpoint from `AZURITE_BLOB_STORAGE_URL` alone: set that to
      `endpoint` where it isn't `http://127.0.0.1:10000`.
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
            raise InvalidProfile(f"`account` is {self.account!r}, and the URI says {in_uri!r}.")
        RemoteProfile.__post_init__(self)
        if self.account is None:
            raise InvalidProfile("`account` is needed: the URI has none.")
        if self.endpoint is not None:
            check_url(self.endpoint, "endpoint")
        if isinstance(self.credentials, WebIdentityCredentials) and not (
            self.credentials.client_id and self.credentials.tenant_id
        ):
            raise InvalidProfile(
                "WebIdentityCredentials of Azure need `client_id` and `tenant_id`."
            )

    def _located(self, location: Location) -> Location:
        """Under Azure's own host names the account belongs to the location."""
        if location.scheme != "az" or self.emulator or self.endpoint is not None:
            return location
        host = f"{location.host}@{self.account}.dfs.core.windows.net"
        return Location("abfss", host, location.path)

    @property
    def container(self) -> str:
        """The container's name."""
        return parse_uri(self.uri).container

    def _explicit(self) -> Explicit | None:
        return resolve(self.credentials)

    def _credential_cache(self) -> CredentialCache | None:
        # A web identity's file object_store reads anew by itself.
        provider = self.credentials
        return provider_cache(provider) if isinstance(provider, ProviderCredentials) else None

    def _own_options(self) -> dict[str, str]:
        assert self.account is not None
        options = {"azure_storage_account_name": self.account} | self._credential_options()
        if self.emulator:
            options["azure_storage_use_emulator"] = "true"
        elif self.endpoint is not None:
            options["azure_storage_endpoint"] = self.endpoint
        if "fabric.microsoft.com" in self.uri:
            options["azure_use_fabric_endpoint"] = "true"
        return options

    def _credential_options(self) -> dict[str, str]:
        given: dict[str, str | Secret | None]
        match self._explicit():
            case AccountKeyCredentials(key):
                given = {"azure_storage_account_key": key}
            case SasCredentials(token):
                given = {"azure_storage_sas_key": token.reveal().lstrip("?")}
            case BearerTokenCredentials(token):
                given = {"azure_storage_token": token}
            case ClientSecretCredentials() as client:
                given = {
                    "azure_storage_tenant_id": client.tenant_id,
                    "azure_storage_client_id": client.client_id,
                    "azure_storage_client_secret": client.client_secret,
                    "azure_storage_authority_host": client.authority_host,
                }
            case WebIdentityCredentials() as identity:
                given = {
                    "azure_federated_token_file": identity.token_file,
                    "azure_storage_client_id": identity.client_id,
                    "azure_storage_tenant_id": identity.tenant_id,
                    "azure_storage_authority_host": identity.token_service,
                }
            case ManagedIdentityCredentials() as machine:
                given = {
                    "azure_storage_client_id": machine.client_id,
                    "azure_object_id": machine.object_id,
                    "azure_msi_resource_id": machine.resource_id,
                    "azure_msi_endpoint": machine.endpoint,
                }
            case AzureCliCredentials():
                given = {"azure_use_azure_cli": "true"}
            case AnonymousCredentials():
                given = {"azure_skip_signature": "true"}
            case None:
                given = {name: os.environ.get(v) for v, name in _AMBIENT.items()}
        return {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in given.items()
            if value
        }

    def options(self) -> dict[str, str]:
        """The options of object_store; the emulator's endpoint is looked for in the environment.

        Raises:
            EnvironmentContradiction: it isn't there.
        """
        if self.emulator:
            expected = self.endpoint or EMULATOR_ENDPOINT
            if os.environ.get(EMULATOR_VARIABLE, EMULATOR_ENDPOINT).rstrip("/") != expected.rstrip(
                "/"
            ):
                raise EnvironmentContradiction((EMULATOR_VARIABLE,), "object_store's emulator mode")
        return RemoteProfile.options(self)

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        harmless = {"azure_container_name"} | (_CREDENTIALS - self._overruling(options))
        if self.emulator:
            harmless |= {"azure_storage_endpoint"}
        return contradictions(AZURE, options, os.environ, prefix="AZURE_", harmless=harmless)

    def _overruling(self, options: Collection[str]) -> set[str]:
        """The options of credentials that, set in the environment, would win over those given here."""
        credentials = self._explicit()
        if credentials is None or isinstance(credentials, AnonymousCredentials):
            return set()
        rank = next(i for i, (kind, _) in enumerate(_ORDER) if kind is type(credentials))
        there = {AZURE.known(name) for name in os.environ if name.startswith("AZURE_")}
        above = [names for _, names in _ORDER[:rank] if names <= there | set(options)]
        found = set[str]().union(*above)
        if isinstance(credentials, (ClientSecretCredentials, WebIdentityCredentials)):
            found.add("azure_storage_authority_host")
        if isinstance(credentials, ManagedIdentityCredentials):
            found |= {"azure_storage_client_id", *_ORDER[-1][1]}
        return found

    def _datafusion_store(self, stores: Any) -> Any:
        """DataFusion's `MicrosoftAzure`; timeouts, retries and `extra` can't be said to it."""
        given: dict[str, Any] = {}
        match self._explicit():
            case AccountKeyCredentials(key):
                given["access_key"] = key.reveal()
            case SasCredentials(token):
                given["sas_query_pairs"] = parse_qsl(token.reveal().lstrip("?"))
            case BearerTokenCredentials(token):
                given["bearer_token"] = token.reveal()
            case ClientSecretCredentials(tenant_id=tenant, client_id=client, client_secret=secret):
                given |= {
                    "tenant_id": tenant,
                    "client_id": client,
                    "client_secret": secret.reveal(),
                }
        with no_panic("datafusion"):
            return stores.MicrosoftAzure(
                container_name=self.container,
                account=self.account,
                use_emulator=self.emulator,
                allow_http=self.allow_http,
                use_fabric_endpoint="fabric.microsoft.com" in self.uri,
                **given,
            )

    def failure_of(
        self,
        error: BaseException,
        uri: str | os.PathLike[str] | None = None,
        library: str | None = None,
    ) -> StorageFailure | None:
        """As for every kind; a signature that ended is told by its own text, because the store may not."""
        found = RemoteProfile.failure_of(self, error, uri, library)
        if type(found) in (WrongSecret, AccessRefused) and signature_has_ended(self._explicit()):
            return ExpiredCredentials(self.canonical_uri(uri), library)
        return found

    def store_uris(self) -> tuple[str, ...]:
        """The container as a host, for `az` and its like; and under the account's host for `abfss` and `abfs`.

        Of two containers of one account, a session sees under `abfss` the one registered last: DataFusion
        knows the account's host alone.
        """
        location = parse_uri(self.uri)
        found = [
            f"{scheme}://{self.container}" for scheme in ("az", "azure", "adl", "abfs", "abfss")
        ]
        if location.scheme == "abfss":
            found += [f"{scheme}://{location.host}" for scheme in ("abfss", "abfs")]
        return tuple(found)

    def settings(self) -> list[str]:
        """The names of what is set; the emulator's endpoint comes from the environment to all of them."""
        found = RemoteProfile.settings(self)
        if self.emulator:
            found = [name for name in found if name not in ("endpoint", "allow_http")]
        return found

    @property
    def mechanism(self) -> Mechanism:
        """Conditional puts, also in the emulator."""
        return "emulator" if self.emulator else "conditional_put"

    @property
    def needs_proof(self) -> bool:
        """Any server but Azure's own, and the emulator."""
        return (
            self.endpoint is not None
            and not self.emulator
            and not (urlsplit(self.endpoint).hostname or "").endswith(".windows.net")
        )

    def validate(self) -> list[StorageIssue]:
        """Findings about endpoint and emulator."""
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
                    message="Azurite at an explicit endpoint doesn't list from a name on, as deltalake asks: the "
                    "second commit fails with 'Invalid table version'.",
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
