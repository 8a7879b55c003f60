"""Tables that every query reads at one version, until they are let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType

import msgspec


class Staleness(msgspec.Struct, frozen=True):
    """How far what is read of a table is behind its newest version.

    - `version`: the one that is read; `newest`: the newest there is.
    - `behind_s`: seconds since the first version was committed that isn't read, by the time of its
      file; 0 where the newest is read, None where the log no longer has that commit.
    """

    version: int
    newest: int
    behind_s: float | None

    @property
    def versions_behind(self) -> int:
        """How many versions aren't read."""
        return self.newest - self.version


class Pin:
    """Tables pinned together: what `runtime.pin` gives.

    A context manager: at the end of its block the tables that it has pinned follow their newest
    versions again.

    - `versions`: the version of each table, by the name that was given.
    - `at`: the moment before their logs were looked at, in UTC. Of a table that wasn't pinned before,
      the version is the newest that there was then, or a later one.
    """

    def __init__(
        self, versions: Mapping[str, int], at: datetime, release: Callable[[], None]
    ) -> None:
        self.versions = dict(versions)
        self.at = at
        self._release = release

    def __repr__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"<Pin {versions} at {self.at.isoformat()}>"

    def __enter__(self) -> Pin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()
