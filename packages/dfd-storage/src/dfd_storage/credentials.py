"""Who asks the store."""

from __future__ import annotations

import msgspec

from dfd_storage.errors import InvalidProfile
from dfd_storage.secret import Secret


class StaticCredentials(msgspec.Struct, frozen=True, tag="static"):
    """An access key: its id, its secret, and the token of a temporary one."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None

    def __post_init__(self) -> None:
        if not self.access_key_id:
            raise InvalidProfile("`access_key_id` is empty.")
        for field in ("secret_access_key", "session_token"):
            value = getattr(self, field)
            if not isinstance(value, Secret) and not (field == "session_token" and value is None):
                raise InvalidProfile(f"`{field}` is a Secret: write Secret(...).")


class AnonymousCredentials(msgspec.Struct, frozen=True, tag="anonymous"):
    """Requests without a signature, for public buckets."""
