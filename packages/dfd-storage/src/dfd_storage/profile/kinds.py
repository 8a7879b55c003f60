"""The kinds of profile as one tagged union."""

from __future__ import annotations

from dfd_storage.profile.azure import AzureProfile
from dfd_storage.profile.gcs import GCSProfile
from dfd_storage.profile.http import HTTPProfile
from dfd_storage.profile.local import LocalProfile
from dfd_storage.profile.memory import MemoryProfile
from dfd_storage.profile.s3 import S3Profile

AnyStorageProfile = (
    S3Profile | GCSProfile | AzureProfile | HTTPProfile | LocalProfile | MemoryProfile
)
