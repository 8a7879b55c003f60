"""Counters of this process: requests to object stores."""

from __future__ import annotations

from dfd_native import _native


def request_counts() -> dict[str, int]:
    """Requests that this process made for Delta tables so far: `get`, `head`, `list`, `put`, `delete`, `copy`.

    On local disk a request is one look at a file or a directory, on object storage one HTTP
    request, but that a listing of several pages is one. The engine counts those of one scan in
    its metrics (`requests`).
    """
    return _native.request_counts()
