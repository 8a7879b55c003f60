"""Arrow C streams, adapted as they flow."""

from __future__ import annotations

import atexit
import signal
import threading
from typing import Protocol

from dfd_native import _native
from dfd_native._native import AdaptedStream, RecordBatch
from dfd_native.frames import readable

# How long the end of the process waits for sources that are read ahead: before it interrupts those that
# are written in Python, and then.
_AT_ONCE_S = 0.1
_AT_EXIT_S = 5.0


class ArrowStream(Protocol):
    """Anything with the Arrow PyCapsule stream: pyarrow, polars, duckdb, datafusion, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule named `arrow_array_stream`."""


class ArrowArray(Protocol):
    """Anything with the Arrow PyCapsule array; here one of structs: a record batch."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Capsules named `arrow_schema` and `arrow_array`."""
        ...


class ArrowSchema(Protocol):
    """Anything with the Arrow PyCapsule schema."""

    def __arrow_c_schema__(self) -> object:
        """A capsule named `arrow_schema`."""


def adapt_stream(
    stream: ArrowStream | ArrowArray,
    schema: ArrowSchema | None = None,
    batch_rows: int | None = None,
    prefetch_batches: int = 0,
) -> AdaptedStream:
    """A stream aligned to a schema and cut to a batch size, lazy in and out; read it once.

    It is an iterator of `RecordBatch` and an Arrow C stream; half read, it gives the other half away.

    - `schema`: columns are matched by name and put in its order, fields of structs too; missing nullable ones
      are null. Values are cast exactly: what would be rounded, cut off or overflow is an error that names the
      column and the row of the stream, never a null. Text is parsed. Default: as it comes.
    - `batch_rows`: batches have exactly this many rows but the last. Default: as they come.
    - `prefetch_batches`: a thread reads ahead until so many batches wait, from the first one that is asked
      for. It ends when nobody holds the stream any more. Default 0: each is read when it is asked for.

    After its first error the stream ends; rows before the error leave first. `rows`, `batches` and `bytes`
    count what has left, `bytes` without what batches share.

    Ctrl-C in a source written in Python crosses Arrow as an error's text. Iterating gives the
    KeyboardInterrupt back. Where another library reads the stream, that raises an error of its own, `interrupted`
    is set, and the KeyboardInterrupt is raised as soon as Python code of the main thread runs again, provided
    that SIGINT has Python's own handler.

    A consumer may request another representation of the data (`requested_schema`), which is cast as exactly;
    types that nothing leads to leave it as it is, other columns are refused.

    Raises:
        TypeError: `stream` is no Arrow stream or array of record batches.
        ValueError: the schemas don't fit, or `batch_rows` is 0.
    """
    return _native.adapt_stream(readable(stream), schema, batch_rows, prefetch_batches)


def arrow_stream_to_batches(stream: ArrowStream | ArrowArray) -> list[RecordBatch]:
    """Read a whole stream into memory; eager, as the name says.

    Raises:
        TypeError: `stream` is no Arrow stream or array of record batches.
        StreamError: the stream failed; no batch is returned.
        KeyboardInterrupt: Ctrl-C was pressed, here or in a source written in Python.
    """
    return _native.arrow_stream_to_batches(readable(stream))


def _may_interrupt_again() -> bool:
    # Only what Python's handler raised, in the thread in which it runs, has become an error's text.
    of_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return of_python and threading.current_thread() is threading.main_thread()


@atexit.register
def _stop_prefetching() -> None:
    # Python ends threads that run its code by unwinding them, at which those of Rust abort the process.
    import ctypes

    for thread in _native.stop_prefetching(_AT_ONCE_S):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(SystemExit)
        )
    _native.stop_prefetching(_AT_EXIT_S)
