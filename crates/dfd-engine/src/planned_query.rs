//! A query that is planned and ready to run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    EmptyRecordBatchStream, ExecutionPlan, displayable, execute_stream,
};
use dfd_delta::with_types;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};

use crate::explain::{analyzed, explained};
use crate::memory_limit;
use crate::rules::with_string_views;
use crate::running_query::RunningQuery;
use crate::schema_mismatch::ensure_same_columns;
use crate::second_try::{Leaner, is_out_of_memory, may_be_read_again};
use crate::unsupported_plan::UnsupportedPlan;

/// A plan that is ready to run, once.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    // Another one where it was planned again.
    plan: Arc<Mutex<Arc<dyn ExecutionPlan>>>,
    schema: SchemaRef,
    logical: Arc<LogicalPlan>,
    state: Arc<SessionState>,
    context: Arc<TaskContext>,
}

impl PlannedQuery {
    /// Plan `logical`, which the foreign session has optimized; what an EXPLAIN explains is planned as it would run.
    pub(crate) async fn try_new(
        logical: LogicalPlan,
        state: SessionState,
    ) -> Result<Self, UnsupportedPlan> {
        let plan = physical_or_explained(&logical, &state).await?;
        Ok(Self {
            schema: plan.schema(),
            plan: Arc::new(Mutex::new(plan)),
            logical: Arc::new(logical),
            context: state.task_ctx(),
            state: Arc::new(state),
        })
    }

    /// The columns that leave.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn current(&self) -> MutexGuard<'_, Arc<dyn ExecutionPlan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The physical plan; its metrics are those of the run.
    pub fn plan(&self) -> Arc<dyn ExecutionPlan> {
        Arc::clone(&self.current())
    }

    /// The physical plan as text.
    pub fn explain(&self) -> String {
        displayable(self.plan().as_ref()).indent(false).to_string()
    }

    /// Begin to run for whoever consumes it on our threads.
    ///
    /// Where it runs out of memory before a batch has left, it begins again with joins that spill, and at last with as
    /// few partitions as there can be, if what it reads can be read again.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn stream(&self) -> Result<SendableRecordBatchStream> {
        let threads = dfd_runtime::handle()?;
        let _entered = threads.enter();
        let batches = self.execute()?;
        let batches = self.clone().begun(batches).flatten_stream();
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn execute(&self) -> Result<SendableRecordBatchStream> {
        execute_stream(self.plan(), Arc::clone(&self.context))
    }

    /// The batches from the first one on.
    async fn begun(
        mut self,
        mut batches: SendableRecordBatchStream,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let mut first = batches.next().await;
        while let Some(Err(error)) = &first
            && is_out_of_memory(error)
            && may_be_read_again(&self.logical)
        {
            // What ran is gone, and its memory free, before it begins again.
            drop(batches);
            let Some(again) = self.again().await else {
                batches = self.none();
                break;
            };
            batches = again;
            first = batches.next().await;
        }
        let explained = move |error| memory_limit::explained(error, &self.plan(), &self.state);
        let batches = stream::iter(first).chain(batches);
        batches.map(move |batch| batch.map_err(&explained)).boxed()
    }

    fn none(&self) -> SendableRecordBatchStream {
        Box::pin(EmptyRecordBatchStream::new(self.schema()))
    }

    /// The batches of a plan that needs less memory; None where there is no other one.
    async fn again(&mut self) -> Option<SendableRecordBatchStream> {
        let state = Leaner::than(&self.plan(), &self.state)?.state(&self.state);
        let plan = physical_or_explained(&self.logical, &state).await.ok()?;
        ensure_same_columns(&self.schema, &plan.schema()).ok()?;
        *self.current() = plan;
        self.context = state.task_ctx();
        self.state = Arc::new(state);
        self.execute().ok()
    }

    /// Begin to run, on our threads.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn start(&self) -> Result<RunningQuery> {
        let query = self.clone();
        RunningQuery::start(move || query.stream())
    }
}

