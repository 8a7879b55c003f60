"""Queries by statement: how often each ran, and how long it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from dfd_obs.record import QueryRecord


class StatementRuns(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one statement: those with one fingerprint, or else with one summary.

    `p50_s`, `p95_s`, `max_s`: of the durations, by nearest rank; `slowest`: the query id of the longest run.
    """

    key: str
    summary: str | None
    runs: int
    failed: int
    slow: int
    rows: int
    total_s: float
    p50_s: float
    p95_s: float
    max_s: float
    slowest: str
    newest_at: datetime

    @classmethod
    def of(cls, key: str, records: Sequence[QueryRecord]) -> StatementRuns:
        """The runs of at least one record."""
        durations = sorted(record.duration_s for record in records)
        return cls(
            key=key,
            summary=records[-1].summary,
            runs=len(records),
            failed=sum(record.status == "error" for record in records),
            slow=sum(record.slow for record in records),
            rows=sum(record.rows for record in records),
            total_s=math.fsum(durations),
            p50_s=nearest_rank(durations, 0.50),
            p95_s=nearest_rank(durations, 0.95),
            max_s=durations[-1],
            slowest=max(records, key=lambda record: (record.duration_s, record.query_id)).query_id,
            newest_at=max(record.started_at for record in records),
        )


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them doesn't exceed.

    >>> nearest_rank([1, 2, 3, 4], 0.5), nearest_rank([1, 2, 3, 4], 0.95)
    (2, 4)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def by_statement(records: Iterable[QueryRecord]) -> list[StatementRuns]:
    """The statements of these queries, those first that took the most time of all."""
    found: dict[str, list[QueryRecord]] = {}
    for record in records:
        found.setdefault(record.fingerprint or record.summary or "", []).append(record)
    made = [StatementRuns.of(key, runs) for key, runs in found.items()]
    return sorted(made, key=lambda one: (-one.total_s, one.key))
