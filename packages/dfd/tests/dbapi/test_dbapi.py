"""The rules of PEP 249, one after the other."""

from __future__ import annotations

import datetime
import inspect
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import dfd
import pandas as pd
import pyarrow as pa
import pytest
from dfd import dbapi

BIG = "select value as n from generate_series(1, 300000)"


@pytest.fixture
def connection(runtime: dfd.Runtime, uri: Path) -> Iterator[dbapi.Connection]:
    with dbapi.connect(runtime=runtime) as connected:
        yield connected


@pytest.fixture
def cursor(connection: dbapi.Connection) -> dbapi.Cursor:
    return connection.cursor()


def test_the_module_says_what_it_is() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 2, "named")
    assert [name for name in dbapi.__all__ if not hasattr(dbapi, name)] == []


def test_the_tree_of_errors() -> None:
    tree = {
        dbapi.Error: Exception,
        dbapi.Warning: Exception,
        dbapi.InterfaceError: dbapi.Error,
        dbapi.DatabaseError: dbapi.Error,
        **dict.fromkeys((dbapi.DataError, dbapi.OperationalError, dbapi.IntegrityError, dbapi.InternalError, dbapi.ProgrammingError, dbapi.NotSupportedError), dbapi.DatabaseError),
    }  # fmt: skip
    assert all(issubclass(kind, parent) for kind, parent in tree.items())
    assert not issubclass(dbapi.Warning, dbapi.Error)
    for kind in tree:
        assert getattr(dbapi.Connection, kind.__name__) is kind


def test_a_query_and_its_rows(cursor: dbapi.Cursor) -> None:
    assert (cursor.description, cursor.rowcount, cursor.arraysize) == (None, -1, 1)
    assert cursor.execute("select id, s from t order by id") is cursor
    assert cursor.description is not None
    assert [column[:2] for column in cursor.description] == [("id", pa.int64()), ("s", pa.string())]
    assert {len(column) for column in cursor.description} == {7}
    assert cursor.rowcount == -1
    assert cursor.fetchone() == (1, "a")
    assert cursor.fetchmany() == [(2, "b")]
    assert cursor.fetchmany(1) == [(3, None)]
    assert cursor.fetchall() == [(4, "d")]
    assert (cursor.fetchone(), cursor.fetchmany(5), cursor.fetchall()) == (None, [], [])
    cursor.arraysize = 3
    assert len(cursor.execute("select id from t").fetchmany()) == 3
    assert sorted(cursor.execute("select id from t")) == [(1,), (2,), (3,), (4,)]


def test_no_more_is_read_than_is_fetched(cursor: dbapi.Cursor, runtime: dfd.Runtime) -> None:
    cursor.execute(BIG)
    assert cursor.fetchone() == (1,)
    cursor.close()
    record = runtime.observer.records[-1]
    assert (record.status, record.rows < 300_000) == ("abandoned", True)


def test_types_are_equal_to_their_group(cursor: dbapi.Cursor) -> None:
    cursor.execute(
        "select 'a' as s, X'00' as b, 1.5 as f, cast(1 as decimal(5, 2)) as d, current_date() as day, now() as at"
    )
    groups = (
        dbapi.STRING,
        dbapi.BINARY,
        dbapi.NUMBER,
        dbapi.NUMBER,
        dbapi.DATETIME,
        dbapi.DATETIME,
    )
    assert cursor.description is not None
    for (_, kind, *_), group in zip(cursor.description, groups, strict=True):
        assert kind == group
        assert [other for other in set(groups) if kind == other] == [group]


def test_constructors(cursor: dbapi.Cursor) -> None:
    values = {
        "day": dbapi.Date(2026, 1, 31),
        "at": dbapi.Timestamp(2026, 1, 31, 12, 30),
        "b": dbapi.Binary(b"\x00\xff"),
        "d": Decimal("1.50"),
        "n": None,
        "s": "it's :not $one",
    }
    cursor.execute("select :day, :at, :b, :d, :n, :s", values)
    assert cursor.fetchone() == tuple(values.values())
    assert dbapi.Time(1, 2, 3) == datetime.time(1, 2, 3)
    moment = datetime.datetime(2026, 1, 31, 12)
    ticks = moment.timestamp()
    assert dbapi.TimestampFromTicks(ticks) == moment
    assert (dbapi.DateFromTicks(ticks), dbapi.TimeFromTicks(ticks)) == (
        moment.date(),
        moment.time(),
    )


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("select :a + $a", (14,)),
        ('select \':a\', ":a" from (select 1 as ":a")', (":a", 1)),
        ("select :a::double -- :a\n /* :a */", (7.0,)),
        ("select [1, 2, 3][1:2], :a", ([1, 2], 7)),
    ],
)
def test_placeholders(cursor: dbapi.Cursor, sql: str, row: tuple[Any, ...]) -> None:
    assert cursor.execute(sql, {"a": 7}).fetchone() == row


