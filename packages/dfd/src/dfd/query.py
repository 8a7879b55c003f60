"""A query of the user's session: lazy, observed, and explained by its own run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from datafusion import DataFrame
from dfd_obs import Observer

from dfd.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from datafusion.plan import ExecutionPlan


class Query:
    """A DataFrame of `runtime.session` that leaves as an Arrow C stream.

    Nothing runs until the stream is consumed. Every export is a run of its own, with a
    query id, a span and a record of its own; `id` and `metrics()` are those of the newest.
    """

    def __init__(self, dataframe: DataFrame, observer: Observer, text: str) -> None:
        self.dataframe = dataframe
        self._observer = observer
        self._text = text
        self._id: str | None = None
        self._plan: ExecutionPlan | None = None

    @property
    def id(self) -> str | None:
        """The query id of the newest run, or None before the first."""
        return self._id

    @property
    def route(self) -> Literal["session"]:
        """Where the query runs: in the user's own session."""
        return "session"

    @property
    def route_reason(self) -> str | None:
        """Why the route was taken."""
        return "dfd-native of this version has no engine"

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the result."""
        return self.dataframe.schema()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Run the query as an Arrow C stream, batch by batch as it is consumed."""
        return self.reader().__arrow_c_stream__(requested_schema)

    def reader(self) -> pa.RecordBatchReader:
        """Run the query as a lazy `pyarrow.RecordBatchReader`."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        scope = self._observer.start_query(
            self._text, route=self.route, route_reason=self.route_reason
        )
        self._id = scope.query_id
        rows = 0
        failure: BaseException | None = None
        try:
            with scope.activate():
                stream = self.dataframe.execute_stream()
                self._plan = self.dataframe.execution_plan()
            for batch in stream:
                out = batch.to_pyarrow()
                rows += out.num_rows
                yield out
        except GeneratorExit:
            raise
        except Exception as error:
            failure = error
            raise QueryError(f"Query {scope.query_id} failed: {error}", scope.query_id) from error
        except BaseException as error:
            failure = error
            raise
        finally:
            scope.finish(rows=rows, plan=self._plan, error=failure)

    def to_arrow_table(self) -> pa.Table:
        """Run the query and hold the whole result in memory."""
        return pa.table(self)

    def to_pandas(self) -> pd.DataFrame:
        """Run the query into a pandas DataFrame."""
        return self.to_arrow_table().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Run the query into a polars DataFrame (needs polars)."""
        import polars as pl

        return pl.DataFrame(self)

    def show(self, rows: int = 20) -> None:
        """Print the first `rows` rows as a table."""
        from dfd.console import print_stream

        print_stream(self, limit=rows)

    def explain(self, analyze: bool = False) -> str:
        """The physical plan as text; with `analyze` the plan and metrics of a run made for it."""
        if not analyze:
            return self.dataframe.execution_plan().display_indent()
        for _ in self.reader():
            pass
        if self._plan is None:
            raise QueryError("The query ran without a plan.", self._id)
        return "\n".join(f"{name.strip()}, metrics=[{values}]" for name, values in _metrics(self._plan))

    def metrics(self) -> list[dict[str, Any]]:
        """Operator metrics of the newest run, outermost first; empty before the first.

        Each has `operator` (its line in the plan), `output_rows`, `elapsed_compute_ns`
        and `spilled_bytes`, None where the operator doesn't measure it.
        """
        if self._plan is None:
            return []
        return [
            {
                "operator": name.strip(),
                "output_rows": values.output_rows,
                "elapsed_compute_ns": values.elapsed_compute,
                "spilled_bytes": values.spilled_bytes,
            }
            for name, values in _metrics(self._plan)
        ]


def _metrics(plan: ExecutionPlan) -> list[tuple[str, Any]]:
    return plan.collect_metrics()
