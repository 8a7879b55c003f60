"""The Rust half of dfd: Arrow streams, functions and the capabilities handshake."""

import logging
from importlib.metadata import version as _version

from dfd_native._native import AdaptedStream, RecordBatch
from dfd_native.errors import IncompatibleInstallation, NativeError, StreamError
from dfd_native.functions import register_functions
from dfd_native.handshake import capabilities_snapshot, ensure_compatible
from dfd_native.streams import adapt_stream, arrow_stream_to_batches

__all__ = [
    "AdaptedStream",
    "IncompatibleInstallation",
    "NativeError",
    "RecordBatch",
    "StreamError",
    "adapt_stream",
    "arrow_stream_to_batches",
    "capabilities_snapshot",
    "ensure_compatible",
    "register_functions",
]
__version__ = _version("dfd-native")

logging.getLogger(__name__).addHandler(logging.NullHandler())
