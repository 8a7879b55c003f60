"""Run and query ids, spans, slow-query plans and a diagnostics report."""

import logging
from importlib.metadata import version as _version

from dfd_obs.config import ObservabilityConfig
from dfd_obs.errors import (
    InvalidObservabilityConfig,
    InvalidRunId,
    ObservabilityError,
    TracingUnavailable,
)
from dfd_obs.ids import Run, current_ids, current_run, run
from dfd_obs.observer import Observer, OperationScope, QueryScope, add_event
from dfd_obs.plan import ExecutedPlan, OperatorMetrics, PlanCapture, operator_metrics
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.report import DiagnosticsReport
from dfd_obs.tracing import DeltaTracing, init_delta_tracing

__all__ = [
    "DeltaTracing",
    "DiagnosticsReport",
    "ExecutedPlan",
    "InvalidObservabilityConfig",
    "InvalidRunId",
    "ObservabilityConfig",
    "ObservabilityError",
    "Observer",
    "OperationRecord",
    "OperationScope",
    "OperatorMetrics",
    "PlanCapture",
    "QueryRecord",
    "QueryScope",
    "Run",
    "TracingUnavailable",
    "add_event",
    "current_ids",
    "current_run",
    "init_delta_tracing",
    "operator_metrics",
    "run",
]
__version__ = _version("dfd-obs")

logging.getLogger(__name__).addHandler(logging.NullHandler())
