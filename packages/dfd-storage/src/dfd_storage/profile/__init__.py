"""Profiles of storage: one per location, one class per kind of store."""

from dfd_storage.profile.azure import AzureProfile
from dfd_storage.profile.base import StorageProfile
from dfd_storage.profile.encryption import Encryption
from dfd_storage.profile.gcs import GCSProfile
from dfd_storage.profile.http import HTTPProfile
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.profile.kinds import AnyStorageProfile
from dfd_storage.profile.local import LocalProfile
from dfd_storage.profile.memory import MemoryProfile
from dfd_storage.profile.s3 import S3Profile

__all__ = [
    "AnyStorageProfile",
    "AzureProfile",
    "Encryption",
    "GCSProfile",
    "HTTPProfile",
    "LocalProfile",
    "MemoryProfile",
    "S3Profile",
    "StorageIssue",
    "StorageProfile",
]
