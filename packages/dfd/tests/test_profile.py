"""Configuration enters once, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dfd import ConfigurationError, DataFusionRuntimeProfile
from dfd_cache import CacheConfig, CacheError
from dfd_cache.config import PRESETS
from dfd_storage import AnonymousCredentials, S3Profile, StorageError

TOML = """
[[storage]]
kind = "s3"
uri = "s3://bucket/t"
credentials = {kind = "anonymous"}

[cache]
list_files_ttl_s = 30

[retry]
attempts = 4

[observability]
slow_query_ms = 5
record_sql = "off"

[session]
"datafusion.execution.target_partitions" = "3"
"""


def test_from_toml(tmp_path: Path) -> None:
    (tmp_path / "dfd.toml").write_text(TOML)
    profile = DataFusionRuntimeProfile.from_toml(tmp_path / "dfd.toml")
    assert profile.storage == (S3Profile(uri="s3://bucket/t", credentials=AnonymousCredentials()),)
    assert (profile.cache.list_files_ttl_s, profile.retry.attempts) == (30, 4)
    assert profile.observability.record_sql == "off"
    assert profile.session == {"datafusion.execution.target_partitions": "3"}


@pytest.mark.parametrize(
    ("mapping", "error", "named"),
    [
        ({"cahce": {}}, ConfigurationError, "cahce"),
        ({"cache": {"list_files_ttl": 1}}, ConfigurationError, "list_files_ttl"),
        ({"cache": {"list_files_ttl_s": 0}}, (ConfigurationError, CacheError), "list_files_ttl_s"),
        ({"cache": {"preset": "pinned"}}, CacheError, "snapshot_pinned"),
        ({"cache": {"preset": 1}}, CacheError, "snapshot_pinned"),
        ({"cache": {"preset": "off", "ttl": 1}}, ConfigurationError, "ttl"),
        ({"cache": "off"}, ConfigurationError, "cache"),
        ({"retry": {"attempts": "many"}}, ConfigurationError, "attempts"),
        ({"session": {"a": 1}}, ConfigurationError, "session"),
        ({"storage": {"uri": "/d"}}, ConfigurationError, "storage"),
        ({"storage": [{"uri": "ftp://x"}]}, StorageError, "ftp"),
    ],
)
def test_refuses_and_names_the_field(mapping: dict[str, Any], error: Any, named: str) -> None:
    with pytest.raises(error, match=named):
        DataFusionRuntimeProfile.from_toml(mapping)


@pytest.mark.parametrize("name", PRESETS)
def test_a_cache_preset_by_its_name(name: str) -> None:
    profile = DataFusionRuntimeProfile.from_toml({"cache": {"preset": name}})
    assert profile.cache == getattr(CacheConfig, name)()


def test_fields_beside_a_preset_stand_in_place_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "dfd.toml").write_text(
        '[cache]\nlist_files_ttl_s = 30\npreset = "snapshot_pinned"\nfile_statistics_limit_bytes = 0\n'
    )
    cache = DataFusionRuntimeProfile.from_toml(tmp_path / "dfd.toml").cache
    pinned = CacheConfig.snapshot_pinned()
    assert (cache.list_files_ttl_s, cache.file_statistics_limit_bytes) == (30, 0)
    assert cache.parquet_meta_limit_bytes == pinned.parquet_meta_limit_bytes
    assert cache.list_files_limit_bytes == pinned.list_files_limit_bytes


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[")
    for name in ("bad.toml", "missing.toml"):
        with pytest.raises(ConfigurationError, match=name):
            DataFusionRuntimeProfile.from_toml(tmp_path / name)


def test_from_env(tmp_path: Path) -> None:
    (tmp_path / "dfd.toml").write_text(TOML)
    environ = {"DFD_PROFILE": str(tmp_path / "dfd.toml")}
    assert DataFusionRuntimeProfile.from_env(environ).retry.attempts == 4
    assert DataFusionRuntimeProfile.from_env({}) == DataFusionRuntimeProfile()
