"""A report over time, as Chrome's trace events: https://perfetto.dev opens the file.

A process is a run, its tracks are its queries and operations, side by side where they overlap, and
beneath a query with a plan its operators, where the plan says when they began and ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from dfd_obs.document import ReportDocument
from dfd_obs.record import OperationRecord, QueryRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_Event = dict[str, Any]
_Record = QueryRecord | OperationRecord


def of(report: ReportDocument) -> str:
    """The trace of a report, as JSON."""
    plans = {one.query_id: one for one in (*report.slow_queries, *report.failed_queries)}
    records: list[_Record] = [
        *(plans.get(one.query_id, one) for one in report.queries),
        *report.operations,
    ]
    runs: dict[str, list[_Record]] = {}
    for record in sorted(records, key=lambda one: (_start(one), _name(one))):
        runs.setdefault(record.run_id, []).append(record)
    events = [
        event
        for number, (run_id, of_run) in enumerate(runs.items(), 1)
        for event in _of_run(number, run_id, of_run)
    ]
    document = {"displayTimeUnit": "ms", "traceEvents": events}
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _of_run(pid: int, run_id: str, records: Sequence[_Record]) -> Iterator[_Event]:
    start, end = min(map(_start, records)), max(map(_end, records))
    yield _named("process_name", pid, 0, f"run {run_id}")
    yield _named("thread_name", pid, 0, "the run")
    yield _span(f"run {run_id}", "run", pid, 0, start, end, {})
    lanes: list[int] = []
    tid = 1000
    for record in records:
        lane = next((n for n, free in enumerate(lanes, 1) if free <= _start(record)), None)
        if lane is None:
            lanes.append(0)
            lane = len(lanes)
            yield _named("thread_name", pid, lane, f"queries and operations {lane}")
        lanes[lane - 1] = _end(record)
        kind = "query" if isinstance(record, QueryRecord) else "operation"
        yield _span(
            _name(record), kind, pid, lane, _start(record), _end(record), _arguments(record)
        )
        for event in _operators(record, pid, tid):
            tid = max(tid, event["tid"] + 1)
            yield event


def _operators(record: _Record, pid: int, tid: int) -> Iterator[_Event]:
    if not isinstance(record, QueryRecord) or record.plan is None or record.plan.plan is None:
        return
    for depth, one in record.plan.plan.walk():
        if one.start_us is None or one.end_us is None:
            continue
        label = f"{record.query_id[-8:]} {'· ' * depth}{one.node_type}"
        yield _named("thread_name", pid, tid, label)
        told = {"query_id": record.query_id, "rows": one.rows, "busy_ms": one.busy_ms}
        yield _span(one.node_type, "operator", pid, tid, one.start_us, one.end_us, told)
        tid += 1


def _arguments(record: _Record) -> dict[str, Any]:
    told: dict[str, Any] = {"status": record.status, "query_id": record.query_id}
    if isinstance(record, QueryRecord):
        return {**told, "rows": record.rows, "route": record.route, "sql": record.sql}
    return {**told, "uri": record.uri, **record.details}


def _name(record: _Record) -> str:
    if isinstance(record, QueryRecord):
        return record.summary or "query"
    return record.operation


def _start(record: _Record) -> int:
    since = record.started_at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _end(record: _Record) -> int:
    lasted = record.duration_s
    if isinstance(record, QueryRecord):
        lasted += record.consumer_s
    return _start(record) + round(lasted * 1e6)


def _named(name: str, pid: int, tid: int, value: str) -> _Event:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": {"name": value}}


def _span(
    name: str, category: str, pid: int, tid: int, start: int, end: int, told: dict[str, Any]
) -> _Event:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": pid,
        "tid": tid,
        "ts": start,
        "dur": max(0, end - start),
        "args": {key: value for key, value in told.items() if value is not None},
    }
