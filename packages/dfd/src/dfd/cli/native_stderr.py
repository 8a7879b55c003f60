"""File descriptor 2, held back while a command works.

Libraries in Rust print a panic there before it reaches Python as an error (object_store does
so on a full disk), also from the demo's writer processes. The command says each error once, in
one line; what was held is shown only when the error is a defect of ours.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold what is written to descriptor 2 by others than `sys.stderr`; show it if the block raises.

    Nothing is held where `RUST_LOG` asks to see it.
    """
    if "RUST_LOG" in os.environ:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    before = sys.stderr
    with tempfile.TemporaryFile() as held, os.fdopen(terminal, "w", buffering=1) as stderr:
        os.dup2(held.fileno(), 2)
        sys.stderr = stderr
        try:
            yield
        except BaseException:
            held.seek(0)
            stderr.write(held.read().decode("utf-8", errors="replace"))
            raise
        finally:
            stderr.flush()
            os.dup2(terminal, 2)
            sys.stderr = before
