"""A cache of credentials that end: asked for once, renewed ahead of their end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from datetime import datetime, timezone
from typing import Any

from dfd_storage.credentials.variants import ProviderCredentials
from dfd_storage.errors import CredentialsUnavailable, StorageError

_logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(timezone.utc)


class CredentialCache:
    """The newest answer of a callback for credentials, shared by all threads.

    `generation` counts the answers: who keeps something made of one compares it. While a renewal
    fails and the last answer hasn't ended, that one goes on.

    - `provider`: gives `(credentials, expires_at)`; `expires_at` has a time zone, or is None:
      never.
    - `refresh_ahead_s`: renewed that long before the end.
    - `now`: the time.
    """

    def __init__(
        self,
        provider: Callable[[], tuple[Any, datetime | None]],
        refresh_ahead_s: float = 300.0,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._provider = provider
        self._ahead_s = refresh_ahead_s
        self._now = now
        self._lock = threading.Lock()
        self._answer: tuple[Any, datetime | None] | None = None
        self._generation = 0

    @property
    def generation(self) -> int:
        """The number of different answers so far, after a look at the clock; 1 with the first."""
        self.current()
        return self._generation

    def current(self) -> Any:
        """The credentials that hold now.

        The callback runs in the thread that finds none; others wait.

        Raises:
            CredentialsUnavailable: the callback failed, and there is nothing that still holds.
        """
        answer = self._answer
        if answer is not None and self._left_s(answer) > self._ahead_s:
            return answer[0]
        with self._lock:
            if self._answer is not None and self._left_s(self._answer) > self._ahead_s:
                return self._answer[0]
            return self._renew()

    def _left_s(self, answer: tuple[Any, datetime | None]) -> float:
        return float("inf") if answer[1] is None else (answer[1] - self._now()).total_seconds()

    def _renew(self) -> Any:
        try:
            answer = _checked(self._provider())
            if self._left_s(answer) <= 0:
                raise CredentialsUnavailable(
                    "The callback gave credentials that have ended.",
                    "Let it give new ones.",
                    source="callback",
                )
        except Exception as error:
            held = self._answer
            if held is not None and self._left_s(held) > 0:
                # What a callback raises may quote a secret: its class is enough.
                _logger.warning(
                    "credentials can't be renewed (%s); the last ones hold for %d s more",
                    type(error).__name__,
                    self._left_s(held),
                )
                return held[0]
            if isinstance(error, StorageError):
                raise
            raise CredentialsUnavailable(
                f"The callback for credentials failed with {type(error).__name__}.",
                "Call it by itself to see why.",
                source="callback",
            ) from None
        if self._answer is None or answer[0] != self._answer[0]:
            self._generation += 1
        self._answer = answer
        return answer[0]


def _checked(answer: object) -> tuple[Any, datetime | None]:
    match answer:
        case (credentials, None):
            return credentials, None
        case (credentials, datetime() as end) if end.tzinfo is not None:
            return credentials, end
    raise CredentialsUnavailable(
        "The callback's answer is no pair of credentials and their end.",
        "Give (credentials, expires_at); expires_at has a time zone, or is None.",
        source="callback",
    )


_lock = threading.Lock()
_caches: dict[Hashable, CredentialCache] = {}


def shared_cache(
    key: Hashable,
    provider: Callable[[], tuple[Any, datetime | None]],
    refresh_ahead_s: float = 300.0,
) -> CredentialCache:
    """The one cache of equal credentials in this process: whoever asks shares its answers.

    - `key`: equal for equal credentials.
    """
    with _lock:
        if key not in _caches:
            _caches[key] = CredentialCache(provider, refresh_ahead_s)
        return _caches[key]


def provider_cache(credentials: ProviderCredentials) -> CredentialCache:
    """The cache of a callback's answers."""
    return shared_cache(credentials, credentials.provider, credentials.refresh_ahead_s)
