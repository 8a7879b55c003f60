"""The probe of a live store: puts of one name in turn, then in a race."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from dfd_storage.commit_safety.verdict import CommitSafety, Mechanism
from dfd_storage.errors import UnsafeStorage
from dfd_storage.uri import local_path, parse_uri

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RACERS = 8
SCRATCH = "_dfd_probe"


def prove(location: str, mechanism: Mechanism, store: ObjectStore) -> CommitSafety:
    """Put one name twice, then race for another, in a scratch prefix that is removed.

    - `location`: canonical URI of what `store` opens.

    Raises:
        UnsafeStorage: the store takes no new object.
    """
    import obstore

    prefix = f"{SCRATCH}/{os.urandom(16).hex()}"
    try:
        again = [_put_new(store, f"{prefix}/twice", body) for body in (b"first", b"second")]
        if not again[0]:
            raise UnsafeStorage(
                f"{location}: the store refuses a new object as if it were there already.",
                "Use another store.",
                location=location,
            )
        winners = _race(store, f"{prefix}/race")
    finally:
        with contextlib.suppress(Exception):
            found = [entry["path"] for batch in obstore.list(store, prefix) for entry in batch]
            obstore.delete(store, found)
        _remove_directories(location, prefix)
    return CommitSafety(
        location=location,
        safe=not again[1] and winners == 1,
        mechanism=mechanism,
        second_put_refused=not again[1],
        winners=winners,
        racers=RACERS,
    )


def _put_new(store: ObjectStore, path: str, body: bytes) -> bool:
    """Put an object, and say whether the store took it as new."""
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    try:
        obstore.put(store, path, body, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


def _race(store: ObjectStore, path: str) -> int:
    """Race for one new name, and count the racers who are told that their object stands."""
    from concurrent.futures import ThreadPoolExecutor

    start = threading.Barrier(RACERS)

    def run(number: int) -> bool:
        start.wait()
        return _put_new(store, path, f"racer {number}".encode())

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(run, range(RACERS)))


def _remove_directories(location: str, prefix: str) -> None:
    """Remove the two directories of a prefix on a disk; another probe may still be in the outer."""
    if parse_uri(location).scheme != "file":
        return
    root = local_path(location)
    for directory in (root / prefix, root / SCRATCH):
        with contextlib.suppress(OSError):
            directory.rmdir()
