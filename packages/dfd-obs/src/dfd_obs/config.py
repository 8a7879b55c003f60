"""The configuration of observation: what is recorded, and how much of it."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from dfd_obs.errors import InvalidObservabilityConfig

_SHORTEST_KEY = 16


class ObservabilityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The extent to which an `Observer` records queries and operations.

    - `slow_query_ms`: a query that takes at least so many milliseconds, without its reader's own time, keeps its
      plan and metrics. Default 1000; 0 keeps every plan.
    - `max_plan_bytes`: of one plan as JSON, and of one statement's text; what goes beyond is left out, and said
      so. Default 64 KiB.
    - `max_records`: the newest so many queries, and as many operations, are kept. Default 1000.
    - `max_bytes`: of all records together, as JSON; the oldest go first. Default 16 MiB.
    - `record_sql`: `"text"` keeps the query's text, error messages, reasons of routes and the expressions of plans.
      `"digest"` (default) and `"off"` keep none of them, as they may hold values of rows: literals in plans
      are `?`. `"digest"` keeps the fingerprint of the statement: equal for all that differ in literals alone.
    - `fingerprint_key`: a secret of at least 16 characters, by which the fingerprints of several processes are
      the same. Default: each process has a key of its own.
    - `sink`: a file that records are appended to as they are made, a line of JSON each. `dfd report --from` reads
      it. Default: none.
    - `sink_max_bytes`, `sink_files`: the file is moved to `<sink>.1` where a line would make it longer, and so many
      of the moved ones are kept. Default 16 MiB and 4.
    - `operator_spans`: a span for each operator of a plan, beneath that of the run, with its rows and compute time;
      made after the run from the plan's metrics. Default off.
    - `delta_tracing`: have delta-rs send its own spans (see `init_delta_tracing`). Default off.

    Raises:
        InvalidObservabilityConfig: a value is out of range.
    """

    slow_query_ms: float = 1000.0
    max_plan_bytes: int = 65536
    max_records: int = 1000
    record_sql: Literal["digest", "text", "off"] = "digest"
    delta_tracing: bool = False
    max_bytes: int = 16 * 1024 * 1024
    fingerprint_key: str | None = None
    sink: str | None = None
    sink_max_bytes: int = 16 * 1024 * 1024
    sink_files: int = 4
    operator_spans: bool = False

    def __post_init__(self) -> None:
        slow = self.slow_query_ms
        if type(slow) not in (int, float) or not (math.isfinite(slow) and slow >= 0):
            raise InvalidObservabilityConfig("`slow_query_ms` is a number of milliseconds from 0.")
        for field in ("max_plan_bytes", "max_records", "max_bytes", "sink_max_bytes", "sink_files"):
            value = getattr(self, field)
            if type(value) is not int or value < 1:
                raise InvalidObservabilityConfig(f"`{field}` is a whole number from 1.")
        if self.record_sql not in ("digest", "text", "off"):
            raise InvalidObservabilityConfig("`record_sql` is 'digest', 'text' or 'off'.")
        for field in ("delta_tracing", "operator_spans"):
            if type(getattr(self, field)) is not bool:
                raise InvalidObservabilityConfig(f"`{field}` is True or False.")
        key = self.fingerprint_key
        if key is not None and not (isinstance(key, str) and len(key) >= _SHORTEST_KEY):
            raise InvalidObservabilityConfig(
                "`fingerprint_key` is a text of at least 16 characters."
            )
        if self.sink is not None and not (isinstance(self.sink, str) and self.sink):
            raise InvalidObservabilityConfig("`sink` is the path of a file.")

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        values = {field: getattr(self, field) for field in self.__struct_fields__}
        if self.fingerprint_key is not None:
            values["fingerprint_key"] = "***"
        return list(values.items())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"
