"""Plain datafusion and deltalake, observed without a runtime of dfd."""

from __future__ import annotations

import threading
from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

from dfd_obs.datafusion_calls import DataFusionCalls
from dfd_obs.deltalake_calls import DeltaLakeCalls
from dfd_obs.observer import Observer
from dfd_obs.patches import Patches
from dfd_obs.run_filter import RunFilter

_lock = threading.Lock()
_patches = Patches()
_observer: Observer | None = None


def instrument(session_context: Any | None = None, observer: Observer | None = None) -> Observer:
    """Observe queries of datafusion and operations of deltalake, as far as these are installed.

    - `session_context`: the one session whose `sql` is observed as well: its planning, its statements, and what
      fails there. None: of all sessions. A DataFrame doesn't say whose it is: those of all are observed.
    - `observer`: who keeps the records. Default: a new one.

    The observer. A second call changes nothing until `uninstrument`. What a `dfd.Runtime` does is seen by its own
    observer alone.
    """
    global _observer
    with _lock:
        if _observer is None:
            _observer = observer or Observer()
            if find_spec("datafusion") is not None:
                DataFusionCalls(_observer).observe(_patches, session_context)
            if find_spec("deltalake") is not None:
                DeltaLakeCalls(_observer).observe(_patches)
            RunFilter.install()
        return _observer


def uninstrument() -> None:
    """Observe them no more. Calling it twice is harmless."""
    global _observer
    with _lock:
        _patches.undo()
        _observer = None


class DataFusionInstrumentor:
    """What `opentelemetry-instrument` finds by the entry point `opentelemetry_instrumentor`."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """The libraries that it observes: any version."""
        return ()

    def instrument(self, **_: Any) -> None:
        """Observe all sessions and tables of the process."""
        instrument()

    def uninstrument(self, **_: Any) -> None:
        """Observe them no more."""
        uninstrument()
