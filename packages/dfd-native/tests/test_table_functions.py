"""Delta tables in SQL by their location, on both routes."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import CommitProperties, DeltaTable, write_deltalake


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a table"
    feed = {"delta.enableChangeDataFeed": "true"}
    rows = pa.table({"id": [1, 2, 3, 4], "p": ["x", "x", "y", None]})
    write_deltalake(path, rows, partition_by=["p"], configuration=feed)
    write_deltalake(
        path,
        pa.table({"id": [5], "p": ["z"]}),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={"run": "seven"}),
    )
    DeltaTable(path).delete("id = 1")
    return path


@pytest.fixture
def session() -> SessionContext:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    dfd_native.register_table_functions(made)
    return made


def both_routes(session: SessionContext, sql: str) -> list[dict[str, object]]:
    """The rows of the session, after the engine gave the same."""
    frame = session.sql(sql)
    wanted = frame.to_arrow_table().to_pylist()
    run = dfd_native.Engine().run(
        session.sql(sql).optimized_logical_plan(), session, frame.schema()
    )
    assert pa.table(run).to_pylist() == wanted
    return wanted


def test_rows_of_the_newest_and_of_an_older_version(session: SessionContext, table: Path) -> None:
    newest = f"select id from read_delta('{table}') where p = 'x' or p = 'z' order by id"
    assert both_routes(session, newest) == [{"id": 2}, {"id": 5}]
    first = f"select count(*) as n from read_delta('{table.as_uri()}', 0) where id < 3"
    assert both_routes(session, first) == [{"n": 2}]


@pytest.mark.parametrize(
    ("time", "count"),
    [
        ("2024-01-01T00:00:00Z", 4),
        ("2024-01-04T23:59:59.999+00:00", 4),
        ("2024-01-05T02:00:00+02:00", 5),
        ("2024-01-09", None),
        ("2024-01-10 00:00:00z", 4),
        ("2999-01-01T00:00:00Z", 4),
        ("2023-12-31T23:59:59Z", None),
        ("yesterday", None),
    ],
)
def test_rows_that_were_there_at_a_time(
    session: SessionContext, table: Path, time: str, count: int | None
) -> None:
    for version, day in enumerate((1, 5, 10)):
        moment = datetime(2024, 1, day, tzinfo=timezone.utc).timestamp()
        os.utime(table / f"_delta_log/{version:020}.json", (moment, moment))
    sql = f"select count(*) as n from read_delta('{table}', '{time}')"
    if count is None:
        with pytest.raises(Exception, match=r"time zone|A time is|version 0, of 2024-01-01"):
            session.sql(sql)
    else:
        assert both_routes(session, sql) == [{"n": count}]


def test_each_query_reads_the_newest_version(session: SessionContext, table: Path) -> None:
    sql = f"select count(*) as n from read_delta('{table}')"
    assert both_routes(session, sql) == [{"n": 4}]
    write_deltalake(table, pa.table({"id": [6], "p": ["z"]}), mode="append")
    assert both_routes(session, sql) == [{"n": 5}]


def test_history(session: SessionContext, table: Path) -> None:
    found = both_routes(session, f"select * from delta_history('{table}')")
    wanted = DeltaTable(table).history()
    assert [row["version"] for row in found] == [2, 1, 0]
    for row, commit in zip(found, wanted, strict=True):
        assert row["operation"] == commit["operation"]
        assert row["engine_info"] == commit["engineInfo"]
        moment = row["timestamp"]
        assert int(moment.timestamp() * 1000) == commit["timestamp"]  # type: ignore[attr-defined]
    assert json.loads(str(found[1]["commit_info"]))["run"] == "seven"
    operations = f"select version from delta_history('{table}') where operation = 'DELETE'"
    assert both_routes(session, operations) == [{"version": 2}]


def test_files(session: SessionContext, table: Path) -> None:
    found = both_routes(session, f"select * from delta_files('{table}') order by path")
    wanted = DeltaTable(table).get_add_actions(flatten=True)
    wanted = sorted(pa.table(wanted).to_pylist(), key=lambda row: row["path"])
    assert len(found) == len(wanted)
    for row, add in zip(found, wanted, strict=True):
        assert row["path"] == add["path"]
        assert row["size_bytes"] == add["size_bytes"]
        assert row["num_records"] == add["num_records"]
        assert json.loads(str(row["partition_values"])) == {"p": add["partition.p"]}
        assert json.loads(str(row["stats"]))["numRecords"] == add["num_records"]
        assert row["deleted_records"] == 0


def test_changes(session: SessionContext, table: Path) -> None:
    sql = (
        "select id, _change_type as kind, _commit_version as version"
        f" from read_delta_cdf('{table}', 1) order by version, id"
    )
    assert both_routes(session, sql) == [
        {"id": 5, "kind": "insert", "version": 1},
        {"id": 1, "kind": "delete", "version": 2},
    ]
    some = f"select count(*) as n from read_delta_cdf('{table}', 0, 1) where id > 1"
    assert both_routes(session, some) == [{"n": 4}]


def test_cache_statistics(session: SessionContext, table: Path) -> None:
    dfd_native.delta_table(table.as_uri())
    (row,) = both_routes(session, "select * from dfd_cache_stats() where cache = 'snapshot'")
    stats = dfd_native.cache_stats()["snapshot"]
    assert {key: row[key] for key in stats} == stats


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("read_delta('/nowhere/at/all')", "nowhere"),
        ("read_delta('s3://bucket/t')", "storage profile"),
        ("read_delta(7)", "text"),
        ("read_delta('{table}', -1)", "number from 0"),
        ("read_delta('{table}', 9)", "9"),
        ("read_delta_cdf('{table}', 'x')", "number from 0"),
    ],
)
def test_what_cannot_be_read_is_said(
    session: SessionContext, table: Path, call: str, reason: str
) -> None:
    with pytest.raises(Exception, match=reason):
        session.sql("select * from " + call.replace("{table}", str(table))).collect()
