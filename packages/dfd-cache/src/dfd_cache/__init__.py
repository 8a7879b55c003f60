"""DataFusion's caches, configured and read back."""

import logging
from importlib.metadata import version as _version

from dfd_cache.apply import AppliedCache, apply
from dfd_cache.config import CacheConfig
from dfd_cache.errors import (
    CacheError,
    CacheNotApplied,
    InvalidCacheConfig,
    StatisticsUnavailable,
    UnsupportedCacheSetting,
)
from dfd_cache.stats import cache_stats

__all__ = [
    "AppliedCache",
    "CacheConfig",
    "CacheError",
    "CacheNotApplied",
    "InvalidCacheConfig",
    "StatisticsUnavailable",
    "UnsupportedCacheSetting",
    "apply",
    "cache_stats",
]
__version__ = _version("dfd-cache")

logging.getLogger(__name__).addHandler(logging.NullHandler())
