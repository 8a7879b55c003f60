"""The operations that were under way at a time, by which spans that come without a parent find one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.trace import Span, SpanContext

# What arrives is seconds old at most.
_KEPT = 1000


class Period:
    """The time from an operation's begin to its end, and whose it is."""

    def __init__(self, span_context: SpanContext, run_id: str, start_ns: int) -> None:
        self.span_context = span_context
        self.run_id = run_id
        self.start_ns = start_ns
        self.end_ns: int | None = None

    def has(self, at_ns: int) -> bool:
        """Whether the operation was under way then."""
        return self.start_ns <= at_ns and (self.end_ns is None or at_ns <= self.end_ns)


class OperationsUnderWay:
    """The newest operations of the process. Threads may share it."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._periods: deque[Period] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def begin(self, span: Span, run_id: str) -> Period:
        """An operation begins."""
        # Not the span itself, which holds its attributes and events.
        period = Period(span.get_span_context(), run_id, self._now_ns())
        with self._lock:
            self._periods.append(period)
        return period

    def end(self, period: Period) -> None:
        """It has ended."""
        period.end_ns = self._now_ns()

    def only_one_at(self, at_ns: int) -> Period | None:
        """The one operation that was under way then; None where there were none or several."""
        with self._lock:
            found = [period for period in self._periods if period.has(at_ns)]
        return found[0] if len(found) == 1 else None


operations = OperationsUnderWay()
