"""Environment of the process: what the libraries below would take from it beside a profile.

- deltalake, S3: every variable that is the name of an option, with the prefix `AWS_` or without
  (`TOKEN`, `TIMEOUT`), and some of its own that choose a lock or a role.
- deltalake, Azure and GCS: `AZURE_*` and `GOOGLE_*` that are names of options.
- datafusion: `AWS_*` and `AZURE_*` that are names of options.
- object_store in emulator mode: `AZURITE_BLOB_STORAGE_URL`, whatever the options say.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from typing import Literal

from dfd_storage.credentials import (
    AccountKeyCredentials,
    AnonymousCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    ManagedIdentityCredentials,
    SasCredentials,
    WebIdentityCredentials,
)
from dfd_storage.credentials.azure import Explicit
from dfd_storage.errors import EnvironmentContradiction
from dfd_storage.options import AZURE, GCS, RETRIES, S3, Keys

_logger = logging.getLogger(__name__)

Environment = Literal["refuse", "warn"]

EMULATOR_VARIABLE = "AZURITE_BLOB_STORAGE_URL"
EMULATOR_ENDPOINT = "http://127.0.0.1:10000"

# delta-rs asks the environment for these by their exact name.
_LOCK_VARIABLE = "AWS_S3_LOCKING_PROVIDER"
_DELTALAKE_S3 = frozenset(
    {
        _LOCK_VARIABLE,
        "AWS_S3_ALLOW_UNSAFE_RENAME",
        "AWS_FORCE_CREDENTIAL_LOAD",
        "AWS_IAM_ROLE_ARN",
        "AWS_S3_ASSUME_ROLE_ARN",
    }
)
# In this order object_store looks for credentials: what stands below the given one changes nothing.
_AZURE_ORDER: tuple[tuple[type, set[str]], ...] = (
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
_AZURE_CREDENTIALS = {"azure_storage_authority_host"}.union(*(names for _, names in _AZURE_ORDER))


def contradictions(
    keys: Keys,
    given: Collection[str],
    environ: Mapping[str, str],
    *,
    prefix: str = "",
    exact: Collection[str] = (),
    harmless: Collection[str] = (),
) -> list[str]:
    """The variables, by name, that set an option which `given` doesn't.

    - `prefix`: what a variable starts with to be looked at.
    - `exact`: variables that are asked for by this very name.
    - `harmless`: canonical options that change nothing beside what is given.
    """
    found = []
    for variable in environ:
        if variable in exact and variable.lower() not in given:
            found.append(variable)
        if not variable.startswith(prefix):
            continue
        name = keys.known(variable)
        if name is None or name in given or name in harmless or name in keys.chain:
            continue
        if name not in RETRIES and variable not in found:
            found.append(variable)
    return sorted(found)


def s3_contradictions(options: Collection[str], library: str, *, has_lock: bool) -> list[str]:
    """The variables that a library takes beside the options of S3."""
    # The URI has the bucket, and `region` goes before the default one.
    harmless = {"aws_bucket", "aws_default_region"}
    if "aws_skip_signature" in options or "aws_access_key_id" not in options:
        # Nobody signs, or the library looks for the machine's own key, variables included.
        harmless |= {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
    if library == "datafusion":
        return contradictions(S3, options, os.environ, prefix="AWS_", harmless=harmless)
    exact = _DELTALAKE_S3 - {_LOCK_VARIABLE} if has_lock else _DELTALAKE_S3
    return contradictions(S3, options, os.environ, exact=exact, harmless=harmless)


def gcs_contradictions(options: Collection[str], library: str) -> list[str]:
    """The variables that a library takes beside the options of Google Cloud Storage."""
    if library == "datafusion":
        return []  # it reads nothing but the application's credentials, where it is given none
    return contradictions(GCS, options, os.environ, prefix="GOOGLE_", harmless={"google_bucket"})


def azure_contradictions(
    options: Collection[str], credentials: Explicit | None, *, emulator: bool
) -> list[str]:
    """The variables that a library takes beside the options of Azure."""
    overruling = _overruling(options, credentials)
    harmless = {"azure_container_name"} | (_AZURE_CREDENTIALS - overruling)
    if emulator:
        harmless |= {"azure_storage_endpoint"}
    return contradictions(AZURE, options, os.environ, prefix="AZURE_", harmless=harmless)


def _overruling(options: Collection[str], credentials: Explicit | None) -> set[str]:
    """The options of credentials that, set in the environment, would win over the given ones."""
    if credentials is None or isinstance(credentials, AnonymousCredentials):
        return set()
    rank = next(i for i, (kind, _) in enumerate(_AZURE_ORDER) if kind is type(credentials))
    there = {AZURE.known(name) for name in os.environ if name.startswith("AZURE_")}
    above = [names for _, names in _AZURE_ORDER[:rank] if names <= there | set(options)]
    found = set[str]().union(*above)
    if isinstance(credentials, (ClientSecretCredentials, WebIdentityCredentials)):
        found.add("azure_storage_authority_host")
    if isinstance(credentials, ManagedIdentityCredentials):
        found |= {"azure_storage_client_id", *_AZURE_ORDER[-1][1]}
    return found


def require_emulator(endpoint: str | None) -> None:
    """Refuse an endpoint of the emulator that object_store wouldn't find in its variable.

    Raises:
        EnvironmentContradiction: the variable says another, or isn't there.
    """
    expected = endpoint or EMULATOR_ENDPOINT
    said = os.environ.get(EMULATOR_VARIABLE, EMULATOR_ENDPOINT)
    if said.rstrip("/") != expected.rstrip("/"):
        raise EnvironmentContradiction((EMULATOR_VARIABLE,), "object_store's emulator mode")


def enforce(found: list[str], library: str, environment: Environment) -> None:
    """Refuse the variables, or say their names in the log.

    Raises:
        EnvironmentContradiction: there are some, and `environment` is `"refuse"`.
    """
    if not found:
        return
    if environment == "refuse":
        raise EnvironmentContradiction(tuple(found), library)
    _logger.warning(
        "%s takes %s from the environment beside the profile", library, ", ".join(found)
    )
