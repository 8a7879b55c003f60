"""Arrow C streams, adapted as they flow."""

from __future__ import annotations

from typing import Protocol

from dfd_native import _native
from dfd_native._native import AdaptedStream, RecordBatch


class ArrowStream(Protocol):
    """Anything with the Arrow PyCapsule stream: pyarrow, polars, duckdb, datafusion, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule named `arrow_array_stream`."""


class ArrowSchema(Protocol):
    """Anything with the Arrow PyCapsule schema."""

    def __arrow_c_schema__(self) -> object:
        """A capsule named `arrow_schema`."""


def adapt_stream(
    stream: ArrowStream, schema: ArrowSchema | None = None, batch_rows: int | None = None
) -> AdaptedStream:
    """A stream aligned to a schema and cut to a batch size, lazy in and out; read it once.

    - `schema`: columns are matched by name and put in its order, values cast exactly (a value that
      doesn't fit is an error, never a null), and missing nullable columns are null. Default: as it comes.
    - `batch_rows`: batches have exactly this many rows but the last. Default: as they come.

    After its first error the stream ends. `rows`, `batches` and `bytes` count what has left.

    Raises:
        TypeError: `stream` has no `__arrow_c_stream__`.
        ValueError: the schemas don't fit, or `batch_rows` is 0.
    """
    return _native.adapt_stream(stream, schema, batch_rows)


def arrow_stream_to_batches(stream: ArrowStream) -> list[RecordBatch]:
    """Read a whole stream into memory; eager, as the name says.

    Raises:
        TypeError: `stream` has no `__arrow_c_stream__`.
        StreamError: the stream failed; no batch is returned.
    """
    return _native.arrow_stream_to_batches(stream)
