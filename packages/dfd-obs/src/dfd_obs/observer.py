"""The observer of queries and operations: it starts their scopes, measures them, and keeps their records.

Only the OpenTelemetry API is used: without an SDK spans and metrics are no-ops, and records are
kept all the same.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from dfd_base import warn_renamed
from opentelemetry import trace

from dfd_obs import semconv
from dfd_obs.config import ObservabilityConfig
from dfd_obs.cut_text import cut_text
from dfd_obs.fingerprint import fingerprint, key_of
from dfd_obs.instruments import Instruments
from dfd_obs.origin import Origin
from dfd_obs.plan import ScanTotals
from dfd_obs.preparation import Preparation
from dfd_obs.query_summary import QuerySummary
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.record_store import RecordStore
from dfd_obs.redact import redact
from dfd_obs.scopes import OperationScope, QueryScope
from dfd_obs.sink import RecordSink

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
        self._store = RecordStore(self.config.max_records, self.config.max_bytes)
        config = self.config
        self._sink = (
            None
            if config.sink is None
            else RecordSink(config.sink, config.sink_max_bytes, config.sink_files)
        )
        self._fingerprint_key = key_of(self.config.fingerprint_key)
        self.tracer = trace.get_tracer("dfd_obs", _VERSION, schema_url=semconv.SCHEMA_URL)
        self._instruments = Instruments(_VERSION)

    @property
    def records(self) -> tuple[QueryRecord, ...]:
        """The newest queries that have ended, oldest first."""
        return self._store.queries

    @property
    def operations(self) -> tuple[OperationRecord, ...]:
        """The newest operations that have ended, oldest first."""
        return self._store.operations

    @property
    def slow_queries(self) -> tuple[QueryRecord, ...]:
        """The queries of `records` that were slow, with their plans."""
        return tuple(record for record in self.records if record.slow)

    def prepare(
        self,
        sql: str,
        namespace: str | None = None,
        *,
        origin: Origin | None = None,
        planned_s: float = 0.0,
    ) -> Preparation:
        """Begin to prepare a query, under the run and the span of the caller or those of `origin`."""
        return Preparation(
            sql,
            namespace,
            seconds=self.seconds,
            now=self.now,
            origin=origin,
            planned_s=planned_s,
        )

    def start_query(
        self,
        sql: str | Preparation,
        route: str | None = None,
        route_reason: str | None = None,
        *,
        planning_s: float = 0.0,
    ) -> QueryScope:
        """Begin a run of a query: its span starts, and it has a query id.

        - `sql`: its text, or its preparation, with which its span and its duration begin.
        - `planning_s`: the seconds that it was planned before, of a query that is given as a text.
        """
        if isinstance(sql, str):
            sql = self.prepare(sql, planned_s=planning_s)
            sql.summary = QuerySummary.of_text(sql.text)
        return QueryScope(self, sql, route, route_reason)

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

    def record(
        self, record: QueryRecord | OperationRecord, scanned: ScanTotals | None = None
    ) -> None:
        """Keep the record of what has ended, and measure it; of a query with what its scans read."""
        if isinstance(record, OperationRecord):
            self._instruments.count_operation(record)
        else:
            self._instruments.count_query(record, scanned)
            if record.slow:
                logger.warning("Query %s took %.3f s", record.query_id, record.duration_s)
        self._store.add(record)
        if self._sink is not None:
            self._sink.write(record)

    def fail(self, prepared: Preparation, error: BaseException) -> str:
        """Record a query whose preparation failed; its query id."""
        return self._end_without_run(prepared, error).query_id

    def ran(self, prepared: Preparation, route: str, reason: str | None = None) -> QueryScope:
        """Record a statement that ran while it was prepared, where, and why there: its scope, which has ended."""
        prepared.ran()
        return self._end_without_run(prepared, None, route, reason)

    def _end_without_run(
        self,
        prepared: Preparation,
        error: BaseException | None,
        route: str | None = None,
        reason: str | None = None,
    ) -> QueryScope:
        if prepared.summary.verb is None:
            prepared.summary = QuerySummary.of_text(prepared.text)
        scope = self.start_query(prepared, route, reason)
        scope.finish(rows=0, error=error, execution_s=0.0)
        return scope

    def count_attempt(self, operation: str, conflict: str | None = None) -> None:
        """Count an attempt to commit an operation, and the conflict that it met."""
        self._instruments.count_attempt(operation, conflict)

    def recorded_sql(self, sql: str) -> str | None:
        """The part of a query's text that is recorded, as `record_sql` says."""
        if self.config.record_sql == "text":
            return cut_text(sql, self.config.max_plan_bytes)
        return self.fingerprint(sql)

    def fingerprint(self, sql: str) -> str | None:
        """The fingerprint of a statement; None where nothing of texts is recorded."""
        return None if self.config.record_sql == "off" else fingerprint(sql, self._fingerprint_key)

    def describe_error(self, error: BaseException) -> str:
        """The part of an error that is recorded: a message may hold values of rows, a class doesn't."""
        name = type(error).__name__
        if self.config.record_sql != "text":
            return name
        return cut_text(str(redact(f"{name}: {error}")), self.config.max_plan_bytes)

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
