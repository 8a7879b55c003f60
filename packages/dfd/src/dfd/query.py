"""A query of the user's session: lazy, observed, and explained by its own run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from datafusion import DataFrame
from dfd_obs import Observer, OperatorMetrics, operator_metrics

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
        abandoned = False
        try:
            with scope.activate():
                stream = self.dataframe.execute_stream()
                self._plan = self.dataframe.execution_plan()
            for batch in stream:
                out = batch.to_pyarrow()
                rows += out.num_rows
                yield out
        except GeneratorExit:
            abandoned = True
            raise
        except Exception as error:
            failure = error
            raise QueryError(f"Query {scope.query_id} failed: {error}", scope.query_id) from error
        except BaseException as error:
            failure = error
            raise
        finally:
            scope.finish(rows=rows, plan=self._plan, error=failure, abandoned=abandoned)

    def to_arrow_table(self) -> pa.Table:
        """Run the query and hold the whole result in memory."""
        # Not through the C stream, which would turn a QueryError into text.
        return self.reader().read_all()

    def to_pandas(self) -> pd.DataFrame:
        """Run the query into a pandas DataFrame."""
        frame: pd.DataFrame = self.to_arrow_table().to_pandas()
        return frame

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
        return "\n".join(operator.line() for operator in self.metrics())

    def metrics(self) -> list[OperatorMetrics]:
        """The operators of the newest run with their metrics, outermost first; empty before the first."""
        return [] if self._plan is None else operator_metrics(self._plan)
