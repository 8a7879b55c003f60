"""One of the demo's writer processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import dfd_obs

from dfd.demo import source
from dfd.runtime import connect


def app_id(table: str) -> str:
    """The application id under which a piece of the source is appended once."""
    return f"dfd-demo/{table}"


def write_months(root: Path, rows: int, months: Sequence[int], run_id: str, done: Any) -> None:
    """Append each month once; put `(month, status)` for each into the queue `done`.

    A failure is put as `(None, message)`. The process ends when its parent is gone, and leaves
    Ctrl-C to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    try:
        with dfd_obs.run(run_id), connect() as runtime:
            for month in months:
                outcome = runtime.write(
                    root / "flights",
                    partial(source.flights, rows, month),
                    partition_by=["origin"],
                    app_id=app_id(f"flights/2013-{month:02}"),
                    app_version=1,
                )
                done.put((month, str(outcome.status)))
    except Exception as error:  # noqa: BLE001  the parent says it, whatever it is
        done.put((None, f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
