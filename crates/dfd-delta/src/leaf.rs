//! A scan that a foreign optimizer can't look into.
//!
//! A session of another library inserts nodes into whatever plan it can see, and some of our nodes
//! refuse that. It sees one leaf, with the partitioning, statistics and ordering of the plan
//! inside; the work is done on our own threads.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    PlanProperties,
};
use futures::StreamExt;

use crate::provider::Request;
use crate::runtime;

/// Batches that may wait per partition for whoever consumes them.
const WAITING: usize = 2;

/// The plan inside, without children.
#[derive(Debug)]
pub struct Leaf {
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    name: String,
    request: Option<Request>,
    target_partitions: usize,
}

impl Leaf {
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
            name: format!("DeltaScanExec: files={scanned} of {considered}, columns=[{columns}]"),
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

impl DisplayAs for Leaf {
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

fn collect(plan: &Arc<dyn ExecutionPlan>, into: &mut MetricsSet) {
    for metric in plan.metrics().iter().flat_map(MetricsSet::iter) {
        into.push(Arc::clone(metric));
    }
    for child in plan.children() {
        collect(child, into);
    }
}

impl ExecutionPlan for Leaf {
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
        host: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let inner = Arc::clone(&self.inner);
        let context = runtime::task_context(&host);
        let handle = runtime::handle().map_err(DataFusionError::from)?;
        let schema = self.schema();
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), WAITING);
        let batches = builder.tx();
        builder.spawn_on(
            async move {
                let mut stream = inner.execute(partition, context)?;
                while let Some(batch) = stream.next().await {
                    let batch = match batch {
                        Ok(batch) if batch.schema_ref() != &schema => conform(&batch, &schema),
                        other => other,
                    };
                    if batches.send(batch).await.is_err() {
                        // Whoever wanted the rows is gone.
                        break;
                    }
                }
                Ok(())
            },
            &handle,
        );
        Ok(builder.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = MetricsSet::new();
        collect(&self.inner, &mut all);
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
