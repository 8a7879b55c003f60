"""Spans, metrics and records of queries and operations.

Only the OpenTelemetry API is used: without an SDK spans and metrics are no-ops, and records are
kept all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from typing import Any

from dfd_base import warn_renamed
from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from dfd_obs import ids
from dfd_obs.config import ObservabilityConfig
from dfd_obs.plan import ExecutedPlan, PlanCapture
from dfd_obs.record import OperationRecord, QueryRecord, Status
from dfd_obs.redact import redact

logger = logging.getLogger(__name__)
_VERSION = version("dfd-obs")


class Observer:
    """Watches queries and operations; keeps the newest records of each. Safe between threads.

    - `config`: what is kept.
    - `seconds`: a clock that never goes back, in seconds. `now`: the time of day, in UTC.
    """

    def __init__(
        self,
        config: ObservabilityConfig | None = None,
        *,
        seconds: Callable[[], float] = time.perf_counter,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.config = config or ObservabilityConfig()
        self.seconds = seconds
        self.now = now
        self._lock = threading.Lock()
        self._queries: deque[QueryRecord] = deque(maxlen=self.config.max_records)
        self._operations: deque[OperationRecord] = deque(maxlen=self.config.max_records)
        self.tracer = trace.get_tracer("dfd_obs", _VERSION)
        meter = metrics.get_meter("dfd_obs", _VERSION)
        # Names and units: OpenTelemetry semantic conventions for database clients.
        self._duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of queries and operations",
        )
        self._rows = meter.create_histogram(
            "db.client.response.returned_rows", unit="{row}", description="Rows a query returned"
        )
        self._slow = meter.create_counter(
            "dfd.slow_queries", unit="{query}", description="Queries slower than slow_query_ms"
        )

    @property
    def records(self) -> tuple[QueryRecord, ...]:
        """The newest queries that have ended, oldest first."""
        with self._lock:
            return tuple(self._queries)

    @property
    def operations(self) -> tuple[OperationRecord, ...]:
        """The newest operations that have ended, oldest first."""
        with self._lock:
            return tuple(self._operations)

    @property
    def slow_queries(self) -> tuple[QueryRecord, ...]:
        """The queries of `records` that were slow, with their plans."""
        return tuple(record for record in self.records if record.slow)

    def start_query(
        self,
        sql: str,
        route: str | None = None,
        route_reason: str | None = None,
        *,
        planning_s: float = 0.0,
    ) -> QueryScope:
        """Begin a run of a query: its span starts, and it has a query id.

        `planning_s`: the seconds that it was planned before, which its duration and its span include.
        """
        return QueryScope(self, sql, route, route_reason, planning_s)

    def start_operation(self, name: str, uri: str) -> OperationScope:
        """Begin an operation (`"append"`, `"merge"`, ...) on the table at `uri`."""
        return OperationScope(self, name, str(redact(uri)))

    @contextlib.contextmanager
    def operation(self, name: str, uri: str) -> Iterator[OperationScope]:
        """An operation for as long as the block lasts; an error that leaves it is recorded."""
        scope = self.start_operation(name, uri)
        try:
            with scope.activate():
                yield scope
        except BaseException as error:
            scope.finish({}, error=error)
            raise
        scope.finish({})

    def record(self, record: QueryRecord | OperationRecord) -> None:
        """Add a record, and count it."""
        if isinstance(record, QueryRecord):
            name = "query"
            self._rows.record(record.rows, {"db.system.name": "datafusion"})
            if record.slow:
                self._slow.add(1)
                logger.warning("Query %s took %.3f s", record.query_id, record.duration_s)
        else:
            name = record.operation
        self._duration.record(
            record.duration_s,
            {
                "db.system.name": "datafusion",
                "db.operation.name": name,
                "dfd.status": record.status,
            },
        )
        with self._lock:
            if isinstance(record, QueryRecord):
                self._queries.append(record)
            else:
                self._operations.append(record)

    def recorded_sql(self, sql: str) -> str | None:
        """The part of a query's text that is recorded, as `record_sql` says."""
        match self.config.record_sql:
            case "text":
                return sql
            case "digest":
                return "sha256:" + hashlib.sha256(" ".join(sql.split()).encode()).hexdigest()
            case _:
                return None

    def describe_error(self, error: BaseException) -> str:
        """The part of an error that is recorded: a message may hold values of rows, a class doesn't."""
        name = type(error).__name__
        return str(redact(f"{name}: {error}")) if self.config.record_sql == "text" else name

    def keep(self, record: QueryRecord | OperationRecord) -> None:
        """The old name of `record`."""
        warn_renamed("Observer.keep", "Observer.record")
        self.record(record)

    def statement(self, sql: str) -> str | None:
        """The old name of `recorded_sql`."""
        warn_renamed("Observer.statement", "Observer.recorded_sql")
        return self.recorded_sql(sql)

    def problem(self, error: BaseException) -> str:
        """The old name of `describe_error`."""
        warn_renamed("Observer.problem", "Observer.describe_error")
        return self.describe_error(error)


