"""Queries and operations between their start and their end: a span, and the record that is made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer

from dfd_obs import ids, semconv, under_way
from dfd_obs.blocks import BlockVar, current, entered
from dfd_obs.config import ObservabilityConfig
from dfd_obs.ids import Run
from dfd_obs.operator_spans import add_operator_spans
from dfd_obs.origin import Origin
from dfd_obs.plan import ExecutedPlan, OperatorMetrics, ScanTotals, operator_metrics
from dfd_obs.plan_capture import PlanCapture
from dfd_obs.plan_detail import without_literals
from dfd_obs.preparation import Durations, Interval, Preparation
from dfd_obs.record import OperationRecord, QueryRecord, Status
from dfd_obs.redact import redact

_active: BlockVar[bool] = ContextVar("dfd_scope", default=None)
_operation: BlockVar[OperationScope] = ContextVar("dfd_operation_scope", default=None)


def is_observed() -> bool:
    """Whether the caller works within a query or an operation that is observed."""
    return current(_active) is True


def observed() -> AbstractContextManager[object]:
    """A block whose queries and operations somebody observes already, so that `instrument` passes them by."""
    return entered(_active, True)


class Recorder(Protocol):
    """An `Observer`, as scopes use it."""

    config: ObservabilityConfig
    tracer: Tracer
    seconds: Callable[[], float]
    now: Callable[[], datetime]

    def recorded_sql(self, sql: str) -> str | None: ...
    def fingerprint(self, sql: str) -> str | None: ...
    def describe_error(self, error: BaseException) -> str: ...
    def record(
        self, record: QueryRecord | OperationRecord, scanned: ScanTotals | None = None
    ) -> None: ...


class _Scope:
    """The base of `QueryScope` and `OperationScope`: a span of a run, and one end."""

    def __init__(
        self,
        recorder: Recorder,
        origin: Origin,
        name: str,
        attributes: Mapping[str, str],
        start_ns: int | None = None,
        links: Sequence[Link] = (),
    ) -> None:
        self._recorder = recorder
        self._run: Run = origin.run
        self._finished = False
        self.span: Span = recorder.tracer.start_span(
            name,
            context=origin.context,
            kind=SpanKind.CLIENT,
            attributes={
                semconv.SYSTEM_NAME: semconv.SYSTEM,
                ids.RUN_ID: self._run.id,
                **attributes,
            },
            start_time=start_ns,
            links=links,
        )

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span current for as long as the block lasts; it does not end with it."""
        with (
            trace.use_span(
                self.span, end_on_exit=False, record_exception=False, set_status_on_exception=False
            ),
            observed(),
        ):
            yield

    def _is_first_end(self) -> bool:
        is_first, self._finished = not self._finished, True
        return is_first

    def _end(self, error: BaseException | None, attributes: Mapping[str, Any]) -> None:
        self.span.set_attributes(attributes)
        kind = semconv.error_type(error)
        if kind is not None:
            self.span.set_attribute(semconv.ERROR_TYPE, kind)
            self.span.set_status(StatusCode.ERROR, self._described(error))
        self.span.end()

    def _described(self, error: BaseException | None) -> str | None:
        return None if error is None else self._recorder.describe_error(error)

    def _trace_id(self) -> str | None:
        context = self.span.get_span_context()
        return format(context.trace_id, "032x") if context.is_valid else None


