"""Counters of this process: requests to object stores, hits and misses of caches."""

from __future__ import annotations

from dfd_native import _native


def request_counts() -> dict[str, int]:
    """Requests that this process made for Delta tables so far: `get`, `head`, `list`, `put`, `delete`, `copy`.

    On local disk a request is one look at a file or a directory, on object storage one HTTP
    request, but that a listing of several pages is one. The engine counts those of one scan in
    its metrics (`requests`).
    """
    return _native.request_counts()


def cache_stats() -> dict[str, dict[str, int]]:
    """Hits and misses since this process began, entries and bytes now, of each of its caches.

    - `snapshot`: Delta tables, their files and statistics. A hit is a look at a table that had no
      commit to read. It takes the place of listing a table's files.
    - `parquet_meta`: footers of Parquet files, of all engines together. A hit is a file whose footer
      wasn't read.
    """
    return _native.cache_stats()
