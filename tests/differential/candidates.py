"""The ways to run a query over a table; duckdb over the same rows in memory is the judge of all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import dfd
import dfd_native
import duckdb
import pyarrow as pa
from datafusion import SessionConfig, SessionContext
from history import Table

Rows = list[tuple[Any, ...]]


class Run(Protocol):
    """Runs a query over the newest version of a table, or over another."""

    def __call__(self, table: Table, sql: str, version: int | None = None) -> Rows: ...


class Settings(NamedTuple):
    """What a session splits work by, and whether it skips files, row groups and pages."""

    partitions: int = 4
    batch_size: int = 8192
    skips: bool = True

    def values(self) -> dict[str, str]:
        return {
            "datafusion.execution.target_partitions": str(self.partitions),
            "datafusion.execution.batch_size": str(self.batch_size),
            "datafusion.execution.time_zone": "+00:00",
            "datafusion.execution.collect_statistics": str(self.skips).lower(),
            "datafusion.execution.parquet.pruning": str(self.skips).lower(),
            "datafusion.execution.parquet.enable_page_index": str(self.skips).lower(),
            "datafusion.optimizer.repartition_file_min_size": "1",
        }


def plain(value: Any) -> Any:
    """A value that equals another where the two mean the same, and can be sorted as text."""
    if isinstance(value, float):
        return "NaN" if value != value else value
    if isinstance(value, Decimal):
        return value.normalize() + 0
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.timezone.utc).replace(tzinfo=None)
    if isinstance(value, dict):
        return tuple((name, plain(inner)) for name, inner in value.items())
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def rows_of(table: pa.Table) -> Rows:
    columns = [column.to_pylist() for column in table.columns]
    return [tuple(map(plain, row)) for row in zip(*columns, strict=True)]


def by_duckdb(table: Table, sql: str) -> Rows:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        # With the first duckdb 1.5.5 has other rows in most runs, where a join's side is the first rows of an order;
        # with the other none for `x is not distinct from 1 or x is distinct from 1` where all of x are null.
        disabled = "join_filter_pushdown,expression_rewriter"
        connection.execute(f"set disabled_optimizers = '{disabled}'")
        connection.register("rows", table.rows)
        # A table of its own: what it pushes into a scan of Arrow it can't always run there.
        connection.execute("create table t as from rows")
        return rows_of(connection.sql(sql).to_arrow_table())


def by_engine(settings: Settings) -> Run:
    """A runtime, which few of the queries leave to its session."""

    def run(table: Table, sql: str, version: int | None = None) -> Rows:
        with dfd.connect(session=settings.values()) as runtime:
            runtime.register("t", str(table.path), version)
            return rows_of(runtime.sql(sql).to_arrow_table())

    return run


def by_session(settings: Settings) -> Run:
    """The session of a runtime, which the engine has no part in."""

    def run(table: Table, sql: str, version: int | None = None) -> Rows:
        with dfd.connect(session=settings.values()) as runtime:
            runtime.register("t", str(table.path), version)
            return rows_of(runtime.session.sql(sql).to_arrow_table())

    return run


def _session(settings: Settings) -> SessionContext:
    config = SessionConfig()
    for key, value in settings.values().items():
        config = config.set(key, value)
    return SessionContext(config)


def by_plain_session(settings: Settings) -> Run:
    """A session that knows nothing of dfd but the one table."""

    def run(table: Table, sql: str, version: int | None = None) -> Rows:
        session = _session(settings)
        session.register_table("t", dfd_native.delta_table(table.path.as_uri(), version=version))
        return rows_of(session.sql(sql).to_arrow_table())

    return run


def by_memory(settings: Settings) -> Run:
    """DataFusion alone: what differs here is DataFusion's own, and no reader's."""

    def run(table: Table, sql: str, version: int | None = None) -> Rows:
        session = _session(settings)
        rows = table.rows if version is None else table.versions[version]
        batches = rows.to_batches(max_chunksize=50) or [
            pa.record_batch([pa.array([], f.type) for f in rows.schema], rows.schema)
        ]
        session.register_record_batches("t", [batches[::2], batches[1::2]])
        return rows_of(session.sql(sql).to_arrow_table())

    return run


KINDS: dict[str, Callable[[Settings], Run]] = {
    "engine": by_engine,
    "session": by_session,
    "plain session": by_plain_session,
}


def difference(expected: Rows, found: Rows, is_ordered: bool = False) -> str | None:
    """What differs, where it matters; None where nothing does."""
    if not is_ordered:
        expected, found = sorted(expected, key=repr), sorted(found, key=repr)
    if expected == found:
        return None
    if len(expected) != len(found):
        return f"{len(found)} rows and not {len(expected)}: {found[:5]} and not {expected[:5]}"
    at = next(n for n, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b)
    return f"row {at} is {found[at]} and not {expected[at]}"
