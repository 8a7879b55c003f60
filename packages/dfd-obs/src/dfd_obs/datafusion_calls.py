"""Queries of plain datafusion, observed: `SessionContext.sql`, and what runs a DataFrame as a whole.

A stream that is handed on isn't: who reads it, and until when, is seen by `dfd.Query` alone.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sized
from typing import Any

from dfd_obs.observer import Observer
from dfd_obs.patches import Patches
from dfd_obs.preparation import Preparation
from dfd_obs.query_summary import QuerySummary, column_names, has_run
from dfd_obs.scopes import is_observed

# After these a DataFrame has the plan that ran, with its metrics.
_KEEP_THEIR_PLAN = (
    "collect", "collect_partitioned", "to_arrow_table", "to_pandas", "to_polars", "to_pydict", "to_pylist",
)  # fmt: skip
_OTHERS = (
    "cache", "collect_column", "count", "show", "write_csv", "write_json", "write_parquet",
    "write_parquet_with_options", "write_table",
)  # fmt: skip


class DataFusionCalls:
    """Calls of datafusion, as an observer sees them."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        # Of DataFrames that `sql` made, until they run first.
        self._prepared: weakref.WeakKeyDictionary[Any, Preparation] = weakref.WeakKeyDictionary()

    def observe(self, patches: Patches, session_context: Any | None) -> None:
        """Observe what runs DataFrames, and `sql` of one session, or of all."""
        import datafusion

        patches.wrap(session_context or datafusion.SessionContext, "sql", self._sql)
        for name in _KEEP_THEIR_PLAN:
            patches.wrap(datafusion.DataFrame, name, self._run)
        for name in _OTHERS:
            patches.wrap(datafusion.DataFrame, name, self._run_without_plan)

    def _sql(self, sql: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if is_observed():
            return sql(*arguments, **options)
        text = next((one for one in arguments if isinstance(one, str)), options.get("query", ""))
        prepared = self._observer.prepare(text)
        try:
            with prepared.taking("plan"):
                frame = sql(*arguments, **options)
        except Exception as error:
            self._observer.fail(prepared, error)
            raise
        # What is left of a statement that has run.
        if has_run(frame):
            self._observer.ran(prepared, "session")
        else:
            self._prepared[frame] = prepared
        return frame

    def _run(self, run: Callable[..., Any], frame: Any, *arguments: Any, **options: Any) -> Any:
        return self._observed(run, frame, lambda: frame.execution_plan(), *arguments, **options)

    def _run_without_plan(
        self, run: Callable[..., Any], frame: Any, *arguments: Any, **options: Any
    ) -> Any:
        return self._observed(run, frame, lambda: None, *arguments, **options)

    def _observed(
        self,
        run: Callable[..., Any],
        frame: Any,
        plan: Callable[[], Any],
        *arguments: Any,
        **options: Any,
    ) -> Any:
        if is_observed():
            return run(frame, *arguments, **options)
        prepared = self._prepared.pop(frame, None) or self._observer.prepare("")
        prepared.export()
        logical = frame.logical_plan()
        prepared.summary = QuerySummary.of_plan(logical)
        prepared.column_names = lambda: column_names(logical)
        scope = self._observer.start_query(prepared, "session")
        try:
            with scope.activate():
                result = run(frame, *arguments, **options)
        except BaseException as error:
            scope.finish(rows=0, error=error)
            raise
        scope.finish(rows=_rows(result), plan=plan())
        return result


def _rows(result: Any) -> int:
    """The rows of a result in any of the shapes that a DataFrame gives; 0 where it has none."""
    if isinstance(result, dict):
        return len(next(iter(result.values()), ()))
    if isinstance(result, list):
        return sum(1 if isinstance(one, dict) else _rows(one) for one in result)
    if isinstance(result, int):
        return 1  # `count` gives it in place of a row.
    rows = getattr(result, "num_rows", None)
    if isinstance(rows, int):
        return rows
    return len(result) if isinstance(result, Sized) else 0
