"""Batches of a stream as rows of Python, and one after the other in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pyarrow as pa


def python_rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch, as pyarrow makes values of Python of them."""
    columns = [column.to_pylist() for column in batch.columns]
    return zip(*columns, strict=True) if columns else iter([()] * batch.num_rows)


async def batches_in_thread(
    open_reader: Callable[[], pa.RecordBatchReader],
) -> AsyncIterator[pa.RecordBatch]:
    """The batches of a reader, which is opened and read in threads, one call at a time."""
    reader = await asyncio.to_thread(open_reader)
    try:
        while (batch := await asyncio.to_thread(_next, reader)) is not None:
            yield batch
    finally:
        # An event loop that is being closed can't wait for a thread.
        reader.close()


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    # StopIteration can't pass a coroutine.
    return next(iter(reader), None)
