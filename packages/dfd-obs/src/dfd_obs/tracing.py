"""delta-rs's own spans, started once per process.

`deltalake.init_tracing` ignores every call but the first, exports by threads that a fork doesn't
carry over, and calls its service `delta-rs`. Resource attributes are its one way to be told
apart, and are read from the environment at that first call.
"""

from __future__ import annotations

import os
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple
from urllib.parse import quote

from dfd_obs import ids
from dfd_obs.errors import TracingUnavailable

_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"


class DeltaTracing(NamedTuple):
    """What was started, and where: the process, its endpoint (None: from the environment), its run."""

    pid: int
    endpoint: str | None
    run_id: str


_lock = threading.Lock()
_started: DeltaTracing | None = None


def init_delta_tracing(endpoint: str | None = None) -> DeltaTracing:
    """Have delta-rs send its spans over OTLP/HTTP; once per process, later calls change nothing.

    - `endpoint`: URL of the collector. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, else
      `http://localhost:4318/v1/traces`.

    Every span carries the resource attribute `dfd.run_id` of the run around the first call. Spans of
    delta-rs are no children of the caller's: no context crosses. What was traced within the last
    `OTEL_BSP_SCHEDULE_DELAY` milliseconds (default 5000) before the process ends is lost, because
    delta-rs doesn't flush (both measured with deltalake 1.6.6).

    Raises:
        TracingUnavailable: deltalake isn't installed or can't start it, another endpoint is
            asked for, or the process was forked after it was started.
    """
    global _started
    with _lock:
        if _started is None:
            _started = _start(endpoint)
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
