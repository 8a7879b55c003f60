"""The parts of a plan that its bytes don't say, so that another plan would come back.

- A function without a payload crosses by its name. `datafusion.functions.spark` has functions with the names
  of DataFusion's own and other results (`concat`, `abs`, ...): in SQL after `enable_spark_functions()`, and in
  the DataFrame API at any time.
- A relation without rows loses its columns, at which reading the plan may panic.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datafusion import SessionContext
    from datafusion.plan import LogicalPlan

_NO_ROWS = "EmptyRelation: rows=0"


def unsupported(
    plan: LogicalPlan | bytes,
    session_context: SessionContext | None = None,
    is_sql: bool | None = None,
) -> str | None:
    """The part of `plan` that its bytes don't say, in words; None where they say all of it.

    Which functions it calls is seen when it is read (`ambiguous_functions`): the other arguments change nothing.
    """
    if isinstance(plan, bytes):
        return None
    # Each relation has a line of its own, within subqueries too.
    lines = plan.display_indent().splitlines()
    if any(line.strip().startswith(_NO_ROWS) for line in lines):
        return "a relation without rows comes back with another schema"
    return None


def ambiguous_functions(session_context: SessionContext, is_sql: bool) -> set[str]:
    """Names of which a call in a plan's bytes may be of DataFusion's own function or of another one."""
    if is_sql and not (_of_spark_alone() & _registered(session_context)):
        return set()
    return _of_both()


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
    """The names that DataFusion's functions and Spark's call themselves, which may have others as aliases."""
    from datafusion import SessionContext
    from datafusion.functions import spark

    own, with_spark = SessionContext(), SessionContext()
    with_spark.enable_spark_functions()
    names = _own_names(own) & _own_names(with_spark)
    return names & set(dir(spark))


def _own_names(session_context: SessionContext) -> set[str]:
    return {
        *(name for name in session_context.udfs() if session_context.udf(name).name == name),
        *(name for name in session_context.udafs() if session_context.udaf(name).name == name),
    }
