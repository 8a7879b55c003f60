"""Records of queries and operations, made when they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from dfd_obs.plan import PlanCapture

Status = Literal["ok", "error", "abandoned"]


class QueryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a query.

    - `sql`: its text, its digest, or None, as `record_sql` says.
    - `started_at` UTC; `duration_s` seconds until the last batch was taken.
    - `status`: `"abandoned"` when the reader stopped before the end.
    - `error`: the class of the error, with its message only under `record_sql="text"`.
    - `plan`: of this very run, when it was slow.
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
