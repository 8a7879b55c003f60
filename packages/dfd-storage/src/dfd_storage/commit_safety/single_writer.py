"""The claim of a single writer to a table whose commits nothing keeps apart."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import IO

from dfd_storage.errors import UnsafeStorage

_lock = threading.Lock()
# By process: a forked child has its parent's entries, and not its claim.
_claims: dict[tuple[int, str], IO[bytes]] = {}


def claim(table: str) -> None:
    """Claim a table for this process on this machine, until the process ends.

    Raises:
        UnsafeStorage: another process has claimed it.
    """
    import fcntl  # there is none on Windows
    import tempfile

    with _lock:
        if (os.getpid(), table) in _claims:
            return
        name = hashlib.sha256(table.encode()).hexdigest()[:32]
        path = Path(tempfile.gettempdir()) / f"dfd-single-writer-{os.getuid()}-{name}.lock"
        held = path.open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise UnsafeStorage(
                f"{table}: its profile says commits = 'unsafe', which allows a single writer, and "
                "another process of this machine writes to it.",
                "Wait for it to end, or use a store with conditional puts.",
                location=table,
            ) from error
        _claims[os.getpid(), table] = held
