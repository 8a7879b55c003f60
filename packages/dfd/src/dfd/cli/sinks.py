"""Where a command's result goes: stdout, or a file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """A sink of bytes: stdout without `path`; a file takes its place when the block ends without an error.

    A name that ends in `.gz` is compressed.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _written(beside, path.suffix == ".gz") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _written(path: Path, compressed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "wb")) if compressed else path.open("wb")
