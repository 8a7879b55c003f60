"""The optimized plan of a DataFrame, also where the session can't compute one of its literals."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from datafusion import SessionContext

if TYPE_CHECKING:
    from datafusion import DataFrame
    from datafusion.plan import LogicalPlan


def optimized_plan(dataframe: DataFrame, session_context: SessionContext) -> LogicalPlan:
    """The plan as the session optimizes it; what fails is left to the engine, like a literal 9999-12-31.

    Raises:
        Exception: of the session, where the plan can't be optimized without those rules either.
    """
    try:
        return dataframe.optimized_logical_plan()
    except Exception:
        with contextlib.suppress(Exception):
            return _without_failed_rules(dataframe.logical_plan(), session_context)
        raise


def _without_failed_rules(plan: LogicalPlan, session_context: SessionContext) -> LogicalPlan:
    config = session_context.copied_config()
    lenient = SessionContext(config.set("datafusion.optimizer.skip_failed_rules", "true"))
    return lenient.create_dataframe_from_logical_plan(plan).optimized_logical_plan()
