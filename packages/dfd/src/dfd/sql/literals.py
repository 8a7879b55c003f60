"""Values of Python as SQL writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from dfd.errors import QueryError


def literal(value: Any) -> str:
    """A value as DataFusion's SQL writes it. A time without a zone is one of UTC.

    Raises:
        QueryError: SQL has no such literal.
    """
    for plain in ("as_py", "item"):  # Scalars of pyarrow, and of numpy.
        if hasattr(value, plain):
            return literal(getattr(value, plain)())
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"CAST('{value}' AS DOUBLE)"
    if isinstance(value, Decimal) and value.is_finite():
        digits, exponent = value.as_tuple().digits, int(value.as_tuple().exponent)
        scale = max(-exponent, 0)
        precision = max(len(digits) + max(exponent, 0), scale + 1)
        return f"CAST('{value:f}' AS DECIMAL({precision}, {scale}))"
    if isinstance(value, str):
        return quoted_text(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, datetime):
        moment = value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        return f"timestamp(6) '{moment.isoformat(' ')}'"
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    raise QueryError(f"SQL has no literal for {value!r}, a {type(value).__name__}.")


def literals(params: Mapping[str, Any] | None) -> dict[str, str]:
    """The values of placeholders, as SQL writes them; those that it can't write are left out."""
    found = {}
    for name, value in (params or {}).items():
        try:
            found[name.removeprefix("$")] = literal(value)
        except QueryError:
            continue
    return found


def quoted_text(text: str) -> str:
    """A text between single quotes."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A name between double quotes."""
    return '"' + name.replace('"', '""') + '"'
