"""Run and query ids, spans, metrics, slow-query plans and a diagnostics report."""

import logging
from importlib.metadata import version as _version

from dfd_obs.cache_metrics import export_cache_metrics
from dfd_obs.comparison import Comparison, StatementChange, compare
from dfd_obs.config import ObservabilityConfig
from dfd_obs.document import ReportWarning
from dfd_obs.errors import (
    InvalidObservabilityConfig,
    InvalidRunId,
    ObservabilityError,
    TracingUnavailable,
    UnreadableRecords,
)
from dfd_obs.ids import Run, current_ids, current_run, run, working_for
from dfd_obs.instrumentation import DataFusionInstrumentor, instrument, uninstrument
from dfd_obs.observer import Observer, add_event
from dfd_obs.plan import ExecutedPlan, OperatorMetrics, operator_metrics
from dfd_obs.plan_capture import PlanCapture, PlanOperator
from dfd_obs.preparation import Preparation
from dfd_obs.propagation import carrier, continued
from dfd_obs.query_summary import QuerySummary
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.recorded import Recorded
from dfd_obs.report import DiagnosticsReport
from dfd_obs.run_filter import RunFilter
from dfd_obs.scopes import OperationScope, QueryScope
from dfd_obs.tracing import DeltaTracing, init_delta_tracing

__all__ = [
    "Comparison",
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
    "PlanOperator",
    "Preparation",
    "QueryRecord",
    "QueryScope",
    "QuerySummary",
    "Recorded",
    "ReportWarning",
    "Run",
    "RunFilter",
    "StatementChange",
    "TracingUnavailable",
    "UnreadableRecords",
    "add_event",
    "carrier",
    "compare",
    "continued",
    "current_ids",
    "current_run",
    "export_cache_metrics",
    "init_delta_tracing",
    "instrument",
    "operator_metrics",
    "run",
    "uninstrument",
    "working_for",
]
__version__ = _version("dfd-obs")

logging.getLogger(__name__).addHandler(logging.NullHandler())
