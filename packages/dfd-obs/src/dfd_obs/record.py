"""Records of queries and operations, made when they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from dfd_obs.plan_capture import PlanCapture

Status = Literal["ok", "error", "abandoned"]


class QueryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a query.

    - `summary`: what it does and to which tables, `"SELECT flights"`; `operation`: its verb alone. None where
      it isn't known.
    - `sql`: its text, its fingerprint, or None, as `record_sql` says.
    - `fingerprint`: of its shape without literals, so that runs of one statement are found together; None
      under `record_sql="off"`.
    - `tables`: the Delta tables that it read, each with its version, when it was slow or failed.
    - `route_reason`: why it ran in the session, as a code (`"unplannable"`); in words too under
      `record_sql="text"`.
    - `started_at`: UTC, when its text was given.
    - `duration_s`: the seconds that dfd took: `refresh_s` for the newest versions of its tables, `planning_s`, and
      `execution_s`. `consumer_s` are those of whoever held the query or read its batches, as far as they can be
      told apart: a library that reads the engine's Arrow C stream itself takes its time within `execution_s`.
    - `status`: `"abandoned"` when the reader stopped before the end.
    - `error_type`: the class of the error; `error`: with its message under `record_sql="text"`.
    - `plan`: of this very run, when it was slow or failed.
    - `trace_id`: of the span, 32 hexadecimal digits; None without an OpenTelemetry SDK.
    """

    query_id: str
    run_id: str
    sql: str | None
    route: str | None
    route_reason: str | None
    started_at: datetime
    duration_s: float
    rows: int
    status: Status
    error: str | None
    slow: bool
    plan: PlanCapture | None
    trace_id: str | None
    summary: str | None = None
    operation: str | None = None
    refresh_s: float = 0.0
    planning_s: float = 0.0
    execution_s: float = 0.0
    consumer_s: float = 0.0
    error_type: str | None = None
    fingerprint: str | None = None
    tables: dict[str, int] = {}


class OperationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on a table, with `details` as its caller gave them."""

    operation: str
    uri: str
    run_id: str
    query_id: str | None
    started_at: datetime
    duration_s: float
    status: Status
    error: str | None
    details: Mapping[str, Any]
    trace_id: str | None
    error_type: str | None = None
