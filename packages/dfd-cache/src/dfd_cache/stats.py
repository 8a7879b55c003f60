"""Statistics of the caches of this process."""

from __future__ import annotations

from dfd_cache.errors import StatisticsUnavailable


def cache_stats() -> dict[str, dict[str, int]]:
    """Hits, misses and evictions since this process began, entries and bytes now, of each of its caches.

    As `dfd_native.cache_stats()` counts them: snapshots of Delta tables, Parquet footers, listings and
    statistics of plain files. Those of a session of datafusion-python are not: it tells nothing of them.

    Raises:
        StatisticsUnavailable: dfd-native isn't installed.
    """
    try:
        import dfd_native
    except ModuleNotFoundError as error:
        raise StatisticsUnavailable(
            "datafusion-python doesn't count what its caches do. dfd-native does, for Delta tables: "
            "pip install dfd-native"
        ) from error
    return dict(dfd_native.cache_stats())
