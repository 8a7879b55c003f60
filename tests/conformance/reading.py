"""The ways to read a table: dfd's engine, and a plain session of DataFusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
from datafusion import SessionContext

Rows = list[tuple[Any, ...]]


def by_engine(root: Path, sql: str) -> pa.Table:
    """What the runtime gives of the table `t`; the query has to run in the engine."""
    with dfd.connect() as runtime:
        runtime.register("t", root)
        query = runtime.sql(sql)
        assert query.route == "engine", query.route_reason
        return query.to_arrow_table()


def by_session(root: Path, sql: str) -> pa.Table:
    """What a plain session gives of the table `t`."""
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(root.as_uri()))
    return session.sql(sql).to_arrow_table()


WAYS = [by_engine, by_session]


def rows(table: pa.Table) -> Rows:
    """Rows in an order that doesn't depend on where they come from."""
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)
