"""Output of commands: JSON, consoles, and the outcome of a mutation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dfd.display.printable import printable

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome
    from rich.console import Console


def console(stderr: bool = False) -> Console:
    """The terminal, of stdout or stderr."""
    from dfd.display.console import output

    return output(stderr)


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    from dfd.display.json_text import json_text

    sys.stdout.write(json_text(value) + "\n")


_CHANGED = {
    "num_deleted_rows": "deleted",
    "num_updated_rows": "updated",
    "num_target_rows_inserted": "inserted",
    "num_target_rows_updated": "updated",
    "num_target_rows_deleted": "deleted",
}


def print_outcome(outcome: Outcome, json: bool) -> None:
    """Print what a mutation did: one JSON document, or files and a line."""
    if json:
        print_json(outcome)
        return
    out = console()
    listed = outcome.metrics.get("files")
    for path in listed if isinstance(listed, list) else ():
        out.print(printable(path), soft_wrap=True)
    out.print(
        f"{outcome.status}: version {outcome.version}, {outcome.attempts} attempt(s)"
        f"{_counted(outcome.metrics)}",
        soft_wrap=True,
    )


def _counted(metrics: Mapping[str, Any]) -> str:
    """The figures of an operation, from what it counted."""
    if "dry_run" in metrics:
        would = "would go" if metrics["dry_run"] else "gone"
        return f", {len(metrics['files'])} file(s) {would}"
    if "rows" in metrics:
        return f", {metrics['rows']} row(s) in {metrics['files']} file(s)"
    if "numFilesRemoved" in metrics:
        return f", {metrics['numFilesRemoved']} file(s) into {metrics['numFilesAdded']}"
    done = [f"{metrics[name]} row(s) {what}" for name, what in _CHANGED.items() if name in metrics]
    return "".join(f", {text}" for text in done)
