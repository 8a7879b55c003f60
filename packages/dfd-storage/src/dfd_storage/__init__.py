"""One storage profile per location, for deltalake and DataFusion alike."""

import logging
from importlib.metadata import version as _version

from dfd_storage.credentials import AnonymousCredentials, StaticCredentials
from dfd_storage.errors import (
    DuplicateOption,
    EnvironmentContradiction,
    InvalidProfile,
    InvalidUri,
    MissingDependency,
    SecretExposed,
    StorageError,
    UnknownOption,
    UnresolvedStorage,
    UnsupportedSetting,
)
from dfd_storage.issue import StorageIssue
from dfd_storage.profile import LocalProfile, S3Profile, StorageProfile
from dfd_storage.resolver import StorageResolver
from dfd_storage.secret import Secret
from dfd_storage.uri import canonical_uri, local_path

__all__ = [
    "AnonymousCredentials",
    "DuplicateOption",
    "EnvironmentContradiction",
    "InvalidProfile",
    "InvalidUri",
    "LocalProfile",
    "MissingDependency",
    "S3Profile",
    "Secret",
    "SecretExposed",
    "StaticCredentials",
    "StorageError",
    "StorageIssue",
    "StorageProfile",
    "StorageResolver",
    "UnknownOption",
    "UnresolvedStorage",
    "UnsupportedSetting",
    "canonical_uri",
    "local_path",
]
__version__ = _version("dfd-storage")

logging.getLogger(__name__).addHandler(logging.NullHandler())
