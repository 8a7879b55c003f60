"""Batches of a stream as rows of Python, and one after the other in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pyarrow as pa

from dfd.errors import QueryError


def python_rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch, as pyarrow makes values of Python of them."""
    columns = [_values(batch, number) for number in range(batch.num_columns)]
    return zip(*columns, strict=True) if columns else iter([()] * batch.num_rows)


def _values(batch: pa.RecordBatch, number: int) -> list[Any]:
    try:
        found: list[Any] = batch.column(number).to_pylist()
    except (KeyError, ValueError, OverflowError) as error:
        field = batch.schema.field(number)
        raise QueryError(
            f"The column {field.name!r} is of the type {field.type} and has values that Python hasn't got: cast "
            "it, or take Arrow's (`to_arrow_table`)."
        ) from error
    return found


async def batches_in_thread(
    open_reader: Callable[[], pa.RecordBatchReader],
) -> AsyncIterator[pa.RecordBatch]:
    """The batches of a reader, which is opened and read in threads, one call at a time."""
    batches = iter(await asyncio.to_thread(open_reader))
    # Who leaves the loop early ends the run: nothing else holds the reader.
    while (batch := await asyncio.to_thread(_next, batches)) is not None:
        yield batch


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    # StopIteration can't pass a coroutine.
    return next(batches, None)
