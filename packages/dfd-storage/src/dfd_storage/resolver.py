"""The resolver of locations: which of many profiles covers one."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dfd_storage.errors import InvalidProfile, UnresolvedStorage
from dfd_storage.profile import LocalProfile, StorageProfile
from dfd_storage.uri import canonical_uri, parse_uri


class StorageResolver:
    """A resolver over many profiles; the one with the longest prefix of a location wins.

    Prefixes end at a slash: `s3://b/t` doesn't cover `s3://b/t2`. A local location that no profile
    covers needs none.

    Raises:
        InvalidProfile: two different profiles have one location, or two of one bucket have
            different endpoints.
    """

    def __init__(self, profiles: Iterable[StorageProfile] = ()) -> None:
        by_uri: dict[str, StorageProfile] = {}
        endpoints: dict[tuple[str, str], str | None] = {}
        for profile in profiles:
            if by_uri.setdefault(profile.uri, profile) != profile:
                raise InvalidProfile(
                    f"Two different profiles have the location {profile.uri}.",
                    "Leave one of them out.",
                    field="uri",
                )
            location = parse_uri(profile.uri)
            endpoint = getattr(profile, "endpoint", None)
            known = endpoints.setdefault((location.scheme, location.host), endpoint)
            if (known or "").rstrip("/") != (endpoint or "").rstrip("/"):
                raise InvalidProfile(
                    f"Two profiles of {location.scheme}://{location.host} have different "
                    "endpoints: a session would read from one what was written to the other.",
                    "Give each bucket one endpoint.",
                    field="endpoint",
                )
        self._profiles = sorted(by_uri.values(), key=lambda p: len(p.uri), reverse=True)

    def resolve(self, uri: str | os.PathLike[str]) -> StorageProfile:
        """The profile that covers a location.

        Raises:
            InvalidUri: the URI is refused.
            UnresolvedStorage: no profile covers the location, or two accounts have a container of
                its name.
        """
        location = canonical_uri(uri)
        covering = [profile for profile in self._profiles if profile.covers(location)]
        if covering:
            first = covering[0]
            for other in covering[1:]:
                if other.canonical_uri(location) != first.canonical_uri(location):
                    raise UnresolvedStorage(
                        f"{location} is a container of more than one account.",
                        "Write abfss://container@account.dfs.core.windows.net/...",
                        location=location,
                    )
            return first
        if location.startswith("file://"):
            return LocalProfile(uri=location)
        raise UnresolvedStorage(
            f"No storage profile covers {location}.", _how_to_cover(location), location=location
        )


def _how_to_cover(location: str) -> str:
    """What to add so that a location is covered."""
    found = parse_uri(location)
    root = f"{found.scheme}://{found.host}"
    return (
        f'Add one for its bucket: in a TOML profile [[storage]] with uri = "{root}" and credentials, in code '
        f'StorageProfile.from_uri("{root}", credentials=...).'
    )
