//! From a stream to the files of a stage.
//!
//! ```text
//!   unpartitioned, unsorted   StreamPartition ─────────────────────────────────────────────────> RollingWriter
//!   partitioned               StreamPartition ──> one stream ──> RepartitionExec (hash) ──> SortExec ──> RollingWriter
//!   sorted, unpartitioned     StreamPartition ──> SortExec ──> SortPreservingMergeExec ────────> RollingWriter
//! ```
//!
//! All but the merge and the one stream stand there once for each writer. The sort spills, so that no more is held of a
//! stream than the pool allows, and a writer meets one partition after the other.

use std::sync::Arc;

use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::task::JoinSet;

use crate::cancellation::unless_cancelled;
use crate::error::Error;
use crate::files::stage_files::AddFile;
use crate::files::writer::{RollingWriter, WriterContext};
use crate::plan::batch_size::BatchSize;
use crate::plan::memory::{PartitionMemoryExec, PoolUsage};
use crate::plan::shared_stream::SharedStream;
use crate::plan::stream_partition::StreamPartition;
use crate::plan::z_order::ZOrder;
use crate::schema::transform::BatchTransform;

/// Batches whose memory a merge of spilled runs can count on: two of each of two runs, and some.
const MERGED_BATCHES: usize = 8;
/// Batches that the sort of one writer has room for, at least.
const SORTED_BATCHES: usize = 32;
/// The pool is this many times what batches between a hash and a sort have.
const HASH_FRACTION: usize = 8;
/// The pool is this many times what all merges can count on, at most.
const MERGE_FRACTION: usize = 4;

/// One stream on its way into files.
pub(crate) struct WritePipeline {
    /// The batches.
    pub(crate) stream: Arc<SharedStream>,
    /// How they become rows of the table.
    pub(crate) transform: Arc<BatchTransform>,
    /// What rows are sorted by.
    pub(crate) sort_order: Option<LexOrdering>,
    /// What gives the keys in `sort_order`, where those aren't columns.
    pub(crate) z_order: Option<Arc<ZOrder>>,
    /// How many files are written at once, at most.
    pub(crate) writers: usize,
    /// What sorting may hold.
    pub(crate) memory_bytes: usize,
    /// What all pipelines of the stage hold.
    pub(crate) pool_usage: Arc<PoolUsage>,
    /// Where rows are written.
    pub(crate) context: Arc<WriterContext>,
}

/// What became of a stream.
pub(crate) struct PipelineOutput {
    /// The files.
    pub(crate) added: Vec<AddFile>,
    /// How many writers wrote any.
    pub(crate) writers: usize,
    /// What sorting spilled.
    pub(crate) spilled_bytes: usize,
}

impl WritePipeline {
    /// Writes the stream to its end; no upload is left open.
    ///
    /// # Errors
    /// The first one.
    pub(crate) async fn run(mut self) -> Result<PipelineOutput, Error> {
        let cancellation = &self.context.cancellation;
        let size = unless_cancelled(cancellation, self.stream.batch_size()).await??;
        if self.sort_order.is_some() {
            // Rather a few that have room for wide rows than many that spill each of them.
            let with_room = self.memory_bytes / (SORTED_BATCHES * size.bytes);
            self.writers = self.writers.min(with_room).max(1);
        }
        let plan = self.plan(size)?;
        let (added, writers) = self.write(plan.as_ref(), size).await?;
        let rows: u64 = added.iter().map(|file| file.rows).sum();
        if rows != self.stream.rows().await {
            let reason = "not every row of the stream was written";
            return Err(Error::Inconsistent(reason));
        }
        Ok(PipelineOutput {
            added,
            writers,
            spilled_bytes: spilled_bytes(plan.as_ref()),
        })
    }