def test_statements_that_change_a_table(cursor: dbapi.Cursor, uri: Path) -> None:
    cursor.execute("insert into t values (:id, 'new', 'x'), (6, 'new', 'x')", {"id": 5})
    assert (cursor.description, cursor.rowcount) == (None, 2)
    assert cursor.outcome is not None
    assert cursor.outcome.version == 1
    assert cursor.execute("update t set s = 'old' where id > 4").rowcount == 2
    assert cursor.execute("delete from t where id = :id", {"id": 6}).rowcount == 1
    merged = "merge into t using (select 5 as id) as s on t.id = s.id when matched then delete"
    assert cursor.execute(merged).rowcount == 1
    with pytest.raises(dbapi.InterfaceError, match="no rows"):
        cursor.fetchone()
    cursor.executemany("delete from t where id = :id", [{"id": 1}, {"id": 2}, {"id": 99}])
    assert cursor.rowcount == 2
    assert cursor.execute("select count(*) from t").fetchall() == [(2,)]
    assert cursor.execute("create view v as select 1").description is None
    with pytest.raises(dbapi.ProgrammingError, match="no rows"):
        cursor.executemany("select :a", [{"a": 1}])


def test_commit_and_rollback(connection: dbapi.Connection) -> None:
    assert connection.commit() is None
    with pytest.raises(dbapi.NotSupportedError, match="RESTORE"):
        connection.rollback()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("selec 1", dbapi.ProgrammingError),
        ("select nope from t", dbapi.ProgrammingError),
        ("select * from nope", dbapi.ProgrammingError),
        ("delete from nope where true", dbapi.ProgrammingError),
        ("delete from t where nope = 1", dbapi.ProgrammingError),
        ("select 1; select nope from t", dbapi.ProgrammingError),
        ("select 1 / (id - id) from t", dbapi.OperationalError),
        ("alter table t add constraint c check (id > 100)", dbapi.IntegrityError),
        ("insert into t values ('no number', 's', 'p')", dbapi.IntegrityError),
        ("select * from read_delta('s3://bucket/t')", dbapi.DatabaseError),
    ],
)
def test_errors(cursor: dbapi.Cursor, sql: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        cursor.execute(sql).fetchall()
    assert isinstance(raised.value, dfd.DfdError)
    assert raised.value.__cause__ is not None


def test_parameters_are_named(cursor: dbapi.Cursor) -> None:
    with pytest.raises(dbapi.ProgrammingError, match="named"):
        cursor.execute("select :a", [1])  # type: ignore[arg-type]


def test_what_is_closed_is_not_used(runtime: dfd.Runtime, uri: Path) -> None:
    connection = dbapi.connect(runtime=runtime)
    cursor = connection.cursor().execute("select 1")
    other = connection.cursor()
    other.close()
    other.close()
    for use in (lambda: other.execute("select 1"), other.fetchone, other.fetchall):
        with pytest.raises(dbapi.Error, match="cursor is closed"):
            use()
    connection.close()
    connection.close()
    for use in (cursor.fetchone, connection.cursor, connection.commit, connection.rollback):
        with pytest.raises(dbapi.Error, match="connection is closed"):
            use()
    # It isn't the connection's runtime.
    assert runtime.sql("select 1").fetch_one() == (1,)


def test_a_connection_makes_its_own_runtime(tmp_path: Path, uri: Path) -> None:
    (tmp_path / "dfd.toml").write_text(f'[[table]]\nname = "orders"\nuri = "{uri}"\n')
    with dbapi.connect(tmp_path / "dfd.toml") as connection, connection.cursor() as cursor:
        assert cursor.execute("select count(*) from orders").fetchone() == (4,)
    with pytest.raises(dbapi.ProgrammingError):
        dbapi.connect(nonsense=1)
    with pytest.raises(dbapi.InterfaceError):
        dbapi.connect("dfd.toml", runtime=connection.runtime)


def test_arrow(cursor: dbapi.Cursor) -> None:
    assert cursor.execute("select id from t").fetch_arrow_table().num_rows == 4
    assert cursor.fetchall() == []
    reader = cursor.execute("select id from t").fetch_record_batch()
    assert reader.read_all().num_rows == 4
    cursor.execute("select id from t").fetchone()
    with pytest.raises(dbapi.InterfaceError, match="already"):
        cursor.fetch_arrow_table()


def test_threads_share_a_connection(connection: dbapi.Connection) -> None:
    found: list[int] = []

    def count() -> None:
        with connection.cursor() as cursor:
            found.append(len(cursor.execute(BIG).fetchall()))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300_000] * 4


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")
def test_pandas_reads_through_it(connection: dbapi.Connection) -> None:
    frame = pd.read_sql(
        "select id, s from t where id < :high order by id", connection, params={"high": 3}
    )
    assert frame.to_dict("list") == {"id": [1, 2], "s": ["a", "b"]}


def test_every_method_of_pep_249_is_there() -> None:
    for kind, names in (
        (dbapi.Connection, "close commit rollback cursor"),
        (
            dbapi.Cursor,
            "close execute executemany fetchone fetchmany fetchall setinputsizes setoutputsize",
        ),
    ):
        for name in names.split():
            assert inspect.getdoc(getattr(kind, name))
