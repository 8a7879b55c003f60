"""The place that a query or its stream was made at: which run, and which span, it belongs to.

Taken when it is made: the library or the thread that reads the stream knows of neither.
"""

from __future__ import annotations

from typing import NamedTuple

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext

from dfd_obs import ids
from dfd_obs.ids import Run


class Origin(NamedTuple):
    """A run, None outside of all, and OpenTelemetry's context with its span."""

    entered: Run | None
    context: otel.Context

    @classmethod
    def here(cls) -> Origin:
        """The origin of what the caller makes now."""
        return cls(ids.entered_run(), otel.get_current())

    def or_else(self, earlier: Origin) -> Origin:
        """The same, with the run and the span of an earlier one where this has none."""
        has_span = self.span_context.is_valid
        return Origin(
            self.entered or earlier.entered, self.context if has_span else earlier.context
        )

    @property
    def run(self) -> Run:
        """The run, or else the one of the whole process."""
        return self.entered or ids.process_run()

    @property
    def span_context(self) -> SpanContext:
        """The span that was current, which may be none (`is_valid`)."""
        return trace.get_current_span(self.context).get_span_context()

    def link_to_reader(self) -> list[Link]:
        """A link to the caller's span, where that is another than this one."""
        reader = trace.get_current_span().get_span_context()
        is_other = reader.is_valid and reader.span_id != self.span_context.span_id
        return [Link(reader)] if is_other else []
