"""The public API as a user's type checker sees it."""

from __future__ import annotations

import dfd_native
import pyarrow as pa
from datafusion import SessionContext


def use(context: SessionContext, table: pa.Table) -> None:
    dfd_native.ensure_compatible()
    names: tuple[str, ...] = dfd_native.register_functions(context)
    snapshot: dict[str, object] = dfd_native.capabilities_snapshot()
    stream: dfd_native.AdaptedStream = dfd_native.adapt_stream(table, batch_rows=1024)
    rows: int = stream.rows
    batches: list[dfd_native.RecordBatch] = dfd_native.arrow_stream_to_batches(stream)
    again: dfd_native.AdaptedStream = dfd_native.adapt_stream(stream, schema=table.schema)
    try:
        dfd_native.ensure_compatible()
    except dfd_native.IncompatibleInstallation as error:
        parts: tuple[str, str, str] = (error.installed, error.required, error.command)
        print(parts)
    print(names, snapshot, rows, batches, again)


def tables(context: SessionContext) -> None:
    table: dfd_native.DeltaTable = dfd_native.delta_table("file:///data/t", version=3)
    newest: list[dfd_native.DeltaTable | None] = dfd_native.refreshed([table])
    context.register_table("t", table)
    history: dfd_native.LogTable = table.history()
    changes: dfd_native.LogTable = table.changes(0, 3)
    names: tuple[str, ...] = dfd_native.register_table_functions(
        context, lambda uri: (uri, {"region": "x"}, None)
    )
    engine = dfd_native.Engine(memory_limit_bytes=1 << 30)
    engine.register_store("s3://bucket/prefix", {"region": "x"})
    plan = context.sql("select 1").optimized_logical_plan()
    run: dfd_native.EngineRun = engine.run(plan, context, is_sql=True)
    for batch in run:
        rows: int = batch.num_rows
        print(rows)
    hits: int = dfd_native.cache_stats()["snapshot"]["hits"]
    lists: int = dfd_native.request_counts()["list"]
    print(newest, history, changes, names, hits, lists)
