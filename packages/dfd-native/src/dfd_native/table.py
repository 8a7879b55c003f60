"""Delta tables as tables of a DataFusion session."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from dfd_base import renamed_keywords, warn_renamed

from dfd_native import _native
from dfd_native._native import DeltaTable
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri


@renamed_keywords(profile="profile_name")
def delta_table(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    version: int | None = None,
    timestamp: datetime | None = None,
    profile_name: str | None = None,
) -> DeltaTable:
    """One version of a Delta table, ready for `SessionContext.register_table`.

    The version never changes; `refresh` gives a newer one, reading only the commits since. A scan
    skips files by partition values and statistics, applies deletion vectors and column mapping,
    and runs on threads of its own. Values are those of the files, exactly: one that isn't of its column's
    type is an error, which names the file. NOT NULL is a rule for writers: every column may be null here.

    - `uri`: a path, absolute, relative or from `~`, or a URI (`file:///data/t`, `s3://bucket/t`).
    - `options`: of the object store, complete: nothing is read from the environment.
    - `version`, `timestamp`: which version; the newest by default. `timestamp` has a time zone, and stands
      for the newest version that was there then: by in-commit timestamps where the table has them, else
      by the times of the commits' files. After the newest it is that one.
    - `profile_name`: the name under which plans that leave this process refer to `options`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such table or version, none that can still be read is as old as `timestamp`
            (the message says which is the earliest), it can't be read, or it has a feature that isn't
            supported.
        ValueError: `version` and `timestamp` are both given, or `timestamp` has no time zone.
    """
    return open_table(uri, options, version, timestamp, profile_name)


def version_at(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    timestamp: datetime,
) -> int:
    """The newest version that was there at `timestamp`; after the newest it is that one.

    - `uri`, `options`, `timestamp`: as for `delta_table`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such table, it can't be read, or none that can still be read is as old (the message
            and `version` say which is the earliest).
        ValueError: `timestamp` has no time zone.
    """
    return open_table(uri, options, timestamp=timestamp).version


def open_table(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    version: int | None = None,
    timestamp: datetime | None = None,
    profile_name: str | None = None,
    in_query: bool = False,
) -> DeltaTable:
    """As `delta_table`; `in_query` the newest version is the one that the query of this thread reads."""
    ensure_compatible()
    if version is not None and timestamp is not None:
        raise ValueError("Give `version` or `timestamp`, not both.")
    if timestamp is not None and timestamp.tzinfo is None:
        raise ValueError("`timestamp` needs a time zone.")
    moment = None if timestamp is None else timestamp.astimezone(timezone.utc)
    return _native.delta_table(
        table_uri(uri), dict(options or {}), version, moment, profile_name, in_query
    )


def refresh(tables: Iterable[DeltaTable]) -> list[DeltaTable | None]:
    """The newest version of each table, or None where that is it; all logs are looked at at once.

    Raises:
        TableError: a log can't be read; the message names the table.
    """
    return _native.refreshed(list(tables))


def refreshed(tables: Iterable[DeltaTable]) -> list[DeltaTable | None]:
    """The old name of `refresh`."""
    warn_renamed("dfd_native.refreshed", "dfd_native.refresh")
    return refresh(tables)
