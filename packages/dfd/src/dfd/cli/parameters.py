"""Parameters that several commands take, and the runtime that they ask for."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from cyclopts import Parameter

if TYPE_CHECKING:
    from dfd.runtime import Runtime

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Profile = Annotated[
    Path | None, Parameter(name="--profile", help="TOML profile; else $DFD_PROFILE, else defaults.")
]
UserMetadata = Annotated[
    str | None,
    Parameter(name="--user-metadata", help="Text that the commit carries, shown in the history."),
]
Tables = Annotated[
    list[str] | None,
    Parameter(
        name=["--table", "-t"],
        negative="",
        help="name=uri, name=uri@version or name=uri@time; may be given several times.",
    ),
]
InputFormat = Annotated[
    Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow"] | None,
    Parameter(help="Of the files, whatever their endings, and of stdin."),
]


STDIN = "/dev/stdin"
"""What a lone `-` is taken for: the parser would have it for an option."""


class TableAt(NamedTuple):
    """A table, and which version of it: the newest where there is neither version nor time."""

    uri: str
    version: int | None = None
    timestamp: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> TableAt:
        """Read `uri`, `uri@version` or `uri@time`; a time without a zone is of UTC.

        What follows an @ and is neither, like the host of `abfss://container@account...`, belongs to the URI.
        """
        uri, at, which = text.rpartition("@")
        if not (at and uri):
            return cls(text)
        if which.isdecimal():
            return cls(uri, version=int(which))
        moment = _moment(which)
        return cls(text) if moment is None else cls(uri, timestamp=moment)


def _moment(text: str) -> datetime | None:
    # Python 3.10 reads neither a Z nor offsets without a colon.
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", re.sub(r"[zZ]$", "+00:00", text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def commit_metadata(user_metadata: str | None) -> dict[str, str]:
    """What the commit carries, under the name by which Delta-Spark's history shows it."""
    return {} if user_metadata is None else {"userMetadata": user_metadata}


def open_runtime(profile: Path | None) -> Runtime:
    """A runtime of the profile that `--profile` names; what takes long is told on the terminal of stderr."""
    from dfd.display.progress_line import terminal_progress
    from dfd.runtime import connect

    return connect(profile, progress=terminal_progress())


def register_tables(runtime: Runtime, tables: list[str] | None) -> None:
    """Register the tables that `--table` names.

    Raises:
        ConfigurationError: an entry isn't `name=uri`.
    """
    from dfd.errors import ConfigurationError

    for entry in tables or []:
        name, found, uri = entry.partition("=")
        if not (name and found and uri):
            raise ConfigurationError(f"--table takes name=uri, not {entry!r}.")
        at = TableAt.parse(uri)
        runtime.register(name, at.uri, version=at.version, timestamp=at.timestamp)
