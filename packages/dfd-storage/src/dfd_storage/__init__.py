"""One storage profile per location, for deltalake, DataFusion and the tools beside them."""

import logging
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from dfd_base import renamed as _renamed

from dfd_storage.commit_safety import CommitSafety, DynamoDBLock, LockUnsupported
from dfd_storage.credentials import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AssumeRoleCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    CredentialCache,
    ManagedIdentityCredentials,
    ProfileCredentials,
    ProviderCredentials,
    ProxyAuth,
    SasCredentials,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    WebIdentityCredentials,
)
from dfd_storage.error_mapping import classify_failure
from dfd_storage.errors import (
    AccessRefused,
    BucketNotFound,
    CertificateRefused,
    ConnectionRefused,
    ConnectionStalled,
    CredentialsUnavailable,
    DirectoryRefused,
    DuplicateOption,
    EnvironmentContradiction,
    ExpiredCredentials,
    InvalidProfile,
    InvalidUri,
    LibraryPanic,
    MissingDependency,
    SecretExposed,
    StorageError,
    StorageFailure,
    UnknownKey,
    UnknownOption,
    UnresolvedStorage,
    UnsafeStorage,
    UnsupportedSetting,
    WrongSecret,
)
from dfd_storage.profile import (
    AnyStorageProfile,
    AzureProfile,
    Encryption,
    GCSProfile,
    HTTPProfile,
    LocalProfile,
    MemoryProfile,
    S3Profile,
    StorageIssue,
    StorageProfile,
)
from dfd_storage.resolver import StorageResolver
from dfd_storage.uri import canonical_uri, local_path

__all__ = [
    "AccessRefused",
    "AccountKeyCredentials",
    "AmbientCredentials",
    "AnonymousCredentials",
    "AnyStorageProfile",
    "AssumeRoleCredentials",
    "AzureCliCredentials",
    "AzureProfile",
    "BearerTokenCredentials",
    "BucketNotFound",
    "CertificateRefused",
    "ClientSecretCredentials",
    "CommitSafety",
    "ConnectionRefused",
    "ConnectionStalled",
    "CredentialCache",
    "CredentialsUnavailable",
    "DirectoryRefused",
    "DuplicateOption",
    "DynamoDBLock",
    "Encryption",
    "EnvironmentContradiction",
    "ExpiredCredentials",
    "GCSProfile",
    "HTTPProfile",
    "InvalidProfile",
    "InvalidUri",
    "LibraryPanic",
    "LocalProfile",
    "LockUnsupported",
    "ManagedIdentityCredentials",
    "MemoryProfile",
    "MissingDependency",
    "ProfileCredentials",
    "ProviderCredentials",
    "ProxyAuth",
    "S3Profile",
    "SasCredentials",
    "Secret",
    "SecretExposed",
    "ServiceAccountCredentials",
    "StaticCredentials",
    "StorageError",
    "StorageFailure",
    "StorageIssue",
    "StorageProfile",
    "StorageResolver",
    "UnknownKey",
    "UnknownOption",
    "UnresolvedStorage",
    "UnsafeStorage",
    "UnsupportedSetting",
    "WebIdentityCredentials",
    "WrongSecret",
    "canonical_uri",
    "classify_failure",
    "local_path",
]
__version__ = _version("dfd-storage")

if TYPE_CHECKING:
    Refreshing = CredentialCache
    explain = classify_failure
else:
    __getattr__ = _renamed(
        __name__, {"Refreshing": "CredentialCache", "explain": "classify_failure"}
    )

logging.getLogger(__name__).addHandler(logging.NullHandler())
