"""Files of a web server."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from dfd_storage.commit_safety import Mechanism
from dfd_storage.options import HTTP, Keys
from dfd_storage.profile.base import register_kind
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.profile.remote import RemoteProfile
from dfd_storage.render import datafusion_store, obstore_store
from dfd_storage.uri import parse_uri

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@register_kind
class HTTPProfile(RemoteProfile, frozen=True, kw_only=True, tag="http", tag_field="kind"):
    """A directory of a web server, whose files are read by name.

    dfd-native reads Delta tables there, DataFusion other files over https, obstore either. The web
    has no listing: dfd-native asks for the names that a Delta log can have, `_last_checkpoint`
    first. deltalake refuses the kind, and nothing is written there.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    keys: ClassVar[Keys] = HTTP

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        return []

    def _datafusion_store(self) -> Any:
        return datafusion_store.http_store(self.uri)

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.http_store(self.uri, self.options(), self._connection)

    def settings(self) -> list[str]:
        """The names of what is set; an address of plain http needs `allow_http`."""
        found = RemoteProfile.settings(self)
        if self.uri.startswith("http://") and "allow_http" not in found:
            found.append("allow_http")
        return found

    def store_uris(self) -> tuple[str, ...]:
        """The root of the server."""
        location = parse_uri(self.uri)
        return (f"{location.scheme}://{location.host}",)

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism of a place that nothing is written to, `"none"`."""
        return "none"

    def validate(self) -> list[StorageIssue]:
        """The issues of the address."""
        return RemoteProfile.validate(self) + self._plain_http(self.uri)
