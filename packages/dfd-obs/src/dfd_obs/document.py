"""The document of a report: its fields, as they stand in its JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from dfd_obs.headline import Headline
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.statements import StatementRuns


class ReportWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be mended: at which table, what it is, and the verb that mends it."""

    subject: str
    message: str
    remedy: str


class ReportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The diagnostics of a moment: what ran, failed and was slow, what is installed, and what is set.

    All values are plain, and redacted when the report is built. `report.schema.json` in this package is the
    JSON Schema of the document; `format_version` changes where a reader of the one before wouldn't understand it.

    - `queries`: all that are recorded, without plans; `slow_queries` and `failed_queries`: those that were slow, and
      those that failed without being slow, with their plans.
    - `statements`: the runs of each statement together.
    """

    format_version: Literal[1] = 1
    created_at: datetime
    dfd_obs: str
    run_id: str
    headline: Headline
    warnings: list[ReportWarning]
    statements: list[StatementRuns]
    slow_queries: list[QueryRecord]
    failed_queries: list[QueryRecord]
    operations: list[OperationRecord]
    queries: list[QueryRecord]
    tables: list[dict[str, Any]]
    caches: dict[str, Any]
    settings: dict[str, Any]
    capabilities: dict[str, Any]

    @property
    def looked_at(self) -> list[QueryRecord]:
        """The queries that failed, newest first, and then those that were slow, slowest first; with their plans."""
        both = [*self.slow_queries, *self.failed_queries]
        failed = [one for one in both if one.status == "error"]
        slow = [one for one in both if one.status != "error"]
        failed.sort(key=lambda one: one.started_at, reverse=True)
        slow.sort(key=lambda one: one.duration_s, reverse=True)
        return failed + slow
