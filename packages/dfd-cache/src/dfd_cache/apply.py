"""Cache settings put into a session, and read back from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from dfd_cache.config import KIB, CacheConfig
from dfd_cache.errors import CacheNotApplied, UnsupportedCacheSetting

if TYPE_CHECKING:
    from datafusion import SessionContext

_LIMITS = {
    "listings_bytes": "datafusion.runtime.list_files_cache_limit",
    "parquet_meta_limit_bytes": "datafusion.runtime.metadata_cache_limit",
    "file_statistics_limit_bytes": "datafusion.runtime.file_statistics_cache_limit",
}
_LISTING_TTL = "datafusion.runtime.list_files_cache_ttl"
# RESET leaves a time to live as it is (DataFusion 55.0.0): the longest one stands for none.
_FOR_EVER_S = 1 << 31


class AppliedCache(msgspec.Struct, frozen=True):
    """The outcome of `apply`, as the session says it: DataFusion's settings by name, as it shows them.

    `read_back` is False where the session has no `information_schema` to ask.
    """

    config: CacheConfig
    settings: dict[str, str | None]
    read_back: bool


def apply(session_context: SessionContext, config: CacheConfig) -> AppliedCache:
    """Set the caches of a session and read back what took effect.

    Raises:
        UnsupportedCacheSetting: DataFusion can't do what a field asks for; nothing was set.
        CacheNotApplied: the session says another value afterwards.
    """
    if config.parquet_meta_ttl_s is not None:
        raise UnsupportedCacheSetting(
            "DataFusion's cache of Parquet footers has no time to live; "
            "leave `parquet_meta_ttl_s` out, or set `parquet_meta_limit_bytes` to 0."
        )
    wanted = {name: _render(getattr(config, field)) for field, name in _LIMITS.items()}
    if config.listings_bytes:
        ttl_s = config.list_files_ttl_s
        if ttl_s is None and (_read(session_context) or {}).get(_LISTING_TTL):
            ttl_s = _FOR_EVER_S
        if ttl_s is not None:
            wanted[_LISTING_TTL] = f"{ttl_s}s"
    for name, value in wanted.items():
        session_context.sql(f"SET {name} = '{value}'").collect()
    found = _read(session_context)
    if found is None:
        return AppliedCache(config, dict(wanted), read_back=False)
    for name, value in wanted.items():
        if not _agree(value, found.get(name)):
            raise CacheNotApplied(f"{name} was set to {value} and is {found.get(name)}.")
    return AppliedCache(config, found, read_back=True)


def _render(limit_bytes: int) -> str:
    return f"{limit_bytes // KIB}K"


_SHOWN = re.compile(r"(\d+)([KMG]?)|(\d+)m(\d+)s")
_UNITS = {"": 1, "K": KIB, "M": KIB**2, "G": KIB**3}


def _agree(asked: str, shown: str | None) -> bool:
    """Whether DataFusion shows what was asked: limits cut down to a whole unit, times as `1m30s`."""
    found = _SHOWN.fullmatch(shown or "")
    if found is None:
        return False
    if found[3] is not None:
        return asked == f"{int(found[3]) * 60 + int(found[4])}s"
    unit = _UNITS[found[2]]
    return 0 <= _bytes(asked) - int(found[1]) * unit < unit


def _bytes(text: str) -> int:
    return int(text.rstrip("KMG")) * _UNITS[text[-1:] if text[-1:] in "KMG" else ""]


def _read(session_context: SessionContext) -> dict[str, str | None] | None:
    names = ", ".join(f"'{name}'" for name in (*_LIMITS.values(), _LISTING_TTL))
    try:
        batches = session_context.sql(
            f"select name, value from information_schema.df_settings where name in ({names})"  # noqa: S608
        ).collect()
    except Exception as error:
        if "information_schema" in str(error):
            return None
        raise
    return {row["name"]: row["value"] for batch in batches for row in batch.to_pylist()}
