"""Credentials of a store: the variants that a profile takes, and how explicit ones are had."""

from dfd_storage.credentials.cache import CredentialCache
from dfd_storage.credentials.secret import Secret
from dfd_storage.credentials.variants import (
    AccountKeyCredentials,
    AmbientCredentials,
    AnonymousCredentials,
    AssumeRoleCredentials,
    AzureCliCredentials,
    BearerTokenCredentials,
    ClientSecretCredentials,
    ManagedIdentityCredentials,
    ProfileCredentials,
    ProviderCredentials,
    ProxyAuth,
    SasCredentials,
    ServiceAccountCredentials,
    StaticCredentials,
    WebIdentityCredentials,
)

__all__ = [
    "AccountKeyCredentials",
    "AmbientCredentials",
    "AnonymousCredentials",
    "AssumeRoleCredentials",
    "AzureCliCredentials",
    "BearerTokenCredentials",
    "ClientSecretCredentials",
    "CredentialCache",
    "ManagedIdentityCredentials",
    "ProfileCredentials",
    "ProviderCredentials",
    "ProxyAuth",
    "SasCredentials",
    "Secret",
    "ServiceAccountCredentials",
    "StaticCredentials",
    "WebIdentityCredentials",
]