/// The physical plan, or one that gives the rows of an EXPLAIN.
async fn physical_or_explained(
    logical: &LogicalPlan,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>, UnsupportedPlan> {
    let options = &state.config_options().explain;
    match logical {
        LogicalPlan::Explain(explain) => {
            let plan = planned(&explain.plan, state).await?;
            Ok(explained(explain, plan.as_ref(), options))
        }
        LogicalPlan::Analyze(analyze) => {
            let plan = planned(&analyze.input, state).await?;
            Ok(analyzed(analyze, plan, options))
        }
        query => planned(query, state).await,
    }
}

/// The physical plan, with texts as views inside where it can have them.
async fn planned(
    logical: &LogicalPlan,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>, UnsupportedPlan> {
    if let Some(plan) = physical_with_views(logical, state).await {
        return Ok(plan);
    }
    let plan = physical(logical, state)
        .await
        .map_err(UnsupportedPlan::Unplannable)?;
    ensure_same_columns(logical.schema().inner(), &plan.schema())?;
    Ok(plan)
}

/// The physical plan; the foreign session has done all that comes before it.
async fn physical(logical: &LogicalPlan, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
    let planner = state.query_planner();
    planner.create_physical_plan(logical, state).await
}

/// The physical plan with texts as views inside, and the types of `logical` outside; None where it can't
/// have them, for whatever reason: it runs without.
async fn physical_with_views(
    logical: &LogicalPlan,
    state: &SessionState,
) -> Option<Arc<dyn ExecutionPlan>> {
    let viewed = with_string_views(logical, state).ok()??;
    let plan = physical(&viewed, state).await.ok()?;
    let wanted = logical.schema().inner();
    let typed = with_types(plan, wanted).ok()?;
    ensure_same_columns(wanted, &typed.schema()).ok()?;
    Some(typed)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::DataType;
    use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{
        DeltaTable, batch, in_memory, nodes, numbers, optimized, rows, session, shown, texts,
    };

    fn planned(session: &SessionContext, sql: &str) -> PlannedQuery {
        let planned = PlannedQuery::try_new(optimized(session, sql), session.state());
        dfd_runtime::block_on(planned).unwrap().unwrap()
    }

    fn has_views(query: &PlannedQuery) -> bool {
        nodes(&query.plan()).iter().any(|node| {
            let schema = node.schema();
            schema
                .fields()
                .iter()
                .any(|field| *field.data_type() == DataType::Utf8View)
        })
    }

    /// Texts of several files, in no order.
    fn files() -> Vec<RecordBatch> {
        let file = |part: i64| {
            let order: Vec<_> = (0..500).map(|n| (n * 7 + part * 131) % 1_000).collect();
            let texts = texts(
                order
                    .iter()
                    .map(|n| format!("a text that is longer, number {n:04}")),
            );
            batch(vec![("n", numbers(order)), ("s", texts)])
        };
        (0..6).map(file).collect()
    }

    #[test]
    fn views_are_inside_and_the_types_of_the_log_outside() {
        let table = DeltaTable::new(&files());
        let session = session();
        session.register_table("t", table.native()).unwrap();
        let query = planned(&session, "SELECT s FROM t WHERE n > 3");
        assert!(has_views(&query), "{}", query.explain());
        assert_eq!(query.schema().field(0).data_type(), &DataType::Utf8);
        assert!(query.explain().contains("DataSourceExec"));
    }

    #[test]
    fn a_plan_that_can_not_have_views_runs_without() {
        let table = DeltaTable::new(&files());
        let session = session();
        session.register_table("t", table.native()).unwrap();
        let query = planned(&session, "SELECT s, row_number() OVER (ORDER BY n) FROM t");
        assert!(!has_views(&query), "{}", query.explain());
    }

    #[test]
    fn casts_above_a_sort_of_several_partitions_keep_its_order() {
        let table = DeltaTable::new(&files());
        let session = session();
        session.register_table("t", table.native()).unwrap();
        session.register_table("m", in_memory(&files())).unwrap();
        for sql in [
            "SELECT s, n FROM {} ORDER BY s, n",
            "SELECT s FROM {} ORDER BY n DESC, s LIMIT 700",
            "SELECT s || '!' AS loud, count(*) FROM {} GROUP BY s ORDER BY loud",
        ] {
            let query = planned(&session, &sql.replace("{}", "t"));
            assert!(has_views(&query), "{}", query.explain());
            let merges = nodes(&query.plan())
                .iter()
                .any(|node| node.downcast_ref::<SortPreservingMergeExec>().is_some());
            assert!(merges, "{}", query.explain());
            let state = session.state();
            let found = rows(query.plan(), &state);
            let judge = planned(&session, &sql.replace("{}", "m"));
            assert!(!has_views(&judge));
            assert_eq!(shown(&found), shown(&rows(judge.plan(), &state)), "{sql}");
        }
    }

    #[test]
    fn it_gives_its_rows_to_a_stream_and_to_a_run_alike() {
        let session = session();
        session.register_table("m", in_memory(&files())).unwrap();
        let query = planned(&session, "SELECT s FROM m ORDER BY s LIMIT 5");
        let streamed = dfd_runtime::block_on(async {
            use futures::TryStreamExt;
            query.stream()?.try_collect::<Vec<_>>().await
        });
        let streamed = streamed.unwrap().unwrap();
        let mut run = query.start().unwrap();
        let mut taken = Vec::new();
        loop {
            match run.poll_next(std::time::Duration::from_secs(60)) {
                std::task::Poll::Ready(Some(batch)) => taken.push(batch.unwrap()),
                std::task::Poll::Ready(None) => break,
                std::task::Poll::Pending => panic!("a minute has gone by"),
            }
        }
        assert_eq!(streamed, taken);
        let texts = taken[0].column(0).as_string::<i32>();
        assert_eq!((texts.len(), texts.is_sorted_by_value()), (5, true));
    }

    trait Sorted {
        fn is_sorted_by_value(&self) -> bool;
    }

    impl Sorted for arrow::array::StringArray {
        fn is_sorted_by_value(&self) -> bool {
            self.iter().is_sorted()
        }
    }
}
