"""SQL of Delta tables, taken apart: what a statement names, and the texts in it. Nothing is planned, and nothing is run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dfd_native import _native


def sql_script(text: str, literals: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The statements of a text, in their order.

    Each is a dict: its `text`, the `line` that it begins in, whether it is to `explain`, an `error` where it can't be
    read, and the `statement`, whose `kind` is "other" for all that DataFusion knows alone. `literals` are the values of
    placeholders in statements of Delta tables, as SQL writes them.

    Raises:
        SqlSyntaxError: a statement that only Delta has can't be read; the message says the line and the column.
    """
    found: list[dict[str, Any]] = json.loads(_native.sql_script(text, dict(literals or {})))
    return found


def sql_mentions(text: str, prefix: str) -> dict[str, Any]:
    """A query with names of the session in place of `t VERSION AS OF n`, `TIMESTAMP AS OF` and delta.`uri`.

    The dict has the `text`, and the `mentions` that names beginning with `prefix` stand for.

    Raises:
        SqlSyntaxError: what follows AS OF is no expression.
    """
    found: dict[str, Any] = json.loads(_native.sql_mentions(text, prefix))
    return found


def sql_subqueries(expression: str) -> list[dict[str, str]]:
    """The outermost queries in an expression: what is `asked` ("scalar", "values" or "exists"), and the `query`.

    Raises:
        SqlSyntaxError: it is no expression.
    """
    found: list[dict[str, str]] = json.loads(_native.sql_subqueries(expression))
    return found


def sql_with_values(expression: str, values: Sequence[Mapping[str, Any]]) -> str:
    """The expression with what its queries gave in their place.

    `values` are `{"scalar": literal}`, `{"values": [literal, ...]}` and `{"exists": bool}`, in the order of
    `sql_subqueries`.

    Raises:
        SqlSyntaxError: it is no expression, or a value isn't what its query was asked for.
    """
    return _native.sql_with_values(expression, json.dumps(list(values)))
