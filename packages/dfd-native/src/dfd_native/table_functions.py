"""Delta tables in SQL by their location: `select * from read_delta('/data/t')`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dfd_native import _native
from dfd_native._native import DeltaTable, LogTable
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.session_catalog import SessionCatalog
from dfd_native.table import open_table
from dfd_native.weak_methods import weakly

if TYPE_CHECKING:
    from datafusion import SessionContext

Locate = Callable[[str], "tuple[str, Mapping[str, str], str | None]"]


def register_table_functions(
    session_context: SessionContext,
    locate: Locate | None = None,
    catalog: SessionCatalog | None = None,
) -> tuple[str, ...]:
    """Make the table functions of this package callable in SQL; return their names.

    - `read_delta(uri [, version | time])`: the rows, of the newest version by default: within
      `QueryVersions` of the one that the query reads of the table. A time is a text of
      ISO 8601 with a time zone, as `'2026-01-31T12:00:00Z'`, and means what `delta_table` says.
    - `delta_history(uri)`: the commits, newest first: `version`, `timestamp` (that of the commit's
      file where the commit has none), `operation`, `operation_parameters`, `read_version`,
      `is_blind_append`, `engine_info`, `user_name`, `user_metadata`, and all of it in `commit_info` (JSON).
    - `delta_files(uri)`: the files of the newest version: `path`, `size_bytes`, `modified`,
      `num_records`, `deleted_records`, `partition_values` (JSON), `stats` (JSON, null without any).
    - `read_delta_cdf(uri, from [, to])`: the rows that these versions, both included, inserted, updated
      and deleted (Delta protocol, "Change Data Files"); `to` is the newest by default and at most.
      Beside the columns of version `to` they have `_change_type` (`insert`, `delete`,
      `update_preimage`, `update_postimage`), `_commit_version` and `_commit_timestamp` (the in-commit
      timestamp where the table has such, else the time of the commit's file). It is an error, with
      the version, where `delta.enableChangeDataFeed` isn't true, where the schema doesn't fit
      that of `to`, where the log was cleaned up, and where a data file was vacuumed.
    - `dfd_tables()`: with a `catalog` its Delta tables, of which nothing is asked: `catalog`, `schema`,
      `table`, `uri`, `version` (that is read, or was seen last), `pinned`.
    - `dfd_cache_stats()`: `cache`, `hits`, `misses`, `evictions`, `entries`, `bytes`, of this process.

    `locate` gives the canonical URI of a table, the options of its object store and the name of
    its profile (see `delta_table`). Default: local paths and `file://` URIs alone. The session holds a
    bound method weakly: keep its object.

    Raises:
        IncompatibleInstallation: the installed datafusion is not the one this was built for.
    """
    ensure_compatible()
    from datafusion import udtf

    find = _local if locate is None else weakly(locate)

    def opened(uri: Any, at: int | datetime | None = None) -> DeltaTable:
        location, options, profile_name = find(_text(uri))
        return open_table(
            location,
            options,
            version=at if isinstance(at, int) else None,
            timestamp=at if isinstance(at, datetime) else None,
            profile_name=profile_name,
            in_query=True,
        )

    def read_delta(uri: Any, at: Any = None) -> DeltaTable:
        return opened(uri, None if at is None else _version_or_time(at))

    def delta_history(uri: Any) -> LogTable:
        return opened(uri).history()

    def delta_files(uri: Any) -> LogTable:
        return opened(uri).files()

    def read_delta_cdf(uri: Any, first: Any, last: Any = None) -> LogTable:
        return opened(uri).changes(_version(first), None if last is None else _version(last))

    def dfd_cache_stats() -> LogTable:
        return _native.cache_table()

    functions: tuple[Callable[..., DeltaTable | LogTable], ...] = (
        read_delta,
        delta_history,
        delta_files,
        read_delta_cdf,
        dfd_cache_stats,
    )
    if catalog is not None:
        listed = catalog

        def dfd_tables() -> LogTable:
            return listed.listing()

        functions += (dfd_tables,)
    for function in functions:
        session_context.register_udtf(udtf(function, function.__name__))
    return tuple(function.__name__ for function in functions)


def _local(uri: str) -> tuple[str, Mapping[str, str], str | None]:
    location = table_uri(uri)
    if not location.startswith("file:"):
        raise ValueError(f"{uri} needs a storage profile, and this session has none for it.")
    return location, {}, None


def _constant(argument: Any) -> object:
    value = argument.python_value()
    # With pyarrow it is a scalar of that.
    return value.as_py() if hasattr(value, "as_py") else value


def _text(argument: Any) -> str:
    value = _constant(argument)
    if not isinstance(value, str):
        raise TypeError(f"A table's location is a text, not {value!r}.")
    return value


def _version_or_time(argument: Any) -> int | datetime:
    value = _constant(argument)
    if not isinstance(value, str):
        return _version(argument)
    try:
        # Python 3.10 knows no Z.
        time = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value.strip()))
    except ValueError:
        raise ValueError(f"A time is as '2026-01-31T12:00:00Z', not {value!r}.") from None
    if time.tzinfo is None:
        raise ValueError(f"The time {value!r} needs a time zone, as '2026-01-31T12:00:00Z'.")
    return time


def _version(argument: Any) -> int:
    value = _constant(argument)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"A version is a number from 0, not {value!r}.")
    return value
