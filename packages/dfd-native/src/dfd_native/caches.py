"""What caches may hold, and how they are doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dfd_native import _native

__all__ = [
    "CacheLimit",
    "cache_stats",
    "process_cache_limits",
    "process_cache_stats",
    "set_process_cache_limits",
]


class CacheLimit(NamedTuple):
    """What a cache may hold.

    - `bytes`: memory; 0 keeps nothing.
    - `ttl_s`: the seconds that a value is believed; None for ever.
    """

    bytes: int
    ttl_s: float | None = None


def cache_stats() -> dict[str, dict[str, int]]:
    """How the caches of this process are doing: `hits`, `misses` and `evictions` since it began, `entries` and `bytes` now.

    - `snapshot`: Delta tables, their files and statistics. A hit is a look at a table that had no
      commit to read. It takes the place of listing a table's files. Bytes hold about what
      deltalake-core keeps of the log, too.
    - `parquet_meta`: footers of Parquet files, of all engines together. A hit is a file whose footer
      wasn't read.
    - `list_files`, `file_statistics`: of tables that aren't Delta's, of all engines together. A session
      of datafusion-python has its own, and tells nothing of them.
    """
    return _native.cache_stats()


def process_cache_limits() -> dict[str, CacheLimit]:
    """What the caches may hold that no engine has: `snapshot`, and those of Delta tables in plain sessions and of changes.

    The latter are `parquet_meta`, `list_files` and `file_statistics`.
    """
    return {name: CacheLimit(*limit) for name, limit in _native.process_cache_limits().items()}


def set_process_cache_limits(limits: Mapping[str, CacheLimit]) -> None:
    """Set what the caches may hold that no engine has, for the whole process; those that aren't named stay as they are.

    What is too much goes at once, and so does all that a cache holds where it gets another time to live; of
    snapshots, what is older than that.

    Raises:
        ValueError: there is no such cache, or a time is none.
    """
    _native.set_process_cache_limits({name: (limit[0], limit[1]) for name, limit in limits.items()})


def process_cache_stats() -> dict[str, dict[str, int]]:
    """How the caches of Delta tables in plain sessions and of changes are doing, as `cache_stats` has it."""
    return _native.process_cache_stats()
