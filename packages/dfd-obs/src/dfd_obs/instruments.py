"""The metrics of queries and operations, by the conventions for database clients, and dfd's own."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import metrics

from dfd_obs import semconv
from dfd_obs.plan import ScanTotals
from dfd_obs.record import OperationRecord, QueryRecord

_SYSTEM = {semconv.SYSTEM_NAME: semconv.SYSTEM}


class Instruments:
    """The instruments of one observer. Without an SDK they do nothing."""

    def __init__(self, version: str) -> None:
        meter = metrics.get_meter("dfd_obs", version, schema_url=semconv.SCHEMA_URL)
        self._duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of queries and operations, without the reader's own time",
            explicit_bucket_boundaries_advisory=semconv.DURATION_BOUNDARIES,
        )
        self._rows = meter.create_histogram(
            "db.client.response.returned_rows",
            unit="{row}",
            description="Rows a query returned",
            explicit_bucket_boundaries_advisory=semconv.ROWS_BOUNDARIES,
        )
        self._slow = meter.create_counter(
            "dfd.slow_queries", unit="{query}", description="Queries slower than slow_query_ms"
        )
        self._scan_bytes = meter.create_counter(
            "dfd.scan.bytes", unit="By", description="Bytes of data files that scans read"
        )
        self._scan_requests = meter.create_counter(
            "dfd.scan.requests", unit="{request}", description="Requests of scans to object stores"
        )
        self._files_skipped = meter.create_counter(
            "dfd.scan.files_skipped", unit="{file}", description="Data files that scans left out"
        )
        self._attempts = meter.create_counter(
            "dfd.commit.attempts", unit="{attempt}", description="Attempts to commit operations"
        )
        self._conflicts = meter.create_counter(
            "dfd.commit.conflicts", unit="{conflict}", description="Attempts that met a conflict"
        )

    def count_query(self, record: QueryRecord, scanned: ScanTotals | None) -> None:
        """Measure a query that has ended."""
        attributes = {**_SYSTEM, semconv.OPERATION_NAME: record.operation or "query"}
        self._duration.record(record.duration_s, {**attributes, **_end_of(record)})
        self._rows.record(record.rows, attributes)
        if record.slow:
            self._slow.add(1)
        if scanned is not None and any(scanned):
            self._scan_bytes.add(scanned.bytes, _SYSTEM)
            self._scan_requests.add(scanned.requests, _SYSTEM)
            self._files_skipped.add(scanned.files_skipped, _SYSTEM)

    def count_operation(self, record: OperationRecord) -> None:
        """Measure an operation that has ended."""
        attributes = {**_SYSTEM, semconv.OPERATION_NAME: record.operation}
        self._duration.record(record.duration_s, {**attributes, **_end_of(record)})

    def count_attempt(self, operation: str, conflict: str | None) -> None:
        """Count an attempt to commit, and what it met where it failed."""
        attributes = {**_SYSTEM, semconv.OPERATION_NAME: operation}
        self._attempts.add(1, attributes)
        if conflict is not None:
            self._conflicts.add(1, {**attributes, semconv.CONFLICT: conflict})


def _end_of(record: QueryRecord | OperationRecord) -> Mapping[str, str]:
    ended: dict[str, str] = {semconv.STATUS: record.status}
    if record.error_type is not None:
        ended[semconv.ERROR_TYPE] = record.error_type
    return ended
