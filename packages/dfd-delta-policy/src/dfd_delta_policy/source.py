"""The source of rows: opened anew for every attempt, never read empty.

A stream can be read once. Retried on it, a write commits no rows without a word; so a once-only
stream is spooled to disk (Arrow IPC, one batch in memory) before the first attempt. Where files are
staged, the stream is read once for all attempts, and nothing is spooled.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
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
    if isinstance(data, (pa.Table, pa.RecordBatch)) or _is_dataset(data):
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
    elif _is_dataset(data):
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
    return _reader_of_frame(data) if _is_frame(data) else data


def schema_of(data: Any) -> pa.Schema:
    """The columns of what `Source.run` gives."""
    return data.schema if isinstance(data, pa.RecordBatchReader) else pa.schema(data)


def _is_dataset(data: Any) -> bool:
    """Whether it is a dataset of pyarrow, whose module (pandas with it) is loaded by who makes one only."""
    module = sys.modules.get("pyarrow.dataset")
    return module is not None and isinstance(data, module.Dataset)


def _is_frame(data: Any) -> bool:
    """Whether it is a DataFrame of datafusion, which needn't be installed."""
    homes = {kind.__module__.partition(".")[0] for kind in type(data).__mro__}
    return "datafusion" in homes and hasattr(data, "execute_stream")


def _reader_of_frame(frame: Any) -> pa.RecordBatchReader:
    """All partitions of a DataFrame in one lazy reader, under the types that come.

    Its own stream reads one partition after the other, so that a join may never give a batch, and has
    the types of the plan before coercion, so that doubles are read as integers.
    """
    datafusion: Any = sys.modules["datafusion"]
    if not isinstance(frame, datafusion.DataFrame):  # what one is made of
        frame = datafusion.DataFrame(frame)
    session = datafusion.SessionContext.global_ctx()
    found = session.create_dataframe_from_logical_plan(frame.optimized_logical_plan()).schema()
    schema = pa.schema([field.with_nullable(True) for field in found], found.metadata)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in frame.execute_stream():
            yield batch.to_pyarrow().cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


@contextlib.contextmanager
def replayable(data: Any, *, once: bool) -> Iterator[Open]:
    """A function that opens `data` from its start, for as long as the block lasts.

    Tables, batches, datasets and callables are opened as they are. Anything else is taken for a
    once-only stream and spooled, unless `once` says that there is one attempt only.
    """
    if isinstance(data, (pa.Table, pa.RecordBatch)):
        table = pa.table(data)
        yield lambda: plain_reader(table)
    elif _is_dataset(data):
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
        self._data = data
        self._once = once
        self._opened = contextlib.ExitStack()
        self._open: Open | None = None
        # Opened for its schema, and not read.
        self._ahead: pa.RecordBatchReader | None = None

    def __enter__(self) -> Source:
        return self

    @cached_property
    def schema(self) -> pa.Schema:
        """The plain schema of the data, of which no row is read."""
        if isinstance(self._data, (pa.Table, pa.RecordBatch)) or _is_dataset(self._data):
            return plain_schema(self._data.schema)
        if callable(self._data):
            self._ahead = plain_reader(self._data())
            return self._ahead.schema
        self._data = plain_reader(self._data)
        return self._data.schema

    def open(self) -> pa.RecordBatchReader:
        """A reader from the start of the data."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        if self._open is None:
            self._open = self._opened.enter_context(replayable(self._data, once=self._once))
        return self._open()

    @contextlib.contextmanager
    def run(self) -> Iterator[Any]:
        """The data from its start, for a reader that drains it: an Arrow C stream, or a run of dfd's engine."""
        if hasattr(self._data, "__dfd_run__"):
            with self._data.__dfd_run__() as run:
                yield run
        elif self._once or reopens(self._data):
            yield self.open()
        else:
            # Spooled once rows are asked for: what is refused before reads nothing.
            yield pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        yield from self.open()

    def __exit__(self, *exc: Any) -> None:
        self._opened.close()
