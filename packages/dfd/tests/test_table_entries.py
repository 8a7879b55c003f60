"""Names that a profile gives to tables and folders of tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import dfd
import pyarrow as pa
import pytest

ROWS = pa.table({"id": [1, 2]})


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    with dfd.connect() as runtime:
        for name in ("lake/orders", "lake/items", "old"):
            runtime.write(tmp_path / name, ROWS)
        runtime.write(tmp_path / "old", ROWS)
    file = tmp_path / "dfd.toml"
    file.write_text(
        f"""
        [[schema]]
        name = "lake"
        uri = "{tmp_path}/lake"
        [[table]]
        name = "Old"
        uri = "{tmp_path}/old"
        [[table]]
        name = "first"
        uri = "{tmp_path}/old"
        version = 0
        [[table]]
        name = "lake.new"
        uri = "{tmp_path}/elsewhere"
        """
    )
    return file


@pytest.fixture
def named(profile: Path) -> Iterator[dfd.Runtime]:
    with dfd.connect(profile) as runtime:
        yield runtime


def count(runtime: dfd.Runtime, table: str) -> object:
    return runtime.sql(f"select count(*) from {table}").fetch_one()


def test_tables_are_found_when_sql_names_them(named: dfd.Runtime) -> None:
    assert named.tables() == []
    assert count(named, "old") == (4,)
    assert [table.name for table in named.tables()] == ["Old"]
    assert count(named, "FIRST") == (2,)
    assert count(named, "lake.orders") == (2,)
    shown = named.sql("show tables").to_arrow_table()["table_name"].to_pylist()
    assert {"old", "first", "orders", "items"} <= set(shown)


def test_mutations_take_names(named: dfd.Runtime, tmp_path: Path) -> None:
    assert named.delete("old", "id = 1").version == 2
    assert named.write("lake.orders", ROWS).version == 1
    assert (named.abandoned_stages("old"), count(named, "lake.orders")) == ([], (4,))
    named.register("first", tmp_path / "old", version=0)
    with pytest.raises(dfd.QueryError, match="stands for version 0"):
        named.update("first", {"id": "0"})


def test_a_table_that_is_not_there_yet(named: dfd.Runtime, tmp_path: Path) -> None:
    with pytest.raises(dfd.QueryError, match=r"'new' is a table of the profile.*elsewhere"):
        count(named, "lake.new")
    assert named.write("lake.new", ROWS).version == 0
    assert (tmp_path / "elsewhere" / "_delta_log").is_dir()
    assert count(named, "lake.new") == (2,)


def test_a_name_that_was_taken_out_stays_away(named: dfd.Runtime) -> None:
    assert count(named, "old") == (4,)
    assert named.unregister("old")
    with pytest.raises(dfd.QueryError, match="'old' not found"):
        count(named, "old")


def test_sql_makes_a_table_at_its_place(named: dfd.Runtime, tmp_path: Path) -> None:
    named.sql("create table lake.new (n bigint) using delta; insert into lake.new values (7)")
    assert named.sql("select n from lake.new").fetch_all() == [(7,)]
    assert (tmp_path / "elsewhere" / "_delta_log").is_dir()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"name": "raw.t", "uri": "/x"}, "no schema"),
        ({"name": "t", "uri": "/x", "verson": 1}, "Did you mean `version`"),
        ({"name": "t", "uri": "/x", "version": 1, "timestamp": datetime.now(timezone.utc)}, "one"),
        ({"name": "t", "uri": "/x", "timestamp": datetime(2026, 1, 1)}, "time zone"),
        ({"name": "t"}, "uri"),
    ],
)
def test_entries_that_are_refused(entry: dict[str, object], says: str) -> None:
    with pytest.raises(dfd.ConfigurationError, match=says):
        dfd.connect(dfd.DataFusionRuntimeProfile.from_toml({"table": [entry]}))


def test_one_name_is_one_table() -> None:
    twice = [{"name": "t", "uri": "/x"}, {"name": "T", "uri": "/y"}]
    with pytest.raises(dfd.ConfigurationError, match="Two"):
        dfd.connect(dfd.DataFusionRuntimeProfile.from_toml({"table": twice}))
