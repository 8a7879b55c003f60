"""Tables that are pinned: every way of reading stays at one version, until it is moved or let go."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pytest
from datafusion import col, lit
from datafusion import functions as f
from deltalake import DeltaTable, write_deltalake


def append(uri: Path) -> None:
    write_deltalake(uri, pa.table({"n": [1]}), mode="append")


def rows(runtime: dfd.Runtime, table: str = "t") -> int:
    found = runtime.sql(f"select count(*) from {table}").to_arrow_table()
    return int(found.column(0)[0].as_py())


def test_a_pin_holds_for_every_way_of_reading(runtime: dfd.Runtime, uri: Path) -> None:
    session = runtime.session
    kept = session.table("t").aggregate([], [f.count_star()])
    runtime.sql("create view seen as select * from t")
    ways = {
        "sql": lambda: rows(runtime),
        "view": lambda: rows(runtime, "seen"),
        "kept": lambda: int(runtime.query(kept).to_arrow_table().column(0)[0].as_py()),
        "plain": lambda: int(session.sql("select count(*) as n from t").to_pydict()["n"][0]),
        "plain kept": lambda: int(kept.collect()[0].column(0)[0].as_py()),
    }
    with runtime.pin("t") as pin:
        assert pin.versions == {"t": 0}
        for _ in range(3):
            append(uri)
            assert {name: ask() for name, ask in ways.items()} == dict.fromkeys(ways, 1)
        (table,) = runtime.tables()
        assert (table.version, table.pinned) == (0, True)
        # By its URI it is the newest, as every query that isn't of the name.
        assert rows(runtime, f"read_delta('{uri}')") == 4
    assert {name: ask() for name, ask in ways.items()} == dict.fromkeys(ways, 4)
    assert not runtime.tables()[0].pinned


def test_several_tables_are_pinned_at_once(runtime: dfd.Runtime, uri: Path, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "u", pa.table({"n": [1, 2]}))
    runtime.register('"U"', tmp_path / "u")
    append(uri)
    before = datetime.now(timezone.utc)
    pin = runtime.pin()
    assert pin.versions == {"t": 1, '"U"': 0}
    assert before <= pin.at <= datetime.now(timezone.utc)
    append(uri)
    append(tmp_path / "u")
    assert (rows(runtime), rows(runtime, '"U"')) == (2, 2)
    assert runtime.refresh('"U"') == {'"U"': 1}
    assert (rows(runtime), rows(runtime, '"U"')) == (2, 3)
    runtime.unpin()
    assert (rows(runtime), rows(runtime, '"U"')) == (3, 3)


def test_a_pin_lets_go_of_what_it_has_pinned_alone(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.register("old", uri, version=0)
    append(uri)
    with runtime.pin("t", "old") as pin:
        assert pin.versions == {"t": 1, "old": 0}
        runtime.unregister("t")
    assert [(table.name, table.pinned) for table in runtime.tables()] == [("old", True)]
    runtime.unpin("old")
    assert rows(runtime, "old") == 2


def test_staleness_is_counted_in_versions_and_seconds(runtime: dfd.Runtime, uri: Path) -> None:
    fresh = runtime.staleness("t")
    assert (fresh.version, fresh.newest, fresh.versions_behind, fresh.behind_s) == (0, 0, 0, 0.0)
    runtime.pin("t")
    for _ in range(2):
        append(uri)
    # By the time of the first that isn't read.
    since = datetime.fromtimestamp((uri / f"_delta_log/{1:020}.json").stat().st_mtime, timezone.utc)
    stale = runtime.staleness("t")
    behind_s = (datetime.now(timezone.utc) - since) / timedelta(seconds=1)
    assert (stale.version, stale.newest, stale.versions_behind) == (0, 2, 2)
    assert stale.behind_s == pytest.approx(behind_s, abs=1)
    runtime.unpin("t")
    assert runtime.staleness("t").versions_behind == 0


def test_what_can_t_be_pinned_says_so(runtime: dfd.Runtime, uri: Path, tmp_path: Path) -> None:
    for asked in (runtime.pin, runtime.unpin, runtime.refresh, runtime.staleness):
        with pytest.raises(dfd.ConfigurationError, match=r"'other' is no Delta table .* are: t"):
            asked("other")
    uri.rename(tmp_path / "elsewhere")
    for asked in (runtime.pin, runtime.refresh, runtime.staleness):
        with pytest.raises(dfd.QueryError, match="can't be brought up to date"):
            asked("t")
    assert not runtime.tables()[0].pinned


def test_a_pinned_table_isn_t_changed_by_its_name(runtime: dfd.Runtime, uri: Path) -> None:
    with runtime.pin("t"):
        with pytest.raises(dfd.QueryError, match="Unpin it"):
            runtime.sql("delete from t")
        # By its place it may be; the pin stays.
        runtime.write(uri, pa.table({"n": [5]}))
        assert rows(runtime) == 1
    assert rows(runtime) == 2
    assert DeltaTable(uri).version() == 1


def test_tables_and_their_pins_are_listed_in_sql(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.register('"Old"', uri, version=0)
    append(uri)
    listed = 'select "table", uri, version, pinned from dfd_tables() order by pinned'
    rows(runtime)
    location = uri.as_uri()
    assert runtime.sql(listed).to_arrow_table().to_pylist() == [
        {"table": "t", "uri": location, "version": 1, "pinned": False},
        {"table": "Old", "uri": location, "version": 0, "pinned": True},
    ]
    with runtime.pin():
        append(uri)
        pinned = runtime.sql("select version from dfd_tables() where pinned").to_arrow_table()
        assert sorted(pinned["version"].to_pylist()) == [0, 1]


def test_a_file_that_is_gone_under_a_pin_is_told(runtime: dfd.Runtime, uri: Path) -> None:
    """On both routes, with the file; rows that are left aren't given."""
    append(uri)
    runtime.pin("t")
    gone = DeltaTable(uri).file_uris()[0]
    Path(gone.removeprefix("file://")).unlink()
    runtime.sql("set datafusion.execution.target_partitions = 2")
    frame = runtime.session.table("t")
    queries = {
        "engine": runtime.sql("select sum(n) from t"),
        # A DataFrame's `abs` may be Spark's: such a plan stays in the session.
        "session": runtime.query(frame.filter(f.abs(col("n")) > lit(-1))),
    }
    for route, query in queries.items():
        assert query.route == route
        for read in (query.to_arrow_table, lambda query=query: list(query.reader())):
            with pytest.raises(dfd.SnapshotGone, match=r"is gone.*refresh the pin") as raised:
                read()
            error = raised.value
            assert (error.table, error.version) == (uri.as_uri() + "/", 1)
            assert gone.endswith(error.file)
            assert "VACUUM" in error.remedy
            assert error.query_id == query.id


def test_a_warm_pinned_query_asks_nothing_of_the_log(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.pin("t")
    rows(runtime)
    runtime.sql("select sum(n) from t").to_arrow_table()
    before = dfd_native.request_counts()
    runtime.sql("select max(n) from t where n < 9").to_arrow_table()
    after = dfd_native.request_counts()
    made = {kind: count - before[kind] for kind, count in after.items() if count != before[kind]}
    assert made == {"get": 1}
