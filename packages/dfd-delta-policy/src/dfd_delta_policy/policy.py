"""The policy by which a mutation is tried: how long, how often and how patiently."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from dfd_delta_policy.conflict import Conflict
from dfd_delta_policy.errors import InvalidPolicy

OperationName = Literal[
    "create",
    "append",
    "overwrite",
    "delete",
    "update",
    "merge",
    "optimize",
    "z_order",
    "restore",
    "vacuum",
    "add_columns",
    "add_constraint",
    "drop_constraint",
    "set_properties",
    "unset_properties",
    "create_checkpoint",
]
_ALWAYS_FATAL = frozenset({Conflict.APPEND_ONLY})
_CHANGED = frozenset({Conflict.METADATA_CHANGED, Conflict.PROTOCOL_CHANGED})


class RetryBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one kind of operation; None is the policy's own."""

    attempts: int | None = None
    timeout_s: float | None = None
    base_s: float | None = None
    cap_s: float | None = None


class DeltaRetryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the retries of one operation.

    - `attempts`: at most this many, the first included. Default 10; 1 means no retry.
    - `timeout_s`: no attempt starts later than this many seconds after the first. Default 60.
    - `base_s`, `cap_s`: bounds of each wait in seconds. Default 0.05 and 5.
    - `on_metadata_change`: what follows when another commit changed schema, partitioning, properties or
      protocol after the operation first read the table. `"abort"`, the default: a `ConflictError`.
      `"replan"`: the operation is worked out again under the new rules, unless a column that was there is gone,
      of another type or no longer nullable, or the partitioning or the table itself is another.
    - `never_retry`: conflicts, under Delta-Spark's names, that end an operation beside those that always do.
    - `operations`: other bounds for some operations: `{"merge": RetryBounds(attempts=20)}`.

    The wait is decorrelated jitter: uniform between `base_s` and three times the wait before, and
    at most `cap_s` (Brooker, "Exponential Backoff And Jitter", 2015).
    """

    attempts: int = 10
    timeout_s: float = 60.0
    base_s: float = 0.05
    cap_s: float = 5.0
    on_metadata_change: Literal["abort", "replan"] = "abort"
    never_retry: frozenset[Conflict] = frozenset()
    operations: Mapping[OperationName, RetryBounds] = {}

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise InvalidPolicy("`attempts` is a whole number from 1.")
        for field in ("timeout_s", "base_s", "cap_s"):
            value = getattr(self, field)
            if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise InvalidPolicy(f"`{field}` is a number of seconds from 0.")
        if self.cap_s < self.base_s:
            raise InvalidPolicy("`cap_s` is at least `base_s`.")
        if self.on_metadata_change not in ("abort", "replan"):
            raise InvalidPolicy("`on_metadata_change` is 'abort' or 'replan'.")
        force = msgspec.structs.force_setattr
        force(self, "never_retry", _converted("never_retry", self.never_retry, frozenset[Conflict]))
        named = Mapping[OperationName, RetryBounds]
        force(self, "operations", _converted("operations", self.operations, named))
        for operation in self.operations:
            self.bounds_of(operation)

    @property
    def fatal(self) -> frozenset[Conflict]:
        """Conflicts after which nothing is tried again."""
        changed = _CHANGED if self.on_metadata_change == "abort" else frozenset()
        return _ALWAYS_FATAL | changed | self.never_retry

    @property
    def retryable(self) -> frozenset[Conflict]:
        """Conflicts after which the operation is tried again, unless it landed."""
        return frozenset(Conflict) - self.fatal

    def bounds_of(self, operation: str) -> DeltaRetryPolicy:
        """The policy with the bounds of one operation in place of its own."""
        bounds = self.operations.get(operation)  # type: ignore[call-overload]
        if bounds is None:
            return self
        own = {
            key: value for key, value in msgspec.structs.asdict(bounds).items() if value is not None
        }
        return msgspec.structs.replace(self, operations={}, **own)

    def next_wait_s(
        self, before_s: float | None, uniform: Callable[[float, float], float]
    ) -> float:
        """The wait in seconds after one of `before_s` (None for the first)."""
        high = 3 * (self.base_s if before_s is None else before_s)
        return min(self.cap_s, uniform(self.base_s, max(self.base_s, high)))


def _converted(field: str, value: Any, kind: Any) -> Any:
    """A field as the struct has it, from what TOML or a caller's literals give."""
    try:
        return msgspec.convert(msgspec.to_builtins(value), kind)
    except msgspec.ValidationError as error:
        raise InvalidPolicy(f"`{field}`: {error}.") from error
