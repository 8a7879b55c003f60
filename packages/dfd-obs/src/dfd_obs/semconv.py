"""Names that OpenTelemetry's conventions for database clients give, and dfd's own beside them.

https://opentelemetry.io/docs/specs/semconv/database/
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/1.33.0"
SYSTEM = "datafusion"

SYSTEM_NAME = "db.system.name"
NAMESPACE = "db.namespace"
QUERY_SUMMARY = "db.query.summary"
QUERY_TEXT = "db.query.text"
OPERATION_NAME = "db.operation.name"
COLLECTION_NAME = "db.collection.name"
RETURNED_ROWS = "db.response.returned_rows"
ERROR_TYPE = "error.type"

ROUTE = "dfd.route"
ROUTE_REASON = "dfd.route_reason"
STATUS = "dfd.status"
CONFLICT = "dfd.conflict"

# As the conventions have them, in seconds and in rows.
DURATION_BOUNDARIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
ROWS_BOUNDARIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def error_type(error: BaseException | None) -> str | None:
    """The class of an error: no part of its message, which may hold values of rows."""
    return None if error is None else type(error).__qualname__
