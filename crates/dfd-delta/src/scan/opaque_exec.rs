//! A scan that a foreign optimizer can't look into.
//!
//! A session of another library inserts nodes into whatever plan it can see, and some of our nodes
//! refuse that. It sees one node without children, with the partitioning, statistics and ordering of the plan
//! inside. Whoever wants rows does the work on his own threads, as with a scan of his own; what waits for
//! a store is on our runtime.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    PlanProperties,
};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;

use crate::scan::request::Request;

/// The plan inside, without children.
#[derive(Debug)]
pub struct DeltaScanExec {
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    name: String,
    request: Option<Request>,
    target_partitions: usize,
}

impl DeltaScanExec {
    /// Hide `inner`, the plan for `request` over `target_partitions`, which scans `scanned` files.
    ///
    /// A plan that crosses over FFI shows its name and nothing else: so the name says what is
    /// scanned.
    pub fn try_new(
        inner: Arc<dyn ExecutionPlan>,
        request: Request,
        scanned: usize,
        target_partitions: usize,
    ) -> Result<Self> {
        let schema = request.schema()?;
        let considered = request.snapshot.files().len();
        let fields = schema.fields().iter().map(|field| field.name().as_str());
        let columns = fields.collect::<Vec<_>>().join(", ");
        let filter = request.condition();
        let filter = filter.map(|filter| format!(", filter=[{filter}]"));
        let properties = if inner.schema() == schema {
            Arc::clone(inner.properties())
        } else {
            Arc::new(PlanProperties::new(
                EquivalenceProperties::new(schema),
                Partitioning::UnknownPartitioning(inner.output_partitioning().partition_count()),
                inner.pipeline_behavior(),
                inner.boundedness(),
            ))
        };
        Ok(Self {
            inner,
            properties,
            name: format!(
                "DeltaScanExec: files={scanned} of {considered}, columns=[{columns}]{}",
                filter.unwrap_or_default()
            ),
            request: Some(request),
            target_partitions,
        })
    }

    /// Hide `inner`, the scan of a table that `name` says.
    pub fn of_table(inner: Arc<dyn ExecutionPlan>, name: String) -> Self {
        Self {
            properties: Arc::clone(inner.properties()),
            inner,
            name,
            request: None,
            target_partitions: 0,
        }
    }

    /// What was asked for of a Delta table, over how many partitions; None for another table.
    pub fn request(&self) -> Option<(&Request, usize)> {
        let request = self.request.as_ref()?;
        Some((request, self.target_partitions))
    }
}

impl DisplayAs for DeltaScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The same rows with the types that were promised.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// What leaves a node that isn't the outermost doesn't leave the scan.
const OF_OUTPUT: [&str; 3] = ["output_rows", "output_batches", "output_bytes"];

fn collect(plan: &Arc<dyn ExecutionPlan>, is_outermost: bool, into: &mut MetricsSet) {
    for metric in plan.metrics().iter().flat_map(MetricsSet::iter) {
        if is_outermost || !OF_OUTPUT.contains(&metric.value().name()) {
            into.push(Arc::clone(metric));
        }
    }
    for child in plan.children() {
        collect(child, false, into);
    }
}

impl ExecutionPlan for DeltaScanExec {
    fn name(&self) -> &str {
        &self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        foreign: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let context = dfd_runtime::task_context(&foreign);
        let handle = dfd_runtime::handle().map_err(DataFusionError::from)?;
        let entered = handle.enter();
        let batches = self.inner.execute(partition, context)?;
        drop(entered);
        let schema = self.schema();
        let batches = Some(batches);
        let batches = WithRuntime { batches, handle }.map(move |batch| match batch {
            Ok(batch) if batch.schema_ref() != &schema => conform(&batch, &schema),
            other => other,
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = MetricsSet::new();
        collect(&self.inner, true, &mut all);
        // One of each, and not one for each file, goes over the border.
        Some(all.aggregate_by_name())
    }

    // The caller's walk can't see what is inside: one of its own.
    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        asked: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        StatisticsContext::new().compute(self.inner.as_ref(), asked)
    }
}

/// Polled by whoever wants the rows, on his thread; what it waits for is on our runtime.
struct WithRuntime {
    // None once it has ended or failed.
    batches: Option<SendableRecordBatchStream>,
    handle: Handle,
}

impl Stream for WithRuntime {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(batches) = this.batches.as_mut() else {
            return Poll::Ready(None);
        };
        let _entered = this.handle.enter();
        // No panic crosses into another library.
        let polled = catch_unwind(AssertUnwindSafe(|| batches.poll_next_unpin(context)));
        let polled = polled.unwrap_or_else(|_| Poll::Ready(Some(exec_err!("the scan panicked"))));
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.batches = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream::poll_fn;

    #[test]
    fn a_panic_is_an_error_and_the_end() -> Result<()> {
        let empty = Arc::new(arrow::datatypes::Schema::empty());
        #[expect(clippy::panic)]
        let panics = poll_fn(|_| -> Poll<Option<Result<RecordBatch>>> { panic!("on purpose") });
        let batches = Box::pin(RecordBatchStreamAdapter::new(empty, panics));
        let handle = dfd_runtime::handle()?;
        let mut stream = WithRuntime {
            batches: Some(batches),
            handle: handle.clone(),
        };
        let found = handle.block_on(async { (stream.next().await, stream.next().await) });
        assert!(matches!(found, (Some(Err(_)), None)));
        Ok(())
    }
}
