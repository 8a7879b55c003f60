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
