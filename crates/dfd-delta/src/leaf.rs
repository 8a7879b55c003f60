//! A scan that a foreign optimizer can't look into.
//!
//! A session of another library inserts nodes into whatever plan it can see, and some of our nodes
//! refuse that. It sees one leaf, with the partitioning, statistics and ordering of the plan
//! inside; the work is done on our own threads.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, displayable,
};
use futures::StreamExt;

use crate::runtime;

/// Batches that may wait per partition for whoever consumes them.
const WAITING: usize = 2;

/// The plan inside, without children.
#[derive(Debug)]
pub struct Leaf {
    inner: Arc<dyn ExecutionPlan>,
}

impl Leaf {
    /// Hide `inner`.
    pub fn new(inner: Arc<dyn ExecutionPlan>) -> Self {
        Self { inner }
    }
}

impl DisplayAs for Leaf {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = displayable(self.inner.as_ref()).one_line().to_string();
        write!(f, "DeltaScanExec: {}", inside.trim_end())
    }
}

impl ExecutionPlan for Leaf {
    fn name(&self) -> &'static str {
        "DeltaScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
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
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), WAITING);
        let batches = builder.tx();
        builder.spawn_on(
            async move {
                let mut stream = inner.execute(partition, context)?;
                while let Some(batch) = stream.next().await {
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
        self.inner.metrics()
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.inner.partition_statistics(partition)
    }
}
