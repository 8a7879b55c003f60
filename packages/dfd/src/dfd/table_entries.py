"""Tables and folders of tables that a profile gives names: `[[table]]` and `[[schema]]`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dfd.errors import ConfigurationError


class TableEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Delta table with a name, registered when SQL first names it. There need be none yet.

    - `name`: as for `Runtime.register`. `uri`: where it is.
    - `version`, `timestamp`, `pinned`: which version is read, as for `Runtime.register`. Default: the
      newest. `timestamp` has a time zone.
    """

    name: str
    uri: str
    version: int | None = None
    timestamp: datetime | None = None
    pinned: bool = False

    def __post_init__(self) -> None:
        if self.version is not None and self.timestamp is not None:
            raise ConfigurationError(
                f"[[table]] {self.name!r} has `version` and `timestamp`: give one of them."
            )
        if self.timestamp is not None and self.timestamp.tzinfo is None:
            raise ConfigurationError(
                f"[[table]] {self.name!r}: `timestamp` needs a time zone, as in 2026-01-31T12:00:00Z."
            )


class SchemaEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder of Delta tables as a schema, as for `Runtime.register_schema`."""

    name: str
    uri: str
