"""A file that records are appended to as they are made: a line of JSON each, which other processes may share.

A line goes to the operating system as one write, so that a killed process loses nothing it has
recorded. The disk is waited for when the process ends, also by SIGTERM.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.redact import redact

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1


class RecordSink:
    """Appends records to a file. Safe between threads, between processes, and after a fork.

    - `path`: the file; its directory is made if need be.
    - `max_bytes`: where a line would make the file longer, it is moved to `<path>.1` first, that to `<path>.2`,
      and so on. `files`: so many of the moved ones are kept.

    A file that can't be written stops nobody: a warning is logged, once.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int, files: int) -> None:
        self.path = Path(path).expanduser().absolute()
        self._max_bytes = max_bytes
        self._files = files
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._pid = os.getpid()
        self._has_warned = False
        _sinks.add(self)
        _end_with_the_process()

    def write(self, record: QueryRecord | OperationRecord) -> None:
        """Append a record."""
        try:
            encoded = self._line(record)
            with self._lock:
                self._append(encoded)
        # What a caller gave may have half of a pair in it, which JSON can't have.
        except (OSError, ValueError) as error:
            self._warn(error)

    @staticmethod
    def _line(record: QueryRecord | OperationRecord) -> bytes:
        kind = "query" if isinstance(record, QueryRecord) else "operation"
        # As in a report: a file outlives the process that may know a secret.
        plain = redact(msgspec.to_builtins(record, enc_hook=str))
        line = {"format_version": FORMAT_VERSION, "kind": kind, "record": plain}
        return msgspec.json.encode(line) + b"\n"

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "Records can't be written to %s, and are kept in memory alone: %s", self.path, error
            )

    def _append(self, encoded: bytes) -> None:
        fd = self._opened()
        while not self._is_appended(fd, encoded):
            # The file was moved, by another process or just now: the next one is another.
            self._close()
            fd = self._opened()

    def _is_appended(self, fd: int, encoded: bytes) -> bool:
        """Append to the file, if it is still there and has room; one without room is moved."""
        with _locked(fd):
            if not self._is_the_file(fd):
                return False
            size = os.fstat(fd).st_size
            if size and size + len(encoded) > self._max_bytes:
                self._rotate()
                return False
            # A line that a killed process or a full disk left unended is no part of this one.
            if size and os.pread(fd, 1, size - 1) != b"\n":
                encoded = b"\n" + encoded
            _write_whole(fd, encoded)
            return True

    def _opened(self) -> int:
        if self._fd is not None and self._pid != os.getpid():
            # The parent's: a lock that is taken through it would be the parent's too.
            self._close()
        if self._fd is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            self._pid = os.getpid()
        return self._fd

    def _is_the_file(self, fd: int) -> bool:
        ours = os.fstat(fd)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            moved = self.moved(number)
            if moved.exists():
                moved.replace(self.moved(number + 1))
        self.path.replace(self.moved(1))

    def moved(self, number: int) -> Path:
        """The file that was moved away `number` times ago."""
        return self.path.with_name(f"{self.path.name}.{number}")

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        fd = self._fd
        if fd is not None and self._pid == os.getpid():
            try:
                os.fsync(fd)
            except OSError as error:
                self._warn(error)

    def after_fork(self) -> None:
        """Begin anew in a child: a thread that held the lock isn't there."""
        self._lock = threading.Lock()

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self._close()


def _write_whole(fd: int, encoded: bytes) -> None:
    while encoded:
        encoded = encoded[os.write(fd, encoded) :]


@contextlib.contextmanager
def _locked(fd: int) -> Iterator[None]:
    """Keep other processes from writing and from moving the file; it ends with the process, however that ends."""
    if sys.platform == "win32":
        yield
        return
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


_sinks: weakref.WeakSet[RecordSink] = weakref.WeakSet()
_is_ready = False
# What SIGTERM did before.
_before: list[Any] = []


def _flush_all() -> None:
    for sink in list(_sinks):
        sink.flush()


def _begin_anew() -> None:
    for sink in list(_sinks):
        sink.after_fork()


def _end_with_the_process() -> None:
    """See to it, once, that all sinks are flushed when the process ends, and begin anew when it forks."""
    global _is_ready
    if _is_ready:
        return
    _is_ready = True
    atexit.register(_flush_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_anew)
    # Handlers are the main thread's. One that isn't Python's, or that ignores the signal, stays.
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread() and (
        before is signal.SIG_DFL or callable(before)
    ):
        _before.append(before)
        signal.signal(signal.SIGTERM, _on_termination)


def _on_termination(number: int, frame: FrameType | None) -> None:
    """Flush, and then do what would have been done: the handler that was there, or the end of the process."""
    _flush_all()
    if callable(_before[0]):
        _before[0](number, frame)
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
