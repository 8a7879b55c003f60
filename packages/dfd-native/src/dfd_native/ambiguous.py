"""Functions that DataFusion has twice by one name, and a plan's bytes don't tell apart.

A function without a payload crosses by its name. `datafusion.functions.spark` has functions with the names
of DataFusion's own and other results (`concat`, `abs`, ...): in SQL after `enable_spark_functions()`, and in
the DataFrame API at any time.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datafusion import SessionContext
    from datafusion.plan import LogicalPlan


def ambiguous(plan: LogicalPlan | bytes, session: SessionContext, is_sql: bool) -> str | None:
    """The first function of `plan`, by name, of which there may be two; None without one."""
    if is_sql and not (_of_spark_alone() & _registered(session)):
        return None
    text = plan.decode("latin-1") if isinstance(plan, bytes) else plan.display_indent()
    return next((name for name in re.findall(r"\w+", text) if name in _of_both()), None)


def _registered(session: SessionContext) -> set[str]:
    return {*session.udfs(), *session.udafs(), *session.udwfs()}


@functools.cache
def _of_spark_alone() -> set[str]:
    from datafusion import SessionContext

    session = SessionContext()
    before = _registered(session)
    session.enable_spark_functions()
    return _registered(session) - before


@functools.cache
def _of_both() -> set[str]:
    from datafusion import SessionContext
    from datafusion.functions import spark

    return _registered(SessionContext()) & set(dir(spark))
