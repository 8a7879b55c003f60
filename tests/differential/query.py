"""A query, as a case has it."""

from __future__ import annotations

from typing import NamedTuple


class Query(NamedTuple):
    """A query over `t`, and whether its rows come in an order."""

    sql: str
    is_ordered: bool = False
