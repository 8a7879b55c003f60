//! A query that is planned and ready to run.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use dfd_delta::with_types;

use crate::rules::with_string_views;
use crate::running_query::RunningQuery;
use crate::schema_mismatch::ensure_same_columns;
use crate::unsupported_plan::UnsupportedPlan;

/// A plan that is ready to run, once.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl PlannedQuery {
    /// Plan `logical`, which the foreign session has optimized: with texts as views where it can have them.
    pub(crate) async fn try_new(
        logical: &LogicalPlan,
        state: &SessionState,
        context: Arc<TaskContext>,
    ) -> Result<Self, UnsupportedPlan> {
        if let Some(plan) = physical_with_views(logical, state).await {
            return Ok(Self { plan, context });
        }
        let plan = physical(logical, state)
            .await
            .map_err(UnsupportedPlan::Unplannable)?;
        ensure_same_columns(logical.schema().inner(), &plan.schema())?;
        Ok(Self { plan, context })
    }

    /// The columns that leave.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The physical plan; its metrics are those of the run.
    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// The physical plan as text.
    pub fn explain(&self) -> String {
        displayable(self.plan.as_ref()).indent(false).to_string()
    }

    /// Begin to run for whoever consumes it on our threads.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn stream(&self) -> Result<SendableRecordBatchStream> {
        let threads = dfd_runtime::handle()?;
        let _entered = threads.enter();
        execute_stream(Arc::clone(&self.plan), Arc::clone(&self.context))
    }

    /// Begin to run, on our threads.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn start(&self) -> Result<RunningQuery> {
        RunningQuery::start(Arc::clone(&self.plan), Arc::clone(&self.context))
    }
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
