"""Errors of the configuration and the statistics of caches."""

from __future__ import annotations

from dfd_base import DfdError


class CacheError(DfdError):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "cache"


class InvalidCacheConfig(CacheError, ValueError):
    """A field has a value that no cache takes; the message names it."""

    code = "invalid_cache_config"


class UnsupportedCacheSetting(CacheError):
    """The installed DataFusion can't do what a field asks for; nothing was applied."""

    code = "unsupported_cache_setting"


class CacheNotApplied(CacheError):
    """The session says another value than what was set."""

    code = "cache_not_applied"


class StatisticsUnavailable(CacheError):
    """Nothing counts hits and misses here; the message says what to install."""

    code = "statistics_unavailable"
