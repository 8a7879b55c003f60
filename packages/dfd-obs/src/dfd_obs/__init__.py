"""Run and query ids, spans, metrics, slow-query plans and a diagnostics report."""

import logging
from importlib.metadata import version as _version

from dfd_obs.config import ObservabilityConfig
from dfd_obs.errors import (
    InvalidObservabilityConfig,
    InvalidRunId,
    ObservabilityError,
    TracingUnavailable,
)
from dfd_obs.ids import Run, current_ids, current_run, run, working_for
from dfd_obs.instrumentation import DataFusionInstrumentor, instrument, uninstrument
from dfd_obs.observer import Observer, add_event
from dfd_obs.plan import ExecutedPlan, OperatorMetrics, PlanCapture, operator_metrics
from dfd_obs.preparation import Preparation
from dfd_obs.propagation import carrier, continued
from dfd_obs.query_summary import QuerySummary
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.report import DiagnosticsReport
from dfd_obs.run_filter import RunFilter
from dfd_obs.scopes import OperationScope, QueryScope
from dfd_obs.tracing import DeltaTracing, init_delta_tracing

__all__ = [
    "DataFusionInstrumentor",
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
    "Preparation",
    "QueryRecord",
    "QueryScope",
    "QuerySummary",
    "Run",
    "RunFilter",
    "TracingUnavailable",
    "add_event",
    "carrier",
    "continued",
    "current_ids",
    "current_run",
    "init_delta_tracing",
    "instrument",
    "operator_metrics",
    "run",
    "uninstrument",
    "working_for",
]
__version__ = _version("dfd-obs")

logging.getLogger(__name__).addHandler(logging.NullHandler())
