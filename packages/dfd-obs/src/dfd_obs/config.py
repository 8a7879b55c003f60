"""The configuration of observation: what is recorded, and how much of it."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from dfd_obs.errors import InvalidObservabilityConfig


class ObservabilityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The extent to which an `Observer` records queries and operations.

    - `slow_query_ms`: a query that takes at least so many milliseconds, without its reader's own time, keeps its
      plan and metrics. Default 1000; 0 keeps every plan.
    - `max_plan_bytes`: of one plan, as UTF-8; what goes beyond is cut off and said so. Default 64 KiB.
    - `max_records`: the newest so many queries, and as many operations, are kept. Default 1000.
    - `record_sql`: `"text"` keeps the query's text, error messages, reasons of routes and the expressions of plans;
      `"digest"` (default) and `"off"` keep none of them, as they may hold values of rows. `"digest"`
      keeps a SHA-256 of the text, so that equal queries are seen to be equal.
    - `delta_tracing`: have delta-rs send its own spans (see `init_delta_tracing`). Default off.

    Raises:
        InvalidObservabilityConfig: a value is out of range.
    """

    slow_query_ms: float = 1000.0
    max_plan_bytes: int = 65536
    max_records: int = 1000
    record_sql: Literal["digest", "text", "off"] = "digest"
    delta_tracing: bool = False

    def __post_init__(self) -> None:
        slow = self.slow_query_ms
        if type(slow) not in (int, float) or not (math.isfinite(slow) and slow >= 0):
            raise InvalidObservabilityConfig("`slow_query_ms` is a number of milliseconds from 0.")
        for field in ("max_plan_bytes", "max_records"):
            value = getattr(self, field)
            if type(value) is not int or value < 1:
                raise InvalidObservabilityConfig(f"`{field}` is a whole number from 1.")
        if self.record_sql not in ("digest", "text", "off"):
            raise InvalidObservabilityConfig("`record_sql` is 'digest', 'text' or 'off'.")
        if type(self.delta_tracing) is not bool:
            raise InvalidObservabilityConfig("`delta_tracing` is True or False.")
