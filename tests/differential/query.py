"""A query, as a case has it."""

from __future__ import annotations

from typing import NamedTuple


class Query(NamedTuple):
    """A query over `t`, whether its rows come in an order, and who alone is known to have them right."""

    sql: str
    is_ordered: bool = False
    only: str | None = None
