"""The runtime: tables in the session, mutations under policy, everything observed."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dfd
import dfd_cache
import dfd_native
import dfd_obs
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd.profile import AGGREGATE_FILTERS, measured_settings
from dfd_cache import CacheConfig
from dfd_delta_policy import DeltaRetryPolicy, Status
from dfd_obs import ObservabilityConfig


def ids(runtime: dfd.Runtime, sql: str = "select id from t order by id") -> list[int]:
    found: list[int] = runtime.sql(sql).to_arrow_table()["id"].to_pylist()
    return found


def test_a_query_sees_the_newest_version_and_a_pinned_one_its_own(
    runtime: dfd.Runtime, uri: Path
) -> None:
    runtime.register("pinned", uri, pinned=True)
    runtime.register("first", uri, version=0)
    runtime.write(uri, pa.table({"id": [5], "s": ["e"], "p": ["x"]}))
    assert ids(runtime) == [1, 2, 3, 4, 5]
    for name in ("pinned", "first"):
        assert ids(runtime, f"select id from {name} order by id") == [1, 2, 3, 4]


def test_a_timestamp_finds_its_version(runtime: dfd.Runtime, uri: Path) -> None:
    between = datetime.now(timezone.utc)
    runtime.delete(uri, "id = 1")
    runtime.register("before", uri, timestamp=between)
    assert ids(runtime, "select id from before order by id") == [1, 2, 3, 4]


def test_register_refuses_what_is_not_there(runtime: dfd.Runtime, uri: Path) -> None:
    with pytest.raises(dfd.QueryError, match="missing"):
        runtime.register("x", uri.parent / "missing")
    with pytest.raises(dfd.QueryError, match="7"):
        runtime.register("x", uri, version=7)
    with pytest.raises(dfd.ConfigurationError, match="not both"):
        runtime.register("x", uri, version=0, timestamp=datetime.now(timezone.utc))


def test_every_mutation_lands_and_is_observed(runtime: dfd.Runtime, uri: Path) -> None:
    more = pa.table({"id": [4, 5], "s": ["D", "e"], "p": ["y", "y"]})
    assert runtime.update(uri, {"s": "'A'"}, "id = 1").status is Status.COMMITTED
    assert runtime.delete(uri, "id = 2").status is Status.COMMITTED
    merge = runtime.merge(uri, more, "s.id = t.id")
    assert merge.when_matched_update_all().when_not_matched_insert_all().execute().version == 3
    assert runtime.write(uri, more, mode="overwrite", predicate="p = 'y'").version == 4
    assert ids(runtime) == [1, 4, 5]
    runtime.write(uri, pa.table({"id": [6], "s": ["f"], "p": ["y"]}))
    assert runtime.optimize(uri).status is Status.COMMITTED
    assert runtime.vacuum(uri).metrics["dry_run"] is True
    assert runtime.restore(uri, 0).status is Status.COMMITTED
    assert ids(runtime) == [1, 2, 3, 4]
    names = [record.operation for record in runtime.observer.operations]
    assert names == (
        [
            "append",
            "update",
            "delete",
            "merge",
            "overwrite",
            "append",
            "optimize",
            "vacuum",
            "restore",
        ]
    )
    run_id = dfd_obs.current_run().id
    assert {record.run_id for record in runtime.observer.operations} == {run_id}
    assert {c["dfd.run_id"] for c in runtime.table(uri).history()} == {run_id}


def test_a_table_is_made_with_what_it_is_for(runtime: dfd.Runtime, uri: Path) -> None:
    made = uri.parent / "made"
    query = runtime.sql("select id, p from t")
    outcome = runtime.create_table(
        made,
        query.schema,
        partition_by=["p"],
        properties={"delta.appendOnly": "true"},
        description="of t",
        commit_metadata={"userMetadata": "the first"},
    )
    assert (outcome.status, outcome.version) == (Status.COMMITTED, 0)
    runtime.write(made, query)
    runtime.register("made", made)
    assert ids(runtime, "select id from made order by id") == [1, 2, 3, 4]
    found = runtime.sql(
        f"select user_metadata as said from delta_history('{made}') where version = 0"
    )
    assert found.to_arrow_table()["said"].to_pylist() == ["the first"]
    assert DeltaTable(made).metadata().description == "of t"
    with pytest.raises(dfd.DfdError, match="append"):
        runtime.delete(made)


def test_an_append_is_sent_twice_and_lands_once(runtime: dfd.Runtime, uri: Path) -> None:
    data = pa.table({"id": [9], "s": ["z"], "p": ["x"]})
    for status in (Status.COMMITTED, Status.ALREADY_COMMITTED):
        assert runtime.write(uri, data, app_id="loader", app_version=1).status is status
    assert ids(runtime) == [1, 2, 3, 4, 9]


def test_a_query_writes_a_table_batch_by_batch(runtime: dfd.Runtime, uri: Path) -> None:
    other = uri.parent / "other"
    runtime.write(other, runtime.sql("select id * 10 as id from t where id > 2"))
    runtime.register("other", other)
    assert ids(runtime, "select id from other order by id") == [30, 40]


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "ignore"},
        {"predicate": "id = 1"},
        {"schema_mode": "overwrite"},
    ],
)
def test_write_refuses_arguments_that_do_not_belong_together(
    runtime: dfd.Runtime, uri: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises(dfd.ConfigurationError):
        runtime.write(uri, pa.table({"id": [9]}), **arguments)
    assert ids(runtime) == [1, 2, 3, 4]


def test_the_block_of_a_runtime_is_a_run_and_joins_the_one_around_it() -> None:
    with dfd_obs.run("outer"), dfd.connect():
        assert dfd_obs.current_run().id == "outer"
    with dfd.connect() as runtime:
        first = dfd_obs.current_run().id
        runtime.close()
        runtime.close()
    with dfd.connect():
        assert dfd_obs.current_run().id != first


def test_overrides_and_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "dfd.toml"
    profile.write_text(
        '[retry]\nattempts = 3\n[session]\n"datafusion.execution.batch_size" = "99"\n'
    )
    monkeypatch.setenv("DFD_PROFILE", str(profile))
    runtime = dfd.connect(cache=CacheConfig.off())
    assert runtime.profile.retry == DeltaRetryPolicy(attempts=3)
    assert runtime.cache.settings["datafusion.runtime.metadata_cache_limit"] == "0"
    (shown,) = runtime.session.sql("show datafusion.execution.batch_size").to_pydict()["value"]
    assert shown == "99"
    with pytest.raises(dfd.ConfigurationError, match="nonsense"):
        dfd.connect(nonsense=1)


def test_the_report_tells_what_ran(uri: Path) -> None:
    with dfd.connect(observability=ObservabilityConfig(slow_query_ms=0)) as runtime:
        runtime.register("t", uri, version=0)
        query = runtime.sql("select * from t")
        query.to_arrow_table()
        report = runtime.report().to_dict()
    assert report["capabilities"] == dfd_native.capabilities_snapshot()
    assert report["tables"] == [{"name": "t", "uri": f"file://{uri}", "version": 0, "pinned": True}]
    (slow,) = report["slow_queries"]
    assert slow["query_id"] == query.id
    assert "DataSourceExec" in str(slow["plan"]["Plan"]["Plans"])
    assert slow["plan"]["Plan"]["Actual Rows"] == slow["rows"]
    assert slow["tables"] == {"t": 0}
    assert report["caches"]["applied"]["read_back"] is True
    counted, now = report["caches"]["counted"], dfd_native.cache_stats()
    assert counted.keys() == now.keys()
    # Work of other tests may go on.
    assert all(counted[name]["misses"] <= now[name]["misses"] for name in now)
    assert counted["snapshot"]["entries"] > 0


def test_tables_that_a_query_names_are_brought_up_to_date(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path
) -> None:
    for name in ("other", 'odd "one"'):
        runtime.write(tmp_path / name, pa.table({"n": [1]}))
        runtime.register(name if name == "other" else '"odd ""one"""', tmp_path / name)
        runtime.write(tmp_path / name, pa.table({"n": [2]}))

    def looks(sql: str) -> tuple[list[dict[str, object]], int]:
        before = dfd_native.request_counts()["list"]
        rows = runtime.sql(sql).to_arrow_table().to_pylist()
        return rows, dfd_native.request_counts()["list"] - before

    runtime.write(uri, runtime.session.table("t").to_arrow_table(), mode="overwrite")
    assert looks("select count(*) as n from T where id > 0") == ([{"n": 4}], 1)
    assert looks("select sum(n) as n from OTHER") == ([{"n": 3}], 1)
    assert looks('select sum(n) as n from "odd ""one"""') == ([{"n": 3}], 1)
    assert looks("select sum(n) as n from other") == ([{"n": 3}], 0)
    assert looks("select 1 as n") == ([{"n": 1}], 0)
    runtime.register("t", uri, pinned=True)
    assert looks("select count(*) as n from t where id > 0") == ([{"n": 4}], 0)


def test_tables_by_their_location(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql(f"select id from read_delta('{uri}', 0) where p = 'y' order by id")
    assert query.route == "engine"
    assert query.to_arrow_table().to_pydict() == {"id": [3, 4]}
    history = runtime.sql(f"select operation from delta_history('{uri}')")
    assert history.route == "engine"
    assert history.to_arrow_table().num_rows == 1
    counted = runtime.sql("select cache, entries from dfd_cache_stats() order by cache")
    stats = {row["cache"]: row["entries"] for row in counted.to_arrow_table().to_pylist()}
    assert set(stats) == set(dfd_cache.cache_stats())


def test_settings_are_measured_ones_and_the_users_own() -> None:
    own = {"datafusion.execution.batch_size": "99"}
    runtime = dfd.connect(session=own)
    settings = runtime.profile.settings
    assert settings == {**measured_settings(), **own, AGGREGATE_FILTERS: "false"}
    shown = runtime.session.sql("select name, value from information_schema.df_settings")
    found = {row["name"]: row["value"] for row in shown.to_arrow_table().to_pylist()}
    assert {name: found[name] for name in settings} == settings
