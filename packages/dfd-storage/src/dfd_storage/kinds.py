"""The kinds of profile: one tagged union."""

from __future__ import annotations

from dfd_storage.azure import AzureProfile
from dfd_storage.gcs import GCSProfile
from dfd_storage.http import HTTPProfile
from dfd_storage.local import LocalProfile, MemoryProfile
from dfd_storage.s3 import S3Profile

AnyStorageProfile = (
    S3Profile | GCSProfile | AzureProfile | HTTPProfile | LocalProfile | MemoryProfile
)