    /// Runs a writer for each partition of a plan; gives the files, and how many writers wrote any.
    async fn write(
        &self,
        plan: &dyn ExecutionPlan,
        size: BatchSize,
    ) -> Result<(Vec<AddFile>, usize), Error> {
        let task_context = SessionContext::new_with_config(self.config(size)).task_ctx();
        let mut running = JoinSet::new();
        for number in 0..plan.output_partitioning().partition_count() {
            let batches = plan.execute(number, Arc::clone(&task_context))?;
            running.spawn(RollingWriter::new(Arc::clone(&self.context), number).write(batches));
        }
        let mut added = Vec::new();
        let mut writers = 0;
        while let Some(done) = running.join_next().await {
            match done {
                Ok(Some(mut files)) => {
                    writers += usize::from(!files.is_empty());
                    added.append(&mut files);
                }
                Ok(None) => {}
                Err(error) => {
                    self.context.first_error.record(Error::from_task(error));
                    self.context.cancellation.cancel();
                }
            }
        }
        match self.context.first_error.take() {
            Some(error) => Err(error),
            None => Ok((added, writers)),
        }
    }

    fn config(&self, size: BatchSize) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_batch_size(size.rows)
            .with_target_partitions(self.writers);
        let most = self.memory_bytes / MERGE_FRACTION / self.writers;
        config.options_mut().execution.sort_spill_reservation_bytes =
            (MERGED_BATCHES * size.bytes).min(most);
        config
    }

    fn plan(&self, size: BatchSize) -> Result<Arc<dyn ExecutionPlan>, Error> {
        let requirements = &self.context.requirements;
        let is_partitioned = !requirements.partition_columns().is_empty();
        let is_hashed = is_partitioned && self.writers > 1;
        let source = self.source(size, is_hashed)?;
        let Some(sort_order) = self.sort_order.clone() else {
            return Ok(source);
        };
        let context = |bytes| self.pool_usage.context(self.config(size), bytes);
        let (mut plan, mut left_bytes) = (source, self.memory_bytes);
        if is_hashed {
            let keys = requirements
                .partition_columns()
                .iter()
                .map(|name| col(name, requirements.columns()))
                .collect::<Result<Vec<Arc<dyn PhysicalExpr>>, _>>()?;
            // With several inputs one that spills may wait for ever (apache/datafusion#24883).
            let single = Arc::new(CoalescePartitionsExec::new(plan));
            let hash = RepartitionExec::try_new(single, Partitioning::Hash(keys, self.writers))?;
            // It spills what a sort doesn't take yet.
            let bytes = self.memory_bytes / HASH_FRACTION;
            left_bytes -= bytes;
            plan = Arc::new(PartitionMemoryExec::new(
                Arc::new(hash),
                vec![context(bytes)?],
            ));
        }
        let sort = SortExec::new(sort_order.clone(), plan).with_preserve_partitioning(true);
        let contexts = (0..self.writers).map(|_| context(left_bytes / self.writers));
        plan = Arc::new(PartitionMemoryExec::new(
            Arc::new(sort),
            contexts.collect::<Result<_, _>>()?,
        ));
        if !is_partitioned && self.writers > 1 {
            plan = Arc::new(SortPreservingMergeExec::new(sort_order, plan));
        }
        Ok(plan)
    }

    fn source(&self, size: BatchSize, is_hashed: bool) -> Result<Arc<dyn ExecutionPlan>, Error> {
        let columns = match &self.z_order {
            Some(z_order) => z_order.schema(),
            None => self.context.requirements.columns(),
        };
        let partition = |number: usize| -> Arc<dyn PartitionStream> {
            Arc::new(StreamPartition {
                stream: Arc::clone(&self.stream),
                transform: Arc::clone(&self.transform),
                z_order: self.z_order.clone(),
                columns: Arc::clone(columns),
                batch_rows: size.rows,
                // Where rows are sorted, how many files there are is no matter of writers.
                starts_after_writers: if self.sort_order.is_none() { number } else { 0 },
                // A hash copies the rows already.
                is_compact: self.sort_order.is_some() && !is_hashed,
                first_error: self.context.first_error.clone(),
            })
        };
        let partitions = (0..self.writers).map(partition).collect();
        let source =
            StreamingTableExec::try_new(Arc::clone(columns), partitions, None, [], false, None)?;
        Ok(Arc::new(source))
    }
}

fn spilled_bytes(plan: &dyn ExecutionPlan) -> usize {
    let metrics = plan.metrics();
    let own = metrics.and_then(|metrics| metrics.spilled_bytes());
    let inputs = plan.children().into_iter();
    own.unwrap_or_default()
        + inputs
            .map(|input| spilled_bytes(input.as_ref()))
            .sum::<usize>()
}
