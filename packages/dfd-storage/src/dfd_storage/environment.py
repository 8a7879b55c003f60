"""What the libraries below would take from the environment beside a profile.

- deltalake, S3: every variable that is the name of an option, with the prefix `AWS_` or without (`TOKEN`,
  `TIMEOUT`), and some of its own that choose a lock or a role.
- deltalake, Azure and GCS: `AZURE_*` and `GOOGLE_*` that are names of options.
- datafusion: `AWS_*` and `AZURE_*` that are names of options.
- object_store in emulator mode: `AZURITE_BLOB_STORAGE_URL`, whatever the options say.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Literal

from dfd_storage.errors import EnvironmentContradiction
from dfd_storage.options import RETRIES, Keys

_logger = logging.getLogger(__name__)

Environment = Literal["refuse", "warn"]

# delta-rs asks the environment for these by their exact name.
OF_DELTALAKE_S3 = frozenset(
    {
        "AWS_S3_LOCKING_PROVIDER",
        "AWS_S3_ALLOW_UNSAFE_RENAME",
        "AWS_FORCE_CREDENTIAL_LOAD",
        "AWS_IAM_ROLE_ARN",
        "AWS_S3_ASSUME_ROLE_ARN",
    }
)


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


def settle(found: list[str], library: str, environment: Environment) -> None:
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