class QueryScope(_Scope):
    """One run of a query, from `start_query` to `finish`. Its span begins with its preparation."""

    def __init__(
        self, recorder: Recorder, prepared: Preparation, route: str | None, reason: str | None
    ) -> None:
        self.query_id = ids.new_id()
        self._prepared = prepared
        self._sql = recorder.recorded_sql(prepared.text)
        self._fingerprint = recorder.fingerprint(prepared.text)
        self._route: str | None = None
        self._route_reason: str | None = None
        self._summary = str(prepared.summary) or None
        self._start_s = recorder.seconds()
        reader = current(_operation)
        if reader is not None:
            reader.reads(self.query_id)
        super().__init__(
            recorder,
            prepared.origin,
            self._summary or semconv.SYSTEM,
            self._attributes(recorder),
            prepared.unix_ns(prepared.start_s),
            prepared.origin.link_to_reader(),
        )
        if route is not None:
            self.routed(route, reason)

    def _attributes(self, recorder: Recorder) -> dict[str, str]:
        found = {
            ids.QUERY_ID: self.query_id,
            semconv.QUERY_SUMMARY: self._summary,
            semconv.OPERATION_NAME: self._prepared.summary.verb,
            semconv.NAMESPACE: self._prepared.namespace,
        }
        if recorder.config.record_sql == "text":
            found[semconv.QUERY_TEXT] = self._prepared.text
        return {name: value for name, value in found.items() if value is not None}

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span, the run and the query id current for as long as the block lasts."""
        with super().activate(), ids.query(self.query_id, self._run):
            yield

    def routed(self, route: str, reason: str | None, detail: str | None = None) -> None:
        """Say where the run takes place, once it is known, and why.

        - `reason`: a code. `detail`: the reason in words, which may hold values of rows: kept where texts are.
        """
        is_told = detail is not None and self._recorder.config.record_sql == "text"
        self._route = route
        self._route_reason = str(redact(f"{reason}: {detail}")) if is_told else reason
        self.span.set_attribute(semconv.ROUTE, route)
        if self._route_reason is not None:
            self.span.set_attribute(semconv.ROUTE_REASON, self._route_reason)

    def finish(
        self,
        *,
        rows: int,
        plan: ExecutedPlan | None = None,
        operators: Sequence[OperatorMetrics] | None = None,
        error: BaseException | None = None,
        abandoned: bool = False,
        execution_s: float | None = None,
    ) -> None:
        """End the run: `rows` that were given out, and the plan that ran. Only the first call counts.

        - `operators`: those of `plan`, where they are at hand.
        - `abandoned`: the reader stopped before the end, which is no error.
        - `execution_s`: the seconds it ran, without those of its reader; all since its start by default.
        """
        if not self._is_first_end():
            return
        end_s = self._recorder.seconds()
        if operators is None and plan is not None:
            operators = operator_metrics(plan)
        if execution_s is None:
            execution_s = end_s - self._start_s
        durations = self._prepared.durations(execution_s, end_s)
        status: Status = "error" if error is not None else "abandoned" if abandoned else "ok"
        record = self._made(rows, operators, error, status, durations)
        # While the span is current, so that measurements have it as their example, and log lines its id.
        is_heard = record.slow or self.span.is_recording()
        with self.activate() if is_heard else contextlib.nullcontext():
            self._recorder.record(record, ScanTotals.of(operators) if operators else None)
        ran = [Interval("execute", self._start_s, end_s)] if execution_s else []
        self._add_spans([*self._prepared.intervals, *ran], operators or ())
        told = {f"dfd.{name}": seconds for name, seconds in durations._asdict().items()}
        self._end(error, {semconv.RETURNED_ROWS: rows, semconv.STATUS: status, **told})

    def _made(
        self,
        rows: int,
        operators: Sequence[OperatorMetrics] | None,
        error: BaseException | None,
        status: Status,
        durations: Durations,
    ) -> QueryRecord:
        slow = durations.own_s * 1000 >= self._recorder.config.slow_query_ms
        is_looked_at = slow or error is not None
        return QueryRecord(
            query_id=self.query_id,
            run_id=self._run.id,
            sql=self._sql,
            summary=self._summary,
            operation=self._prepared.summary.verb,
            route=self._route,
            route_reason=self._route_reason,
            started_at=self._prepared.started_at,
            duration_s=durations.own_s,
            rows=rows,
            status=status,
            slow=slow,
            plan=self._capture(operators) if operators and is_looked_at else None,
            trace_id=self._trace_id(),
            **durations._asdict(),
            error=self._described(error),
            error_type=semconv.error_type(error),
            fingerprint=self._fingerprint,
            tables=self._prepared.table_versions() if is_looked_at else {},
        )

    def _capture(self, operators: Sequence[OperatorMetrics]) -> PlanCapture:
        config = self._recorder.config
        detail: Callable[[str], str] = str
        if config.record_sql != "text":
            columns = self._prepared.column_names()
            detail = partial(without_literals, columns=columns)
        return PlanCapture.of(operators, max_bytes=config.max_plan_bytes, detail=detail)

    def _add_spans(
        self, intervals: Sequence[Interval], operators: Sequence[OperatorMetrics]
    ) -> None:
        """Add a span for each step, now that all of them are known, and for operators where they are asked for."""
        if not self.span.is_recording():
            return
        tracer = self._recorder.tracer
        context = trace.set_span_in_context(self.span)
        attributes = {ids.RUN_ID: self._run.id, ids.QUERY_ID: self.query_id}
        for step, start_s, stop_s, part_of in intervals:
            if step == part_of:
                continue
            span = tracer.start_span(
                step,
                context,
                attributes=attributes,
                start_time=self._prepared.unix_ns(start_s),
            )
            span.end(self._prepared.unix_ns(stop_s))
            if step == "execute" and self._recorder.config.operator_spans:
                above = trace.set_span_in_context(span)
                add_operator_spans(tracer, above, operators, attributes)


class OperationScope(_Scope):
    """One operation on a table, from `start_operation` to `finish`."""

    def __init__(self, recorder: Recorder, name: str, uri: str) -> None:
        self._name = name
        self._uri = uri
        self._query_id = ids.current_query_id()
        self._started_at = recorder.now()
        self._start_s = recorder.seconds()
        super().__init__(
            recorder,
            Origin.here(),
            f"{name} {uri}",
            {semconv.OPERATION_NAME: name, semconv.COLLECTION_NAME: uri, **ids.current_ids()},
        )
        self._period = under_way.operations.begin(self.span, self._run.id)

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Make the span current for as long as the block lasts; a query that runs in it is what the operation reads."""
        with super().activate(), entered(_operation, self):
            yield

    def reads(self, query_id: str) -> None:
        """Take a query for what the operation writes, unless it works for one already."""
        self._query_id = self._query_id or query_id

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the operation, with a span of its own that is current for as long as the block lasts."""
        with self._recorder.tracer.start_as_current_span(
            name,
            trace.set_span_in_context(self.span),
            attributes=ids.current_ids(),
            # Its message may hold values of rows; the operation's span says what is recorded of it.
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield

    def finish(self, details: Mapping[str, Any], *, error: BaseException | None = None) -> None:
        """End the operation with what came of it. Only the first call counts."""
        if not self._is_first_end():
            return
        under_way.operations.end(self._period)
        plain = redact(details)
        record = OperationRecord(
            operation=self._name,
            uri=self._uri,
            run_id=self._run.id,
            query_id=self._query_id,
            started_at=self._started_at,
            duration_s=self._recorder.seconds() - self._start_s,
            status="ok" if error is None else "error",
            details=plain,
            trace_id=self._trace_id(),
            error=self._described(error),
            error_type=semconv.error_type(error),
        )
        with self.activate():
            self._recorder.record(record)
        told = {f"dfd.{k}": v for k, v in plain.items() if isinstance(v, (str, int, float))}
        self._end(error, told)
