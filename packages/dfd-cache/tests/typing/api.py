"""The public API as a user's type checker sees it."""

from __future__ import annotations

import dfd_cache
from datafusion import SessionContext
from dfd_cache.config import PRESETS


def use(context: SessionContext) -> None:
    config: dfd_cache.CacheConfig = dfd_cache.CacheConfig(list_files_ttl_s=60)
    applied: dfd_cache.AppliedCache = dfd_cache.apply(context, config)
    settings: dict[str, str | None] = applied.settings
    places: dict[str, dict[str, object]] = applied.places
    presets: list[dfd_cache.CacheConfig] = [
        dfd_cache.CacheConfig.snapshot_pinned(),
        dfd_cache.CacheConfig.always_latest(),
        dfd_cache.CacheConfig.off(),
        *(dfd_cache.CacheConfig.preset(name, list_files_ttl_s=60) for name in PRESETS),
    ]
    hits: int = dfd_cache.cache_stats()["snapshot"]["hits"]
    print(settings, places, presets, applied.read_back, hits)