def add_event(name: str, attributes: Mapping[str, Any]) -> None:
    """Add an event to the current span, the one of an operation within its block; secrets are cut out.

    Attributes of other types than text, numbers and truth values become text.
    """
    plain = {
        key: value if isinstance(value, (str, int, float)) else str(value)
        for key, value in redact(attributes).items()
    }
    trace.get_current_span().add_event(name, plain)


class _Scope:
    """The base of `QueryScope` and `OperationScope`: a span, a start, and one end."""

    def __init__(
        self,
        observer: Observer,
        name: str,
        attributes: Mapping[str, str],
        elapsed_s: float = 0.0,
    ) -> None:
        self._observer = observer
        self._run_id = ids.current_run().id
        self._started_at = observer.now() - timedelta(seconds=elapsed_s)
        self._start_s = observer.seconds() - elapsed_s
        self._finished = False
        self.span: Span = observer.tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={ids.RUN_ID: self._run_id, **attributes},
            start_time=time.time_ns() - round(elapsed_s * 1e9),
        )

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span current for as long as the block lasts; it does not end with it."""
        with trace.use_span(
            self.span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        ):
            yield

    def _close(self, error: BaseException | None, attributes: Mapping[str, Any]) -> float | None:
        """End the span and give the duration; None when it had ended before."""
        if self._finished:
            return None
        self._finished = True
        duration_s = self._observer.seconds() - self._start_s
        for name, value in attributes.items():
            self.span.set_attribute(name, value)
        if error is not None:
            self.span.set_attribute("error.type", type(error).__name__)
            self.span.set_status(StatusCode.ERROR, self._observer.describe_error(error))
        self.span.end()
        return duration_s

    def _trace_id(self) -> str | None:
        context = self.span.get_span_context()
        return format(context.trace_id, "032x") if context.is_valid else None


class QueryScope(_Scope):
    """One run of a query, from `start_query` to `finish`."""

    def __init__(
        self,
        observer: Observer,
        sql: str,
        route: str | None,
        route_reason: str | None,
        planning_s: float,
    ) -> None:
        self.query_id = ids.new_id()
        self._sql = observer.recorded_sql(sql)
        self._route = route
        self._route_reason = route_reason
        attributes = {"db.system.name": "datafusion", ids.QUERY_ID: self.query_id}
        if route is not None:
            attributes["dfd.route"] = route
        if observer.config.record_sql == "text":
            attributes["db.query.text"] = sql
        super().__init__(observer, "dfd.query", attributes, planning_s)

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span and the query id current for as long as the block lasts."""
        with super().activate(), ids.query(self.query_id):
            yield

    def routed(self, route: str, reason: str | None) -> None:
        """Say where the run takes place, once it is known, and why."""
        self._route, self._route_reason = route, reason
        self.span.set_attribute("dfd.route", route)
        if reason is not None:
            self.span.set_attribute("dfd.route_reason", str(redact(reason)))

    def finish(
        self,
        *,
        rows: int,
        plan: ExecutedPlan | None = None,
        error: BaseException | None = None,
        abandoned: bool = False,
    ) -> None:
        """End the run: `rows` that were given out, and the plan that ran. Only the first call counts.

        `abandoned` says that the reader stopped before the end, which is no error.
        """
        duration_s = self._close(error, {"db.response.returned_rows": rows})
        if duration_s is None:
            return
        config = self._observer.config
        slow = duration_s * 1000 >= config.slow_query_ms
        status: Status = "error" if error is not None else "abandoned" if abandoned else "ok"
        capture = None
        if slow and plan is not None:
            capture = PlanCapture.of(
                plan, max_bytes=config.max_plan_bytes, detail=config.record_sql == "text"
            )
        self._observer.record(
            QueryRecord(
                query_id=self.query_id,
                run_id=self._run_id,
                sql=self._sql,
                route=self._route,
                route_reason=self._route_reason,
                started_at=self._started_at,
                duration_s=duration_s,
                rows=rows,
                status=status,
                error=None if error is None else self._observer.describe_error(error),
                slow=slow,
                plan=capture,
                trace_id=self._trace_id(),
            )
        )


class OperationScope(_Scope):
    """One operation on a table, from `start_operation` to `finish`."""

    def __init__(self, observer: Observer, name: str, uri: str) -> None:
        self._name = name
        self._uri = uri
        found = ids.current_ids()
        self._query_id = found.get(ids.QUERY_ID)
        super().__init__(
            observer,
            f"dfd.{name}",
            {
                "db.system.name": "deltalake",
                "db.operation.name": name,
                "db.collection.name": uri,
                **found,
            },
        )

    def finish(self, details: Mapping[str, Any], *, error: BaseException | None = None) -> None:
        """End the operation with what came of it. Only the first call counts."""
        plain = redact(details)
        attributes = {
            f"dfd.{key}": value
            for key, value in plain.items()
            if isinstance(value, (str, int, float))
        }
        duration_s = self._close(error, attributes)
        if duration_s is None:
            return
        self._observer.record(
            OperationRecord(
                operation=self._name,
                uri=self._uri,
                run_id=self._run_id,
                query_id=self._query_id,
                started_at=self._started_at,
                duration_s=duration_s,
                status="ok" if error is None else "error",
                error=None if error is None else self._observer.describe_error(error),
                details=plain,
                trace_id=self._trace_id(),
            )
        )
