"""Errors that the composition itself raises; each part raises its own."""

from __future__ import annotations

from dfd_base import DfdError

__all__ = ["ConfigurationError", "DemoError", "DfdError", "QueryError"]


class ConfigurationError(DfdError, ValueError):
    """A runtime profile can't be built; the message names the field."""

    code = "configuration"


class QueryError(DfdError):
    """A query could not be planned or failed while it ran.

    `query_id` is that of the spans and records, or None when planning failed
    before an id was given.
    """

    code = "query"

    def __init__(self, message: str, query_id: str | None = None) -> None:
        super().__init__(message)
        self.query_id = query_id


class DemoError(DfdError):
    """The demo could not go on, or its results differ from the source data."""

    code = "demo"
