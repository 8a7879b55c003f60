"""Proof on a live store that concurrent commits don't overwrite one another."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from dfd_storage.commits import CommitSafety
from dfd_storage.errors import MissingDependency, StorageError, UnsafeStorage, UnsupportedSetting
from dfd_storage.profile import StorageProfile

_logger = logging.getLogger(__name__)

RACERS = 8
SCRATCH = "_dfd_probe"

_lock = threading.Lock()
_verdicts: dict[tuple[str, str], CommitSafety] = {}
_told: set[tuple[str, str]] = set()
# By process: a forked child has its parent's entries, and not its claim.
_writing: dict[tuple[int, str], IO[bytes]] = {}


def prove(profile: StorageProfile) -> CommitSafety:
    """Two puts of one name, then a race of eight, in a scratch prefix that is removed."""
    if profile.mechanism == "none":
        raise UnsafeStorage(f"{profile.uri}: nothing can be written to a {profile.kind} location.")
    prefix = f"{SCRATCH}/{uuid.uuid4().hex}"
    with profile.failures(library="obstore"):
        store = profile.to_obstore()
        import obstore

        try:
            again = [_put_new(store, f"{prefix}/twice", body) for body in (b"first", b"second")]
            if not again[0]:
                raise UnsafeStorage(
                    f"{profile.uri}: the store refuses a new object as if it were there already."
                )
            winners = _race(store, f"{prefix}/race")
        finally:
            with contextlib.suppress(Exception):
                found = [entry["path"] for batch in obstore.list(store, prefix) for entry in batch]
                obstore.delete(store, found)
            _remove_directories(profile, prefix)
    safety = CommitSafety(
        location=profile.uri,
        safe=not again[1] and winners == 1,
        mechanism=profile.mechanism,
        second_put_refused=not again[1],
        winners=winners,
        racers=RACERS,
    )
    with _lock:
        _verdicts[_store_of(profile)] = safety
    return safety


def require_safe(profile: StorageProfile, table: str) -> None:
    """Refuse a writer whose commits could overwrite others', or be overwritten."""
    if profile.mechanism == "unsafe":
        _claim(table)
        return
    if profile.mechanism == "none":
        raise UnsafeStorage(f"{table}: nothing can be written to a {profile.kind} location.")
    if profile.mechanism == "dynamodb":
        return  # the options are refused where deltalake has no lock
    with _lock:
        verdict = _verdicts.get(_store_of(profile))
    if verdict is None and profile.needs_proof:
        try:
            verdict = prove(profile)
        except (MissingDependency, UnsupportedSetting) as error:
            _tell_unproven(profile, error)
    if verdict is not None and not verdict.safe:
        raise UnsafeStorage(
            f"{profile.uri}: concurrent commits overwrite one another on this store. {verdict.reason} Nothing "
            "was written. Use a store with conditional puts; or, with one writer and no other ever, ask for "
            "it by name: commits = 'unsafe'."
        )


def _store_of(profile: StorageProfile) -> tuple[str, str]:
    """Endpoint and bucket: what holds for one table there holds for all."""
    parts = urlsplit(profile.uri)
    return str(getattr(profile, "endpoint", None)), f"{parts.scheme}://{parts.netloc}"


def _put_new(store: Any, path: str, body: bytes) -> bool:
    """Whether the store took the object as new."""
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    try:
        obstore.put(store, path, body, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


def _race(store: Any, path: str) -> int:
    """How many of the racers are told that their object stands under one new name."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> bool:
        start.wait()
        return _put_new(store, path, f"racer {number}".encode())

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(run, range(RACERS)))


def _remove_directories(profile: StorageProfile, prefix: str) -> None:
    """On a disk the prefix is two directories; another probe may still be in the outer one."""
    if profile.kind != "local":
        return
    from dfd_storage.uri import local_path

    root = local_path(profile.uri)
    for directory in (root / prefix, root / SCRATCH):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _tell_unproven(profile: StorageProfile, error: StorageError) -> None:
    store = _store_of(profile)
    with _lock:
        if store in _told:
            return
        _told.add(store)
    _logger.warning(
        "nothing shows that %s keeps concurrent commits apart, because it can't be probed: %s",
        profile.uri,
        error,
    )


def _claim(table: str) -> None:
    """Be the one writer of a table on this machine, until the process ends."""
    with _lock:
        if (os.getpid(), table) in _writing:
            return
        name = hashlib.sha256(table.encode()).hexdigest()[:32]
        path = Path(tempfile.gettempdir()) / f"dfd-single-writer-{os.getuid()}-{name}.lock"
        held = path.open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise UnsafeStorage(
                f"{table}: its profile says commits = 'unsafe', which allows a single writer, and another "
                "process of this machine writes to it. Nothing was written."
            ) from error
        _writing[os.getpid(), table] = held
