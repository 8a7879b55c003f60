"""Options of polars: the names of object_store, and polars' own for retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def storage_options(options: Mapping[str, str]) -> dict[str, Any]:
    """The `storage_options` of polars, made of the options of object_store."""
    given: dict[str, Any] = dict(options)
    if "max_retries" in given:
        given["max_retries"] = int(given["max_retries"])
    return given
