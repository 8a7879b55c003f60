"""A query of the user's session: lazy, observed, and explained by its own run.

It is planned in the session and runs in dfd's engine; what can't cross runs in the session.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
from datafusion import DataFrame, SessionContext
from dfd_base import renamed_keywords
from dfd_native import AdaptedStream, Engine, EngineRefusal, EngineRun, adapt_stream
from dfd_native.frames import under
from dfd_obs import Observer, OperatorMetrics, Preparation, QuerySummary
from dfd_obs.query_summary import column_names

from dfd.errors import QueryError
from dfd.explained import explained_change, explanation, is_logical_alone, writes_files
from dfd.optimized_plan import optimized_plan
from dfd.panics import as_query_errors, is_panic
from dfd.query_run import QueryRun, failure
from dfd.rows import batches_in_thread, python_rows
from dfd.session_tables import TableVersions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from datafusion.plan import LogicalPlan
    from dfd_delta_policy import Outcome
    from dfd_obs import QueryScope
    from dfd_obs.plan import ExecutedPlan

    from dfd.display.plan_tree import PlanTree
    from dfd.progress import ProgressWatch

Result = TypeVar("Result")
Route = Literal["engine", "session"]
_UNPLANNED = "The query can't be planned"


class Query:
    """A DataFrame of `runtime.session` that leaves as an Arrow C stream.

    Nothing runs until the stream is consumed. Every export is a run of its own, with a
    query id, a span and a record of its own; `id` and `metrics()` are those of the newest.
    It belongs to the run and the span that are around the export, or else were around the query when it was made,
    whoever reads its stream, and where.
    """

    @renamed_keywords(session="session_context")
    def __init__(
        self,
        dataframe: DataFrame,
        observer: Observer,
        text: str,
        session_context: SessionContext,
        engine: Engine,
        is_sql: bool,
        versions: TableVersions | None = None,
        preparation: Preparation | None = None,
        statement: QueryScope | None = None,
        watch: ProgressWatch | None = None,
    ) -> None:
        self.dataframe = dataframe
        #: What a statement that changed a table has done; None of a query.
        self.outcome: Outcome | None = None
        #: The versions of Delta tables that it reads.
        self.versions = versions or TableVersions(lambda error: QueryError(str(error)))
        self._is_sql = is_sql
        self._observer = observer
        self._session_context = session_context
        self._watch = watch
        self._engine = engine
        # Of a statement that ran when it was planned, and runs no more.
        self._statement = statement
        self._id: str | None = None if statement is None else statement.query_id
        self._metrics: list[OperatorMetrics] = []
        # Planned when somebody first asks, and consumed by the first run, as its preparation is.
        self._planned: EngineRun | EngineRefusal | None = None
        self._preparation = preparation or observer.prepare(text)
        logical = dataframe.logical_plan()
        self._preparation.summary = QuerySummary.of_plan(logical)
        self._preparation.column_names = partial(column_names, logical)
        self._is_taken = False
        self._optimized: LogicalPlan | None = None
        self._schema: pa.Schema | None = None

    @property
    def id(self) -> str | None:
        """The query id of the newest run, or None before the first."""
        return self._id

    @property
    def route(self) -> Route:
        """Where the query runs: in dfd's engine, or in the user's own session."""
        return "session" if isinstance(self._plan_once(), EngineRefusal) else "engine"

    @property
    def route_reason(self) -> str | None:
        """Why the query runs in the session; None for the engine."""
        planned = self._plan_once()
        return str(planned) if isinstance(planned, EngineRefusal) else None

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the result."""
        if self._schema is None:
            # `DataFrame.schema()` is that of the plan before coercion: its types may be others. And
            # the optimizer may gain or lose NOT NULL, so nothing is promised of it.
            try:
                planned = self._session_context.create_dataframe_from_logical_plan(self._logical())
            except EngineRefusal:
                planned = self.dataframe
            with as_query_errors(_UNPLANNED):
                found = planned.schema()
            self._schema = pa.schema([field.with_nullable(True) for field in found], found.metadata)
        return self._schema

    def _logical(self) -> LogicalPlan:
        if self._optimized is None:
            try:
                with as_query_errors("the session can't optimize the plan"):
                    self._optimized = optimized_plan(self.dataframe, self._session_context)
            except QueryError as error:
                # The run will fail of it in the session, with a query id and a record of its own.
                raise EngineRefusal(str(error), "unplannable") from error
        return self._optimized

    def _plan_once(self) -> EngineRun | EngineRefusal:
        if self._planned is None:
            with self._prepare().taking("plan"):
                try:
                    self._planned = self._plan_in_engine()
                except EngineRefusal as refusal:
                    # Without its traceback, which holds the frames that hold this query.
                    self._planned = EngineRefusal(str(refusal), refusal.reason)
        return self._planned

    def _plan_in_engine(self) -> EngineRun:
        if not self.schema.names:
            # What `SessionContext.sql` leaves of a statement that it has run.
            raise EngineRefusal("a statement runs in the session, when it is made", "statement")
        logical, schema = self._logical(), self.schema
        with as_query_errors(_UNPLANNED), self.versions.reading():
            return self._engine.run(logical, self._session_context, schema, is_sql=self._is_sql)

    def _prepare(self) -> Preparation:
        """The preparation of the next run; the first run's began with the query itself."""
        if self._is_taken:
            self._preparation = self._preparation.again()
            self._is_taken = False
        return self._preparation

    def _take_preparation(self) -> Preparation:
        """The preparation, for a run of the caller's."""
        prepared = self._prepare()
        # Not when the first batch is asked for, which a thread may do that knows of no run and no span.
        prepared.export()
        self._is_taken = True
        return prepared

    def _plan_to_run(self) -> EngineRun | EngineRefusal:
        """The plan of a new run; one that can't be made is a run that failed."""
        try:
            return self._plan_once()
        except Exception as error:
            self._id = self._observer.fail(self._take_preparation(), error)
            raise failure(self._id, error) from error

    def _new_run(self) -> tuple[QueryRun, EngineRun | None]:
        """A run that has not begun, and where it runs: None is the session."""
        planned = self._plan_to_run()
        prepared = self._take_preparation()
        # Not the run itself: what the scope is started by would hold it, and it would never be dropped.
        refusal = planned if isinstance(planned, EngineRefusal) else None
        route: Route = "engine" if refusal is None else "session"

        def start() -> QueryScope:
            if self._statement is not None:
                return self._statement
            scope = self._observer.start_query(prepared)
            if refusal is None:
                scope.routed(route, None)
            else:
                scope.routed(route, refusal.reason, str(refusal))
            self._id = scope.query_id
            return scope

        def on_end(metrics: list[OperatorMetrics]) -> None:
            self._metrics = metrics
            # The engine hears only so of what the session writes.
            if route == "session" and writes_files(self.dataframe.logical_plan()):
                self._engine.forget_listings()

        summary = str(self._preparation.summary)
        run = QueryRun(start, on_end, self._observer.seconds, summary, self._watch)
        if not isinstance(planned, EngineRun):
            return run, None
        # A run is read once.
        self._planned = None
        return run, planned

    def _stream(self) -> tuple[QueryRun, EngineRun | AdaptedStream]:
        """A run that begins with the first batch that is read of its stream, and ends with the stream."""
        run, planned = self._new_run()
        if planned is not None:
            return run, run.observing(planned)
        batches = pa.RecordBatchReader.from_batches(self.schema, self._session_batches(run))
        # pyarrow's own stream would make nulls of what doesn't fit, and a text of Ctrl-C.
        return run, adapt_stream(batches)

    def _execute(self) -> tuple[Iterator[pa.RecordBatch], ExecutedPlan | None]:
        """The batches of a run in the session, and the plan whose metrics are its own."""
        change = explained_change(self.dataframe.logical_plan())
        if change is not None:
            return iter([explanation(change, self.schema)]), None
        with self.versions.reading():
            stream = self.dataframe.execute_stream()
        batches = (under(self.schema, batch.to_pyarrow()) for batch in stream)
        return batches, self.dataframe.execution_plan()

    def _session_batches(self, run: QueryRun) -> Iterator[pa.RecordBatch]:
        return run.timed(self._run_in_session(run))

    def _run_in_session(self, run: QueryRun) -> Iterator[pa.RecordBatch]:
        rows = 0
        plan: ExecutedPlan | None = None
        failed: BaseException | None = None
        batches: Iterable[pa.RecordBatch] = ()
        try:
            with run.begin().activate():
                batches, plan = self._execute()
            run.shows(plan)
            for batch in batches:
                rows += batch.num_rows
                yield batch
        except GeneratorExit:
            run.end(plan, rows, abandoned=True)
            raise
        except BaseException as error:
            failed = run.fail(plan, rows, self.versions.cause_of(error))
            if failed is error:
                raise
            raise failed from error
        else:
            run.end(plan, rows)
        finally:
            # The traceback of a failure holds this frame: what runs and what a join has built would
            # stay until the garbage collector finds the circle.
            plan = failed = None
            batches = ()
            del run

    def __arrow_c_schema__(self) -> object:
        """Names and types of the result, without a run."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Run the query as an Arrow C stream, batch by batch as it is consumed.

        What runs in the engine leaves it as it is: no batch passes Python. With a
        `requested_schema` values are cast exactly: one that doesn't fit is an error.
        """
        _, stream = self._stream()
        return stream.__arrow_c_stream__(requested_schema)

    def reader(self) -> pa.RecordBatchReader:
        """Run the query as a lazy `pyarrow.RecordBatchReader`, which raises `QueryError` itself."""
        run, planned = self._new_run()
        batches: Iterable[pa.RecordBatch]
        if planned is None:
            batches = self._session_batches(run)
        else:
            batches = run.timed(map(pa.record_batch, run.observing(planned)))
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    @contextlib.contextmanager
    def __dfd_run__(self) -> Iterator[Any]:
        """A run for a reader that drains it within the block: where the engine takes it, no batch crosses Python.

        `dfd_delta_policy.GuardedTable` stages it. It has a query id, a span and a record like any other.
        """
        run, planned = self._new_run()
        plan: ExecutedPlan | None = None
        scope = run.begin()
        try:
            with scope.activate():
                if planned is not None:
                    run.shows(planned.plan)
                    yield planned
                    plan = planned.plan
                else:
                    try:
                        batches, plan = self._execute()
                    except Exception as error:
                        raise run.fail(None, 0, error) from error
                    yield pa.RecordBatchReader.from_batches(self.schema, batches)
        except BaseException as error:
            run.end(plan if planned is None else planned.plan, None, error)
            raise
        else:
            run.end(plan, None)
        finally:
            # As in `_session_batches`: nothing that ran is held by the traceback of what stopped it.
            plan = planned = None
            del run

    def _read(self, read: Callable[[Any], Result]) -> Result:
        """What `read` makes of a new run's stream. Where the run fails, its own error is raised."""
        run, stream = self._stream()
        failure: BaseException | None = None
        try:
            return read(stream)
        except BaseException as error:
            # polars below 1.40 panics where a stream fails.
            is_failure = isinstance(error, Exception) or is_panic(error)
            failure = run.take_failure() if is_failure else None
            if failure is None:
                raise
        finally:
            del stream
        # Not while that error is handled, whose traceback holds the stream.
        try:
            raise failure
        finally:
            del failure

    def to_arrow_table(self) -> pa.Table:
        """Run the query and hold the whole result in memory."""
        if isinstance(self._plan_to_run(), EngineRefusal):
            # Python reads it itself, so that Ctrl-C ends what it waits for.
            return self.reader().read_all()
        return self._read(pa.table)

    def to_pandas(self) -> pd.DataFrame:
        """Run the query into a pandas DataFrame."""
        frame: pd.DataFrame = self.to_arrow_table().to_pandas()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Run the query into a polars DataFrame (needs polars)."""
        import polars as pl

        return self._read(pl.DataFrame)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Run the query, batch by batch as they are taken."""
        return iter(self.reader())

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Run the query, batch by batch; each is waited for in a thread, so that the event loop goes on."""
        return batches_in_thread(self.reader)

    def fetch_all(self) -> list[tuple[Any, ...]]:
        """Run the query and hold all rows as tuples of Python's values, by the order of the columns."""
        return [row for batch in self for row in python_rows(batch)]

    def fetch_one(self) -> tuple[Any, ...] | None:
        """Run the query for its first row, and no further; None where there is none."""
        return next((row for batch in self for row in python_rows(batch)), None)

    def __repr__(self) -> str:
        """The text, the columns, and the id of the newest run; nothing is run or planned."""
        from dfd.display.query_repr import query_repr

        return query_repr(self._preparation.text, self.dataframe.schema(), self._id)

    def _repr_html_(self) -> str:
        """The first rows of a run, for a notebook."""
        from dfd.display.notebook import query_html

        if writes_files(self.dataframe.logical_plan()):
            return query_html(repr(self), None)
        return query_html(repr(self), self)

    def show(self, rows: int = 20) -> None:
        """Print the first `rows` rows as a table, how many there are, and what they took.

        What there is beyond them is counted for half a second at most.
        """
        from dfd.display.result import print_stream

        print_stream(self, limit=rows, count_s=0.5)

    def plan(self) -> PlanTree:
        """The plan as a tree: of the newest run, with rows and shares of time; before one, of that to come."""
        from dfd.display.plan_tree import PlanTree

        metrics = self.metrics()
        return PlanTree(tuple(metrics)) if metrics else PlanTree.of_text(self.explain())

    def explain(self, analyze: bool = False) -> str:
        """The physical plan as text, as `EXPLAIN` shows it; the logical one of DELETE, UPDATE and TRUNCATE.

        With `analyze` the plan and metrics of a run made for it.
        """
        if not analyze:
            planned = self._plan_once()
            if isinstance(planned, EngineRun):
                return planned.explain()
            logical = self.dataframe.logical_plan()
            if is_logical_alone(logical):
                return logical.display_indent()
            with as_query_errors(_UNPLANNED), self.versions.reading():
                return self.dataframe.execution_plan().display_indent()
        for _ in self.reader():
            pass
        return "\n".join(operator.line() for operator in self.metrics())

    def metrics(self) -> list[OperatorMetrics]:
        """The operators of the newest run that ended with their metrics, outermost first; empty before."""
        return list(self._metrics)
