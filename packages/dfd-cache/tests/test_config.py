"""A cache configuration is whole, and refused where it is built."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from dfd_cache import CacheConfig, InvalidCacheConfig
from dfd_cache.config import PRESETS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("list_files_ttl_s", 0),
        ("list_files_ttl_s", 1.5),
        ("parquet_meta_ttl_s", -1),
        ("list_files_limit_bytes", 1000),
        ("parquet_meta_limit_bytes", -1024),
        ("file_statistics_limit_bytes", True),
        ("file_statistics_limit_bytes", 1 << 63),
        ("snapshot_limit_bytes", 1000),
        ("snapshot_ttl_s", 0),
        ("freshness_s", -0.5),
        ("freshness_s", True),
        ("freshness_s", float("nan")),
        ("pin_tables", 1),
    ],
)
def test_refuses_and_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidCacheConfig, match=field):
        CacheConfig(**{field: value})


def test_presets_differ_as_their_names_say() -> None:
    pinned, latest, off = (
        CacheConfig.snapshot_pinned(),
        CacheConfig.always_latest(),
        CacheConfig.off(),
    )
    assert latest.list_files_limit_bytes == 0 < latest.parquet_meta_limit_bytes
    assert pinned.parquet_meta_limit_bytes > CacheConfig().parquet_meta_limit_bytes
    assert CacheConfig().listings_bytes == off.listings_bytes == 0 < pinned.listings_bytes
    assert CacheConfig(list_files_ttl_s=30).listings_bytes > 0
    assert not any(
        getattr(off, field) for field in off.__struct_fields__ if field.endswith("limit_bytes")
    )
    assert pinned.pin_tables
    assert not latest.pin_tables
    assert not off.pin_tables
    assert latest.freshness_s == 0
    assert CacheConfig.live_directory().listings_bytes == 0


def test_every_preset_has_a_name() -> None:
    of_class = {
        name
        for name, method in vars(CacheConfig).items()
        if isinstance(method, classmethod) and name != "preset"
    }
    assert {*PRESETS} == of_class
    for name in PRESETS:
        assert CacheConfig.preset(name) == getattr(CacheConfig, name)()
    mixed = CacheConfig.preset("off", file_statistics_limit_bytes=1024)
    assert mixed == CacheConfig(
        list_files_limit_bytes=0,
        parquet_meta_limit_bytes=0,
        file_statistics_limit_bytes=1024,
        snapshot_limit_bytes=0,
    )
    for name, fields in {"large": {}, "preset": {}, "off": {"ttl": 1}}.items():
        with pytest.raises(InvalidCacheConfig):
            CacheConfig.preset(name, **fields)
    with pytest.raises(InvalidCacheConfig, match="list_files_ttl_s"):
        CacheConfig.preset("off", list_files_ttl_s=0)


def test_round_trips_through_plain_values() -> None:
    config = CacheConfig(list_files_ttl_s=30)
    assert msgspec.convert(msgspec.to_builtins(config), CacheConfig) == config
