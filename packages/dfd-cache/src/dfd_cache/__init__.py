"""DataFusion's caches, configured and read back."""

import logging
from importlib.metadata import version as _version

from dfd_cache.apply import AppliedCache, apply
from dfd_cache.config import CacheConfig
from dfd_cache.errors import (
    CacheError,
    CacheNotApplied,
    InvalidCacheConfig,
    UnsupportedCacheSetting,
)

__all__ = [
    "AppliedCache",
    "CacheConfig",
    "CacheError",
    "CacheNotApplied",
    "InvalidCacheConfig",
    "UnsupportedCacheSetting",
    "apply",
]
__version__ = _version("dfd-cache")

logging.getLogger(__name__).addHandler(logging.NullHandler())
