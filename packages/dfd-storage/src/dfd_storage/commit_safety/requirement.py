"""The requirement of a writer that commits on its store are safe, and the verdicts known so far."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from dfd_storage.commit_safety.single_writer import claim
from dfd_storage.commit_safety.verdict import CommitSafety, Mechanism
from dfd_storage.errors import MissingDependency, StorageError, UnsafeStorage, UnsupportedSetting

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_verdicts: dict[Store, CommitSafety] = {}
_warned: set[Store] = set()


class Store(NamedTuple):
    """A store by its endpoint and bucket: what holds for one table there holds for all."""

    endpoint: str | None
    bucket: str

    @classmethod
    def of(cls, location: str, endpoint: str | None) -> Store:
        """The store of a location."""
        parts = urlsplit(location)
        return cls(endpoint, f"{parts.scheme}://{parts.netloc}")


def remember(store: Store, verdict: CommitSafety) -> None:
    """Remember the verdict on a store for the writers of this process."""
    with _lock:
        _verdicts[store] = verdict


def refuse_read_only(location: str, mechanism: Mechanism) -> None:
    """Refuse a location of a kind that nothing is written to.

    Raises:
        UnsafeStorage: it is one.
    """
    if mechanism == "none":
        raise UnsafeStorage(
            f"{location}: nothing can be written to this kind of location.",
            "Write to a bucket, a container or a disk.",
            location=location,
        )


def require_safe_commits(
    table: str,
    location: str,
    mechanism: Mechanism,
    store: Store,
    probe: Callable[[], CommitSafety] | None,
) -> None:
    """Refuse a writer whose commits could overwrite others', or be overwritten.

    - `table`: canonical URI of what is written to; `location`: that of its profile.
    - `probe`: gives the verdict on a store that nobody vouches for; None for any other.

    Raises:
        UnsafeStorage: they could.
    """
    if mechanism == "unsafe":
        claim(table)
        return
    refuse_read_only(table, mechanism)
    if mechanism == "dynamodb":
        return  # the options are refused where deltalake has no lock
    with _lock:
        verdict = _verdicts.get(store)
    if verdict is None and probe is not None:
        try:
            verdict = probe()
        except (MissingDependency, UnsupportedSetting) as error:
            _warn_unproven(location, store, error)
    if verdict is not None and not verdict.safe:
        raise UnsafeStorage(
            f"{location}: concurrent commits overwrite one another on this store. {verdict.reason}",
            "Use a store with conditional puts; or, with one writer and no other ever, ask for it "
            "by name: commits = 'unsafe'.",
            location=location,
        )


def _warn_unproven(location: str, store: Store, error: StorageError) -> None:
    """Warn once for a store that can't be probed."""
    with _lock:
        if store in _warned:
            return
        _warned.add(store)
    _logger.warning(
        "nothing shows that %s keeps concurrent commits apart, because it can't be probed: %s",
        location,
        error,
    )
