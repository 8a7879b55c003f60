"""delta-rs's own spans, started once per process.

`deltalake.init_tracing` ignores every call but the first, exports by threads that a fork doesn't
carry over, and calls its service `delta-rs`. Resource attributes are its one way to be told
apart, and are read from the environment at that first call.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple
from urllib.parse import quote

from opentelemetry import trace

from dfd_obs import ids, semconv, under_way
from dfd_obs.errors import TracingUnavailable
from dfd_obs.span_relay import RelayServer, SpanRelay

_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"


class DeltaTracing(NamedTuple):
    """What was started, and where: the process, its endpoint (None: from the environment), its run."""

    pid: int
    endpoint: str | None
    run_id: str


_lock = threading.Lock()
_started: DeltaTracing | None = None


def init_delta_tracing(
    endpoint: str | None = None, *, relay: bool = False, flush: bool = False
) -> DeltaTracing:
    """Have delta-rs send its spans over OTLP/HTTP; once per process, later calls change nothing.

    - `endpoint`: URL of the collector. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, else
      `http://localhost:4318/v1/traces`.
    - `relay`: send them to this process itself, which makes them anew by the caller's own OpenTelemetry SDK, under
      the one operation that was under way. Where none or several were, they are traces of their own and say
      `dfd.attribution="unsure"`. Their attributes are numbers alone: texts may hold values of rows.
    - `flush`: wait for the last of them when the process ends, for `OTEL_BSP_SCHEDULE_DELAY` milliseconds (default
      5000), at most 5 seconds.

    Without a relay every span carries the resource attribute `dfd.run_id` of the run around the first
    call, and none is a child of the caller's: no context crosses. Without `flush`, what was traced within that
    delay before the process ends is lost, because delta-rs doesn't flush (both measured with deltalake 1.6.6).

    Raises:
        TracingUnavailable: deltalake isn't installed or can't start it, another endpoint is
            asked for, both an endpoint and a relay are, or the process was forked after it was started.
    """
    global _started
    if relay and endpoint is not None:
        raise TracingUnavailable("A relay has an endpoint of its own: give one of both.")
    with _lock:
        if _started is None:
            _started = _start_relay() if relay else _start(endpoint)
            if flush:
                atexit.register(_wait_for_the_last)
        elif _started.pid != os.getpid():
            raise TracingUnavailable(
                "delta-rs's tracing was started before this process was forked, and its exporter "
                "didn't come along. Start workers by spawn, or start tracing in each worker."
            )
        elif endpoint not in (None, _started.endpoint):
            raise TracingUnavailable(
                "delta-rs's tracing was started with another endpoint; it can't be changed."
            )
        return _started


def _start(endpoint: str | None) -> DeltaTracing:
    try:
        version("deltalake")
    except PackageNotFoundError:
        raise TracingUnavailable("deltalake isn't installed: pip install deltalake.") from None
    import deltalake

    run_id = ids.current_run().id
    before = os.environ.get(_ATTRIBUTES)
    ours = f"{ids.RUN_ID}={quote(run_id, safe='')}"
    os.environ[_ATTRIBUTES] = f"{before},{ours}" if before else ours
    try:
        deltalake.init_tracing(endpoint)
    except RuntimeError as error:
        raise TracingUnavailable(f"delta-rs can't start its tracing: {error}") from error
    finally:
        if before is None:
            del os.environ[_ATTRIBUTES]
        else:
            os.environ[_ATTRIBUTES] = before
    return DeltaTracing(os.getpid(), endpoint, run_id)


def _start_relay() -> DeltaTracing:
    tracer = trace.get_tracer("deltalake", schema_url=semconv.SCHEMA_URL)
    relay = SpanRelay(tracer, under_way.operations)
    server = RelayServer(relay)
    try:
        started = _start(server.endpoint)
    except TracingUnavailable:
        server.close()
        raise
    # Before those of the SDK's provider, which was made earlier.
    atexit.register(relay.flush)
    return started


def _wait_for_the_last() -> None:
    try:
        delay_ms = float(os.environ.get("OTEL_BSP_SCHEDULE_DELAY", ""))
    except ValueError:
        delay_ms = 5000.0
    # A little more: the export takes its time, too.
    time.sleep(min(5.0, delay_ms / 1000 + 0.2))
