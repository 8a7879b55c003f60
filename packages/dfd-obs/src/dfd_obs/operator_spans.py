"""Spans of operators, made after a run from what their own metrics say of when they worked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Tracer

from dfd_obs.plan import OperatorMetrics

_TOLD = {"output_rows": "dfd.operator.rows", "elapsed_compute": "dfd.operator.compute_ns"}


def add_operator_spans(
    tracer: Tracer,
    context: Context,
    operators: Iterable[OperatorMetrics],
    attributes: Mapping[str, str],
) -> None:
    """Add a span for each operator of a plan, beneath the one that reads from it.

    One that doesn't say when it worked has none; those beneath it are put beneath the next above.

    - `operators`: outermost first, depth first.
    - `attributes`: of every span, beside its rows and its compute time. No expression is told.
    """
    above = [context]
    for one in operators:
        del above[one.depth + 1 :]
        if one.start_us is None or one.end_us is None:
            above.append(above[-1])
            continue
        counted = {_TOLD[name]: one.metrics[name] for name in _TOLD if name in one.metrics}
        span = tracer.start_span(
            one.operator,
            above[-1],
            attributes={**attributes, **counted},
            start_time=one.start_us * 1000,
        )
        span.end(one.end_us * 1000)
        above.append(trace.set_span_in_context(span, context))
