"""What is told of one query, line by line."""

from __future__ import annotations

import textwrap

from dfd_obs import told
from dfd_obs.record import QueryRecord


def facts_of(one: QueryRecord) -> list[tuple[str, str]]:
    """The names and values of a query's record, without those that it doesn't have."""
    found = [
        ("error", one.error or ""),
        ("at", f"{told.moment(one.started_at)} UTC"),
        ("took", told.seconds(one.duration_s)),
        ("of that", _parts(one)),
        ("reader's own time", told.seconds(one.consumer_s) if one.consumer_s >= 0.001 else ""),
        ("rows", f"{one.rows:,}"),
        ("status", one.status),
        ("route", " ".join(filter(None, (one.route, one.route_reason)))),
        ("tables", ", ".join(f"{name} at version {v}" for name, v in one.tables.items())),
        ("statement", textwrap.dedent(one.sql or "").strip()),
        ("query", one.query_id),
        ("run", one.run_id),
        ("trace", one.trace_id or ""),
    ]
    return [(name, value) for name, value in found if value]


def _parts(one: QueryRecord) -> str:
    parts = {"refresh": one.refresh_s, "planning": one.planning_s, "execution": one.execution_s}
    return ", ".join(f"{name} {told.seconds(value)}" for name, value in parts.items() if value)
