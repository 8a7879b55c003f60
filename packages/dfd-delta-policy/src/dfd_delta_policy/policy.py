"""How long, how often and how patiently a mutation is tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from dfd_delta_policy.conflict import Conflict
from dfd_delta_policy.errors import InvalidPolicy


class DeltaRetryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the retries of one operation.

    - `attempts`: at most this many, the first included. Default 10; 1 means no retry.
    - `timeout_s`: no attempt starts later than this many seconds after the first. Default 60.
    - `base_s`, `cap_s`: bounds of each wait in seconds. Default 0.05 and 5.
    - `on_metadata_change`: `"abort"`: a change of schema or protocol by another commit is fatal.

    The wait is decorrelated jitter: uniform between `base_s` and three times the wait before, and
    at most `cap_s` (Brooker, "Exponential Backoff And Jitter", 2015).
    """

    attempts: int = 10
    timeout_s: float = 60.0
    base_s: float = 0.05
    cap_s: float = 5.0
    on_metadata_change: Literal["abort"] = "abort"

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise InvalidPolicy("`attempts` is a whole number from 1.")
        for field in ("timeout_s", "base_s", "cap_s"):
            value = getattr(self, field)
            if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise InvalidPolicy(f"`{field}` is a number of seconds from 0.")
        if self.cap_s < self.base_s:
            raise InvalidPolicy("`cap_s` is at least `base_s`.")
        if self.on_metadata_change != "abort":
            raise InvalidPolicy("`on_metadata_change` is 'abort'.")

    @property
    def fatal(self) -> frozenset[Conflict]:
        """Conflicts after which nothing is tried again."""
        return frozenset(
            {Conflict.METADATA_CHANGED, Conflict.PROTOCOL_CHANGED, Conflict.APPEND_ONLY}
        )

    @property
    def retryable(self) -> frozenset[Conflict]:
        """Conflicts after which the operation is tried again, unless it landed."""
        return frozenset(Conflict) - self.fatal

    def next_wait_s(
        self, before_s: float | None, uniform: Callable[[float, float], float]
    ) -> float:
        """The wait in seconds after one of `before_s` (None for the first)."""
        high = 3 * (self.base_s if before_s is None else before_s)
        return min(self.cap_s, uniform(self.base_s, max(self.base_s, high)))
