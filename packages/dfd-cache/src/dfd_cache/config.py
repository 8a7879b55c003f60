"""The configuration of caches: what they may hold, and for how long."""

from __future__ import annotations

from typing import Any

import msgspec

from dfd_cache.errors import InvalidCacheConfig

KIB = 1024
MIB = 1024 * KIB
_LARGEST = 1 << 62
_LONGEST_S = 1 << 31
PRESETS = ("snapshot_pinned", "always_latest", "live_directory", "off")
"""The names of `CacheConfig`'s class methods that give a configuration whole."""

_TIMES = ("list_files_ttl_s", "parquet_meta_ttl_s", "snapshot_ttl_s")
_LIMITS = (
    "list_files_limit_bytes",
    "parquet_meta_limit_bytes",
    "file_statistics_limit_bytes",
    "snapshot_limit_bytes",
)


class CacheConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of caches in bytes (whole KiB; 0 switches a cache off) and times to live in whole seconds (None: for ever).

    - `list_files_ttl_s`: how long a listing of a directory is believed that is kept.
    - `list_files_limit_bytes`: listings that are kept. Default: 1 MiB with a `list_files_ttl_s`, and
      without one 0: each query lists a directory anew and sees what others write there.
    - `parquet_meta_ttl_s`: how long a footer is kept. Each is believed only while its file has the same
      size and time. A session of datafusion-python can't do this: it keeps no footers then.
    - `parquet_meta_limit_bytes`: footers of Parquet files. Default 50 MiB, DataFusion's own.
    - `file_statistics_limit_bytes`: statistics of files of tables that aren't Delta's. Default 20 MiB,
      DataFusion's own.
    - `snapshot_ttl_s`: how long a version of a Delta table is kept that nobody uses.
    - `snapshot_limit_bytes`: versions of Delta tables, of the whole process. Default 256 MiB.
    - `freshness_s`: how old a look at a Delta table's log may be that a query relies on, in seconds;
      what this runtime commits itself, its queries see at once. Default 0: each query looks.
    - `pin_tables`: a runtime pins tables to their newest version when it registers them.

    Raises:
        InvalidCacheConfig: a value is out of range.
    """

    list_files_ttl_s: int | None = None
    list_files_limit_bytes: int | None = None
    parquet_meta_ttl_s: int | None = None
    parquet_meta_limit_bytes: int = 50 * MIB
    file_statistics_limit_bytes: int = 20 * MIB
    snapshot_ttl_s: int | None = None
    snapshot_limit_bytes: int = 256 * MIB
    freshness_s: float = 0.0
    pin_tables: bool = False

    def __post_init__(self) -> None:
        for field in _TIMES:
            value = getattr(self, field)
            if value is not None and not (type(value) is int and 1 <= value <= _LONGEST_S):
                raise InvalidCacheConfig(f"`{field}` is whole seconds from 1, or None.")
        for field in _LIMITS:
            value = self.listings_bytes if field.startswith("list") else getattr(self, field)
            if type(value) is not int or not 0 <= value <= _LARGEST or value % KIB:
                raise InvalidCacheConfig(f"`{field}` is whole KiB in bytes from 0, not {value!r}.")
        seconds: object = self.freshness_s
        if type(seconds) not in (int, float) or not 0 <= self.freshness_s <= _LONGEST_S:
            raise InvalidCacheConfig(f"`freshness_s` is seconds from 0, not {seconds!r}.")
        if type(self.pin_tables) is not bool:
            raise InvalidCacheConfig(f"`pin_tables` is true or false, not {self.pin_tables!r}.")

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
        """A configuration for work on one state of the data: tables are pinned when they are registered, caches larger."""
        return cls(
            list_files_limit_bytes=16 * MIB,
            parquet_meta_limit_bytes=256 * MIB,
            file_statistics_limit_bytes=64 * MIB,
            pin_tables=True,
        )

    @classmethod
    def always_latest(cls) -> CacheConfig:
        """A configuration for data that others change: each query looks at logs and lists directories anew."""
        return cls(list_files_limit_bytes=0, freshness_s=0.0)

    @classmethod
    def live_directory(cls) -> CacheConfig:
        """A configuration for directories of plain Parquet files that others write into: no listing is kept."""
        return cls(list_files_limit_bytes=0)

    @classmethod
    def off(cls) -> CacheConfig:
        """A configuration that keeps nothing, anywhere."""
        return cls(
            list_files_limit_bytes=0,
            parquet_meta_limit_bytes=0,
            file_statistics_limit_bytes=0,
            snapshot_limit_bytes=0,
        )
