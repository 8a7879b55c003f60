"""Errors of observation: configuration, run ids, tracing."""

from __future__ import annotations

from dfd_base import DfdError


class ObservabilityError(DfdError):
    """Root of the errors of this package; `code` is stable across releases."""

    code = "observability"


class InvalidObservabilityConfig(ObservabilityError, ValueError):
    """A field has a value that can't be meant; the message names it."""

    code = "invalid_observability_config"


class InvalidRunId(ObservabilityError, ValueError):
    """A run id is empty, too long, or not printable ASCII without spaces."""

    code = "invalid_run_id"


class UnreadableRecords(ObservabilityError):
    """A file of records or a report can't be read; the message says why."""

    code = "unreadable_records"


class TracingUnavailable(ObservabilityError):
    """delta-rs can't send spans from this process; the message says why and what to do."""

    code = "tracing_unavailable"
