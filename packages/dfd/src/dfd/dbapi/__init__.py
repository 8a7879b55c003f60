"""A DB-API 2.0 module (PEP 249), for tools that know databases by it.

    import dfd.dbapi

    with dfd.dbapi.connect("dfd.toml") as connection, connection.cursor() as cursor:
        cursor.execute("select id from orders where id > :low", {"low": 7})
        print(cursor.fetchall())

Every statement is a commit of its own, so `commit()` has nothing to do, and `rollback()` can't be done.
Threads may share the module and connections, and not cursors.
"""

from dfd.dbapi.connection import Connection, connect
from dfd.dbapi.cursor import Cursor
from dfd.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from dfd.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

__all__ = [
    "BINARY",
    "Binary",
    "Connection",
    "Cursor",
    "DATETIME",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NUMBER",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "ROWID",
    "STRING",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 2
paramstyle = "named"
