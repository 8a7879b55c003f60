"""What is asked for is what the session has, or an error says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext
from dfd_cache import CacheConfig, UnsupportedCacheSetting, apply
from dfd_cache.apply import _agree, _render
from hypothesis import given, settings
from hypothesis import strategies as st

KIB = 1024
LIMITS = st.integers(0, 1 << 40).map(lambda kib: kib * KIB)


def session() -> SessionContext:
    return SessionContext(SessionConfig().with_information_schema(True))


@settings(max_examples=40, deadline=None)
@given(LIMITS, LIMITS, LIMITS, st.none() | st.integers(1, 1 << 20))
def test_any_configuration_reads_back_exactly(
    listing: int, footers: int, statistics: int, ttl_s: int | None
) -> None:
    config = CacheConfig(
        list_files_limit_bytes=listing,
        parquet_meta_limit_bytes=footers,
        file_statistics_limit_bytes=statistics,
        list_files_ttl_s=ttl_s,
    )
    applied = apply(session(), config)
    assert applied.config == config
    assert applied.read_back


@given(LIMITS, LIMITS)
def test_a_limit_agrees_with_its_own_text_alone(one: int, other: int) -> None:
    asked, shown = _render(one), _render(other)
    assert _agree(asked, shown) == (one == other)


@pytest.mark.parametrize(
    ("asked", "shown", "agree"),
    [
        ("1500K", "1M", True),
        ("2048K", "1M", False),
        ("1023K", "1M", False),
        ("90s", "1m30s", True),
        ("90s", "1m31s", False),
        ("0K", "0", True),
        ("0K", None, False),
        ("1K", "much", False),
    ],
)
def test_agrees_as_datafusion_shows(asked: str, shown: str | None, agree: bool) -> None:
    assert _agree(asked, shown) is agree


def test_reads_back_what_the_session_says() -> None:
    applied = apply(session(), CacheConfig(parquet_meta_limit_bytes=7 * KIB * KIB))
    assert applied.settings["datafusion.runtime.metadata_cache_limit"] == "7M"


def test_a_time_to_live_that_was_set_is_taken_back() -> None:
    context = session()
    ttl = "datafusion.runtime.list_files_cache_ttl"
    assert not apply(context, CacheConfig.snapshot_pinned()).settings[ttl]
    assert apply(context, CacheConfig(list_files_ttl_s=30)).settings[ttl] == "0m30s"
    # As good as for ever: 68 years.
    assert apply(context, CacheConfig.snapshot_pinned()).settings[ttl] == "35791394m8s"


def test_says_when_there_is_nothing_to_read_back() -> None:
    applied = apply(SessionContext(SessionConfig().with_information_schema(False)), CacheConfig())
    assert not applied.read_back


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("parquet_meta_ttl_s", 60, "dfd-native's engine"),
        ("freshness_s", 1.5, r"dfd\.connect"),
    ],
)
def test_refuses_what_a_session_alone_cannot_do(field: str, value: Any, says: str) -> None:
    context = session()
    before = apply(context, CacheConfig()).settings
    with pytest.raises(UnsupportedCacheSetting, match=f"`{field}`.*{says}|{says}.*`{field}`"):
        apply(context, CacheConfig(list_files_limit_bytes=0, **{field: value}))
    assert apply(context, CacheConfig()).settings == before


def test_without_a_listing_cache_new_files_are_seen(tmp_path: Path) -> None:
    context = session()
    apply(context, CacheConfig.always_latest())
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    context.register_parquet("t", str(tmp_path))
    assert context.sql("select count(*) from t").to_pydict() == {"count(*)": [1]}
    pq.write_table(pa.table({"n": [2, 3]}), tmp_path / "b.parquet")
    assert context.sql("select count(*) from t").to_pydict() == {"count(*)": [3]}
