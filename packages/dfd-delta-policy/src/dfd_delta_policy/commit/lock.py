"""A lock by which writers of one machine try their commits one after another.

Strict compare-and-swap keeps writers apart, at the price of attempts in vain: of eight that stand on one
version, seven read the log again. A lock of the operating system lets them through in turn. It is
advice alone: who can't have it in time, runs on another machine or isn't dfd goes on without, and loses
speed, never a commit. The kernel releases it when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]

_PATIENCE_S = 2.0
_NAP_S = 0.002


class CommitLock:
    """A lock of the operating system around the commits to one table."""

    def __init__(self, uri: str) -> None:
        name = hashlib.sha256(uri.encode()).hexdigest()[:32]
        user = os.getuid() if hasattr(os, "getuid") else ""
        self._path = Path(tempfile.gettempdir()) / f"dfd-turn-{user}-{name}.lock"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock for as long as the block lasts, or go on without after two seconds of waiting."""
        if fcntl is None or str(self._path) in _held():
            yield
            return
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, file)
                if _locked(file):
                    _held().add(str(self._path))
                    stack.callback(_held().discard, str(self._path))
            yield


_of_thread = threading.local()


def _held() -> set[str]:
    """The locks that this thread holds: a hook that writes to the table has that of its writer."""
    held: set[str] = _of_thread.__dict__.setdefault("held", set())
    return held


def _locked(file: int) -> bool:
    until = time.monotonic() + _PATIENCE_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_NAP_S)
