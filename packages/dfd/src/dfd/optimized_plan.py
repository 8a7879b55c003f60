"""The optimized plan of a DataFrame, also where the session can't compute one of its literals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datafusion import SessionContext

from dfd.far_times import is_beyond_nanoseconds

if TYPE_CHECKING:
    from datafusion import DataFrame
    from datafusion.plan import LogicalPlan


def optimized_plan(dataframe: DataFrame, session_context: SessionContext) -> LogicalPlan:
    """The plan as the session optimizes it; with literals like 9999-12-31 left to the engine."""
    try:
        return dataframe.optimized_logical_plan()
    except Exception as error:
        if not is_beyond_nanoseconds(error):
            raise
    # The session can't compute it, and the engine can in microseconds.
    config = session_context.copied_config()
    lenient = SessionContext(config.set("datafusion.optimizer.skip_failed_rules", "true"))
    plan = dataframe.logical_plan()
    return lenient.create_dataframe_from_logical_plan(plan).optimized_logical_plan()
