"""The configuration of a session's caches: what they may hold, and for how long."""

from __future__ import annotations

from typing import Any

import msgspec

from dfd_cache.errors import InvalidCacheConfig

KIB = 1024
MIB = 1024 * KIB
_LARGEST = 1 << 62
PRESETS = ("snapshot_pinned", "always_latest", "off")
"""The names of `CacheConfig`'s class methods that give a configuration whole."""


class CacheConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of a session's caches in bytes (whole KiB; 0 switches a cache off) and times to live in whole seconds.

    - `list_files_ttl_s`: how long a listing that is kept is believed; None for ever.
    - `list_files_limit_bytes`: listings that are kept. Default: 1 MiB with a `list_files_ttl_s`, and
      without one 0: each query lists a directory anew and sees what others write there.
    - `parquet_meta_ttl_s`: no DataFusion so far can do this; only None can be applied.
    - `parquet_meta_limit_bytes`: footers. Default 50 MiB, DataFusion's own.
    - `file_statistics_limit_bytes`: default 20 MiB.

    Raises:
        InvalidCacheConfig: a value is out of range.
    """

    list_files_ttl_s: int | None = None
    list_files_limit_bytes: int | None = None
    parquet_meta_ttl_s: int | None = None
    parquet_meta_limit_bytes: int = 50 * MIB
    file_statistics_limit_bytes: int = 20 * MIB

    def __post_init__(self) -> None:
        for field in ("list_files_ttl_s", "parquet_meta_ttl_s"):
            value = getattr(self, field)
            if value is not None and not (type(value) is int and 1 <= value <= 1 << 31):
                raise InvalidCacheConfig(f"`{field}` is whole seconds from 1, or None.")
        for field in (
            "list_files_limit_bytes",
            "parquet_meta_limit_bytes",
            "file_statistics_limit_bytes",
        ):
            value = self.listings_bytes if field.startswith("list") else getattr(self, field)
            if type(value) is not int or not 0 <= value <= _LARGEST or value % KIB:
                raise InvalidCacheConfig(f"`{field}` is whole KiB in bytes from 0, not {value!r}.")

    @property
    def listings_bytes(self) -> int:
        """The bytes of listings that are kept."""
        if self.list_files_limit_bytes is None:
            return 0 if self.list_files_ttl_s is None else MIB
        return self.list_files_limit_bytes

    @classmethod
    def preset(cls, name: str, **fields: Any) -> CacheConfig:
        """The preset of a name (`PRESETS`), with `fields` in place of its own.

        Raises:
            InvalidCacheConfig: there is no such preset or field, or a value is out of range.

        >>> CacheConfig.preset("always_latest", list_files_ttl_s=5).list_files_limit_bytes
        0
        """
        if name not in PRESETS:
            raise InvalidCacheConfig(f"`preset` is one of {', '.join(PRESETS)}, not {name!r}.")
        preset: CacheConfig = getattr(cls, name)()
        for field in fields:
            if field not in cls.__struct_fields__:
                raise InvalidCacheConfig(f"`{field}` is no field of a cache configuration.")
        return msgspec.structs.replace(preset, **fields)

    @classmethod
    def snapshot_pinned(cls) -> CacheConfig:
        """A configuration for data that doesn't change, as under a pinned snapshot: larger, and believed for ever."""
        return cls(
            list_files_limit_bytes=16 * MIB,
            parquet_meta_limit_bytes=256 * MIB,
            file_statistics_limit_bytes=64 * MIB,
        )

    @classmethod
    def always_latest(cls) -> CacheConfig:
        """A configuration for directories that others write to: no listing is kept."""
        return cls(list_files_limit_bytes=0)

    @classmethod
    def off(cls) -> CacheConfig:
        """A configuration that keeps nothing."""
        return cls(
            list_files_limit_bytes=0, parquet_meta_limit_bytes=0, file_statistics_limit_bytes=0
        )
