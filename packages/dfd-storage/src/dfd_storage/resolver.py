"""Which profile a location belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dfd_storage.errors import InvalidProfile, UnresolvedStorage
from dfd_storage.profile import LocalProfile, StorageProfile
from dfd_storage.uri import canonical_uri


class StorageResolver:
    """Many profiles; the one with the longest prefix of a location wins.

    Prefixes end at a slash: `s3://b/t` doesn't cover `s3://b/t2`. A local location that no profile
    covers needs none.

    Raises:
        InvalidProfile: two different profiles have one location.
    """

    def __init__(self, profiles: Iterable[StorageProfile] = ()) -> None:
        by_uri: dict[str, StorageProfile] = {}
        for profile in profiles:
            if by_uri.setdefault(profile.uri, profile) != profile:
                raise InvalidProfile(f"Two different profiles have the location {profile.uri}.")
        self._profiles = sorted(by_uri.values(), key=lambda p: len(p.uri), reverse=True)

    def resolve(self, uri: str | os.PathLike[str]) -> StorageProfile:
        """The profile of a location.

        Raises:
            InvalidUri: the URI is refused.
            UnresolvedStorage: no profile covers the location.
        """
        location = canonical_uri(uri)
        for profile in self._profiles:
            if location == profile.uri or location.startswith(profile.uri.rstrip("/") + "/"):
                return profile
        if location.startswith("file://"):
            return LocalProfile(uri=location)
        raise UnresolvedStorage(f"No storage profile covers {location}; add one for its bucket.")
