"""Requests and cache look-ups are counted, and a warm table makes none that it needn't."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake

MetricsOf = Callable[[dfd_native.EngineRun], dict[str, int]]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    for n in range(3):
        rows = pa.table({"id": list(range(n * 100, n * 100 + 100)), "x": [n] * 100})
        write_deltalake(tmp_path / "t", rows, mode="append")
    return (tmp_path / "t").as_uri()


def since(before: dict[str, int]) -> dict[str, int]:
    made = dfd_native.request_counts()
    return {kind: count - before[kind] for kind, count in made.items() if count != before[kind]}


@pytest.fixture
def session(uri: str) -> SessionContext:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    made.register_table("t", dfd_native.delta_table(uri))
    return made


def test_a_warm_pinned_table_reads_its_data_and_nothing_else(
    session: SessionContext, metrics_of: MetricsOf
) -> None:
    engine = dfd_native.Engine()

    def run(sql: str) -> tuple[dict[str, int], dict[str, int]]:
        before = dfd_native.request_counts()
        metrics = metrics_of(engine.run(session.sql(sql).optimized_logical_plan(), session))
        return since(before), metrics

    _, cold = run("select sum(id) from t where id >= 100")
    assert cold["files_considered"] == 3
    assert cold["files_scanned"] == 2
    assert (cold["footer_cache_hits"], cold["footer_cache_misses"]) == (0, 2)
    made, warm = run("select sum(x) from t where id >= 100 and x >= 0")
    assert set(made) == {"get"}
    assert made["get"] == warm["requests"] == 2
    assert warm["footer_cache_misses"] == 0
    assert warm["footer_cache_hits"] >= 2
    assert cold["requests"] > warm["requests"]


def test_the_leaf_keeps_footers_too(session: SessionContext) -> None:
    def run() -> dict[str, int]:
        before = dfd_native.request_counts()
        session.sql("select sum(x) from t where id >= 0").collect()
        return since(before)

    cold, warm = run(), run()
    assert set(warm) == {"get"}
    assert warm["get"] == 3 < cold["get"]


def test_one_look_at_the_log_brings_a_table_up_to_date(uri: str, tmp_path: Path) -> None:
    table = dfd_native.delta_table(uri)
    before = dfd_native.request_counts()
    assert table.refreshed() is None
    # At the commit that it stands on, and at the one that would follow.
    assert since(before) == {"head": 2}
    write_deltalake(tmp_path / "t", pa.table({"id": [1000], "x": [3]}), mode="append")
    before = dfd_native.request_counts()
    newer = table.refreshed()
    assert newer is not None
    assert newer.version == 3
    # Beside the hint at the newest checkpoint, the new commit alone is read.
    assert since(before)["get"] == 2


def test_a_table_that_was_opened_is_shared(uri: str) -> None:
    dfd_native.delta_table(uri)
    before, stats = dfd_native.request_counts(), dfd_native.cache_stats()["snapshot"]
    dfd_native.delta_table(uri)
    dfd_native.delta_table(uri, version=2)
    made = since(before)
    assert made == {"head": 3}
    after = dfd_native.cache_stats()["snapshot"]
    assert (after["hits"] - stats["hits"], after["misses"]) == (2, stats["misses"])
    assert after["entries"] > 0 < after["bytes"]


def test_a_table_made_anew_is_not_taken_for_the_old_one(uri: str, tmp_path: Path) -> None:
    table = dfd_native.delta_table(uri)
    pinned = dfd_native.delta_table(uri, version=0)
    shutil.rmtree(tmp_path / "t")
    for value in ("a", "b", "c", "d"):
        write_deltalake(tmp_path / "t", pa.table({"other": [value]}), mode="append")
    newer = table.refreshed()
    assert newer is not None
    assert pa.schema(newer).names == ["other"]
    for version in (None, 0):
        assert pa.schema(dfd_native.delta_table(uri, version=version)).names == ["other"]
    assert pa.schema(pinned).names == ["id", "x"]


def test_commits_are_found_behind_a_log_that_was_cleaned_up(uri: str, tmp_path: Path) -> None:
    log, later = tmp_path / "t/_delta_log", tmp_path / "later"
    DeltaTable(tmp_path / "t").create_checkpoint()
    shutil.copytree(log, tmp_path / "first")
    for n in range(2):
        write_deltalake(tmp_path / "t", pa.table({"id": [n], "x": [n]}), mode="append")
    DeltaTable(tmp_path / "t").create_checkpoint()
    log.rename(later)
    # A checkpoint alone, then one of two versions later: neither has the commit between.
    shutil.copytree(tmp_path / "first", log, ignore=shutil.ignore_patterns("*.json"))
    table = dfd_native.delta_table(uri)
    assert (table.version, table.refreshed()) == (2, None)
    between = shutil.ignore_patterns(*(f"{version:020}.json" for version in range(4)))
    shutil.copytree(later, log, ignore=between, dirs_exist_ok=True)
    newer = table.refreshed()
    assert newer is not None
    assert newer.version == 4


def test_a_table_that_is_gone_is_an_error(uri: str, tmp_path: Path) -> None:
    table = dfd_native.delta_table(uri)
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(dfd_native.TableError):
        table.refreshed()
    with pytest.raises(dfd_native.TableError):
        dfd_native.delta_table(uri)


def test_footers_of_an_engine_go_with_it(session: SessionContext) -> None:
    gc.collect()  # Engines of other tests are gone.
    before = dfd_native.cache_stats()["parquet_meta"]["entries"]
    engine = dfd_native.Engine()
    plan = session.sql("select sum(x) from t").optimized_logical_plan()
    pa.table(engine.run(plan, session))
    held = dfd_native.cache_stats()["parquet_meta"]
    assert held["entries"] - before == 3
    assert held["bytes"] > 0
    del engine
    assert dfd_native.cache_stats()["parquet_meta"]["entries"] == before


def test_an_engine_without_a_footer_cache_reads_them_again(
    session: SessionContext, metrics_of: MetricsOf
) -> None:
    engine = dfd_native.Engine(parquet_metadata_limit_bytes=0)
    plan = session.sql("select sum(x) from t").optimized_logical_plan()
    for _ in range(2):
        assert metrics_of(engine.run(plan, session))["footer_cache_misses"] == 3
