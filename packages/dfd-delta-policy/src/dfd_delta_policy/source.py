"""Where rows come from: opened anew for every attempt, never read empty.

A stream can be read once. Retried on it, a write commits no rows without a word; so a once-only
stream is spooled to disk (Arrow IPC, one batch in memory) before the first attempt. Where files are
staged, the stream is read once for all attempts, and nothing is spooled.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc

from dfd_delta_policy.errors import InvalidOperation

Open = Callable[[], pa.RecordBatchReader]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type with string and binary views as plain strings and binaries, at any depth."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    if pa.types.is_map(kind):
        return pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field))
    return kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema that is written and read: no views, and no `PARQUET:field_id`.

    String views break other readers of the files; field ids make column-mapped readers return
    nulls.
    """
    return pa.schema([_plain_field(field) for field in schema])


def _plain_field(field: pa.Field) -> pa.Field:
    metadata = {k: v for k, v in (field.metadata or {}).items() if k != b"PARQUET:field_id"}
    return field.with_type(plain_type(field.type)).with_metadata(metadata or None)


def plain_reader(stream: Any) -> pa.RecordBatchReader:
    """Any object with `__arrow_c_stream__` as a lazy reader with a plain schema."""
    reader = pa.RecordBatchReader.from_stream(_stream(stream))
    schema = plain_schema(reader.schema)
    if schema.equals(reader.schema, check_metadata=True):
        return reader
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in reader))


def reopens(data: Any) -> bool:
    """Whether `data` can be read again from its start."""
    if isinstance(data, (pa.Table, pa.RecordBatch, ds.Dataset)):
        return True
    return callable(data) or hasattr(data, "__dfd_run__")


@contextlib.contextmanager
def drained(data: Any) -> Iterator[Any]:
    """One run of `data` for a reader that drains it: an Arrow C stream, or a run of dfd's engine.

    Data that has `__dfd_run__`, as `dfd.Query` has, gives a context manager of what it runs.
    """
    if hasattr(data, "__dfd_run__"):
        with data.__dfd_run__() as run:
            yield run
        return
    if isinstance(data, pa.RecordBatch):
        data = pa.table(data)
    elif isinstance(data, ds.Dataset):
        data = data.scanner().to_reader()
    elif callable(data):
        data = data()
    yield _stream(data)


def _stream(data: Any) -> Any:
    if not hasattr(data, "__arrow_c_stream__"):
        raise InvalidOperation(
            f"Data is anything with __arrow_c_stream__, or a callable giving it; "
            f"not {type(data).__name__}."
        )
    return data


@contextlib.contextmanager
def replayable(data: Any, *, once: bool) -> Iterator[Open]:
    """A function that opens `data` from its start, for as long as the block lasts.

    Tables, batches, datasets and callables are opened as they are. Anything else is taken for a
    once-only stream and spooled, unless `once` says that there is one attempt only.
    """
    if isinstance(data, (pa.Table, pa.RecordBatch)):
        table = pa.table(data)
        yield lambda: plain_reader(table)
    elif isinstance(data, ds.Dataset):
        yield lambda: plain_reader(data.scanner().to_reader())
    elif callable(data):
        yield lambda: plain_reader(data())
    elif once:
        reader = plain_reader(data)
        yield lambda: reader
    else:
        reader = plain_reader(data)
        with tempfile.TemporaryDirectory(prefix="dfd-spool-") as directory:
            path = Path(directory) / "stream.arrows"
            with pa.ipc.new_stream(path, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            yield lambda: pa.ipc.open_stream(pa.memory_map(str(path)))


class Source:
    """`replayable`, entered at the first open: what already landed leaves its source unread."""

    def __init__(self, data: Any, *, once: bool) -> None:
        self._manager = replayable(data, once=once)
        self._open: Open | None = None

    def __enter__(self) -> Source:
        return self

    def open(self) -> pa.RecordBatchReader:
        """A reader from the start of the data."""
        if self._open is None:
            self._open = self._manager.__enter__()
        return self._open()

    def __exit__(self, *exc: Any) -> None:
        if self._open is not None:
            self._manager.__exit__(None, None, None)
