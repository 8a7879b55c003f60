"""Parameters that several commands take, and the runtime that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Parameter(name=["--table", "-t"], negative="", help="name=uri or name=uri@version"),
]


def commit_metadata(user_metadata: str | None) -> dict[str, str]:
    """What the commit carries, under the name by which Delta-Spark's history shows it."""
    return {} if user_metadata is None else {"userMetadata": user_metadata}


def open_runtime(profile: Path | None) -> Runtime:
    """A runtime of the profile that `--profile` names."""
    from dfd.runtime import connect

    return connect(profile)


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
        base, at, version = uri.rpartition("@")
        if at and version.isdigit():
            runtime.register(name, base, version=int(version))
        else:
            runtime.register(name, uri)
