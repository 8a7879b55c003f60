"""The parts of a plan that its bytes don't say, so that another plan would come back.

- A function without a payload crosses by its name. `datafusion.functions.spark` has functions with the names
  of DataFusion's own and other results (`concat`, `abs`, ...): in SQL after `enable_spark_functions()`, and in
  the DataFrame API at any time.
- A relation without rows loses its columns, at which reading the plan may panic.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datafusion import SessionContext
    from datafusion.plan import LogicalPlan

_NO_ROWS = "EmptyRelation: rows=0"


def unsupported(
    plan: LogicalPlan | bytes, session_context: SessionContext, is_sql: bool
) -> str | None:
    """The part of `plan` that its bytes don't say, in words; None where they say all of it."""
    text = plan.decode("latin-1") if isinstance(plan, bytes) else plan.display_indent()
    if _NO_ROWS in text:
        return "a relation without rows comes back with another schema"
    if is_sql and not (_of_spark_alone() & _registered(session_context)):
        return None
    names = re.findall(r"\w+", text)
    name = next((name for name in names if name in _of_both()), None)
    if name is None:
        return None
    return f"{name} may be the function of datafusion.functions.spark, and the plan doesn't say"


def _registered(session_context: SessionContext) -> set[str]:
    return {*session_context.udfs(), *session_context.udafs(), *session_context.udwfs()}


@functools.cache
def _of_spark_alone() -> set[str]:
    from datafusion import SessionContext

    session_context = SessionContext()
    before = _registered(session_context)
    session_context.enable_spark_functions()
    return _registered(session_context) - before


@functools.cache
def _of_both() -> set[str]:
    from datafusion import SessionContext
    from datafusion.functions import spark

    return _registered(SessionContext()) & set(dir(spark))
