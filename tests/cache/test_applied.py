"""Every place where caches are says what was applied last, and `off` leaves nothing anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dfd
import dfd_cache
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dfd_cache import CacheConfig, UnsupportedCacheSetting
from hypothesis import given, settings
from hypothesis import strategies as st

KIB = 1024
LIMITS = st.integers(0, 1 << 30).map(lambda kib: kib * KIB)
TIMES = st.none() | st.integers(1, 1 << 20)
CONFIGS = st.builds(
    CacheConfig,
    list_files_ttl_s=TIMES,
    list_files_limit_bytes=LIMITS,
    parquet_meta_ttl_s=TIMES,
    parquet_meta_limit_bytes=LIMITS,
    file_statistics_limit_bytes=LIMITS,
    snapshot_ttl_s=TIMES,
    snapshot_limit_bytes=LIMITS,
)


def wanted(config: CacheConfig) -> dict[str, Any]:
    files = {
        "parquet_meta": {
            "bytes": config.parquet_meta_limit_bytes,
            "ttl_s": config.parquet_meta_ttl_s,
        },
        "list_files": {"bytes": config.listings_bytes, "ttl_s": config.list_files_ttl_s},
        "file_statistics": {"bytes": config.file_statistics_limit_bytes, "ttl_s": None},
    }
    snapshot = {"bytes": config.snapshot_limit_bytes, "ttl_s": config.snapshot_ttl_s}
    return {"engine": files, "foreign_session": files, "snapshots": {"snapshot": snapshot}}


@settings(max_examples=30, deadline=None)
@given(first=CONFIGS, second=CONFIGS)
def test_of_two_configurations_every_place_says_the_second(
    first: CacheConfig, second: CacheConfig
) -> None:
    runtime = dfd.connect()
    for config in (first, second):
        applied = dfd_cache.apply(runtime.session, config, runtime.engine)
    assert applied.config == second
    places = dict(applied.places)
    session = places.pop("session")
    assert places == wanted(second)
    assert session == applied.settings
    ttl = applied.settings["datafusion.runtime.list_files_cache_ttl"]
    if second.listings_bytes and second.list_files_ttl_s is None:
        # As good as for ever, where the session had one before.
        assert ttl in (None, "", "35791394m8s")
    if second.parquet_meta_ttl_s is not None:
        # The session's footers have no time to live: none is kept.
        assert applied.settings["datafusion.runtime.metadata_cache_limit"] in ("0", "0K")


def test_a_runtime_says_what_its_profile_has_set() -> None:
    config = CacheConfig(parquet_meta_ttl_s=7, snapshot_limit_bytes=5 * KIB, snapshot_ttl_s=9)
    with dfd.connect(cache=config) as runtime:
        places = runtime.report().to_dict()["caches"]["applied"]["places"]
        assert {name: places[name] for name in wanted(config)} == wanted(config)


@pytest.mark.parametrize(("field", "value"), [("freshness_s", 1.0), ("parquet_meta_ttl_s", 1)])
def test_what_a_session_alone_can_t_do_is_refused(field: str, value: object) -> None:
    runtime = dfd.connect()
    with pytest.raises(UnsupportedCacheSetting, match=field):
        dfd_cache.apply(runtime.session, CacheConfig(**{field: value}))  # type: ignore[arg-type]


def held() -> dict[str, tuple[int, int]]:
    found = dfd_native.cache_stats()
    return {name: (cache["entries"], cache["bytes"]) for name, cache in found.items()}


def test_after_off_nothing_is_kept_anywhere(uri: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    pq.write_table(pa.table({"n": [1, 2]}), plain / "a.parquet")
    with dfd.connect(cache=CacheConfig.off()) as runtime:
        runtime.register("t", uri)
        runtime.session.register_parquet("p", str(plain))
        for table in ("t", "p"):
            query = runtime.sql(f"select count(*), sum(n) from {table} where n >= 0")
            assert query.route == "engine"
            query.to_arrow_table()
        # The leaf, in the session.
        runtime.session.sql("select sum(n) from t where n >= 0").collect()
        runtime.delete(uri, "n > 5")
        runtime.sql(f"select * from read_delta('{uri}', 0)").to_arrow_table()
        assert set(held().values()) == {(0, 0)}
        stats = runtime.engine.cache_stats()
        assert stats["parquet_meta"]["misses"] > 0 == stats["parquet_meta"]["hits"]


def test_limits_may_change_while_queries_run(runtime: dfd.Runtime) -> None:
    ask = "select count(*) from t where n >= 0"
    runtime.sql(ask).to_arrow_table()
    assert runtime.engine.cache_stats()["parquet_meta"]["entries"] == 1
    dfd_cache.apply(runtime.session, CacheConfig.off(), runtime.engine)
    assert set(held().values()) == {(0, 0)}
    assert runtime.sql(ask).to_arrow_table().column(0)[0].as_py() == 1
    dfd_cache.apply(runtime.session, CacheConfig(), runtime.engine)
    runtime.sql(ask).to_arrow_table()
    assert runtime.engine.cache_stats()["parquet_meta"]["entries"] == 1


def test_a_limit_that_no_cache_has_is_refused() -> None:
    engine = dfd_native.Engine()
    with pytest.raises(ValueError, match="there is no cache footers"):
        engine.set_cache_limits({"footers": dfd_native.CacheLimit(0)})
    with pytest.raises(ValueError, match="negative"):
        engine.set_cache_limits({"list_files": dfd_native.CacheLimit(0, -1.0)})


def test_presets_are_named_in_toml(uri: Path) -> None:
    profile = dfd.DataFusionRuntimeProfile.from_toml({"cache": {"preset": "snapshot_pinned"}})
    with dfd.connect(profile) as runtime:
        runtime.register("t", uri)
        (table,) = runtime.tables()
        assert table.pinned
