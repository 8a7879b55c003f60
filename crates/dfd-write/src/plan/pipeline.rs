//! From a stream to the files of a stage.
//!
//! ```text
//!   unpartitioned, unsorted   Share ─────────────────────────────────────────────────> Writer
//!   partitioned               Share ──> RepartitionExec (hash) ──> SortExec ─────────> Writer
//!   sorted, unpartitioned     Share ──> SortExec ──> SortPreservingMergeExec ────────> Writer
//! ```
//!
//! All but the merge stand there once for each writer. The sort spills, so that no more is held of a
//! stream than the pool allows, and a writer meets one partition after the other.

use std::sync::Arc;

use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::task::JoinSet;

use crate::cancellation::unless_cancelled;
use crate::error::Error;
use crate::files::writer::{Writer, Writing};
use crate::plan::memory::{Held, OwnMemory};
use crate::plan::shared_stream::{BatchSize, Dealer, Share};
use crate::plan::z_order::ZOrder;
use crate::schema::transform::Conform;
use crate::staged::Added;

/// Batches whose memory a merge of spilled runs can count on: two of each of two runs, and some.
const MERGED_BATCHES: usize = 8;
/// The part of the pool that batches between a hash and a sort have.
const HASH_SHARE: usize = 8;
/// Batches that the sort of one writer has room for, at least.
const SORTED_BATCHES: usize = 32;
/// The part of the pool that all merges can count on, at most.
const MERGE_SHARE: usize = 4;

/// One stream on its way into files.
pub struct Run {
    /// Its batches.
    pub dealer: Arc<Dealer>,
    /// How they become rows of the table.
    pub conform: Arc<Conform>,
    /// What rows are sorted by.
    pub sorting: Option<LexOrdering>,
    /// What gives the keys in `sorting`, where those aren't columns.
    pub z_order: Option<Arc<ZOrder>>,
    /// How many files are written at once, at most.
    pub writers: usize,
    /// What sorting may hold.
    pub memory_bytes: usize,
    /// What all runs of the stage hold.
    pub held: Arc<Held>,
    /// Where it is written.
    pub writing: Arc<Writing>,
}

/// What became of a stream.
pub struct Written {
    /// The files.
    pub added: Vec<Added>,
    /// How many wrote any.
    pub writers: usize,
    /// What sorting spilled.
    pub spilled_bytes: usize,
}

impl Run {
    /// Write it all; no upload is left open.
    ///
    /// # Errors
    /// The first.
    pub async fn outcome(mut self) -> Result<Written, Error> {
        let cancellation = self.writing.cancellation.clone();
        let size = unless_cancelled(&cancellation, self.dealer.batch_size()).await??;
        if self.sorting.is_some() {
            // Rather a few that have room for wide rows than many that spill each of them.
            let with_room = self.memory_bytes / (SORTED_BATCHES * size.bytes);
            self.writers = self.writers.min(with_room).max(1);
        }
        let plan = self.plan(size)?;
        let context = SessionContext::new_with_config(self.config(size)).task_ctx();
        let mut working = JoinSet::new();
        for number in 0..plan.output_partitioning().partition_count() {
            let batches = plan.execute(number, Arc::clone(&context))?;
            working.spawn(Writer::new(Arc::clone(&self.writing), number).write(batches));
        }
        let mut added = Vec::new();
        let mut used = 0;
        while let Some(done) = working.join_next().await {
            match done {
                Ok(Some(mut files)) => {
                    used += usize::from(!files.is_empty());
                    added.append(&mut files);
                }
                Ok(None) => {}
                Err(error) => {
                    self.writing.first_error.record(Error::from_task(error));
                    cancellation.cancel();
                }
            }
        }
        if let Some(error) = self.writing.first_error.take() {
            return Err(error);
        }
        let rows: u64 = added.iter().map(|file| file.rows).sum();
        if rows != self.dealer.rows().await {
            return Err(Error::Inconsistent(
                "not every row of the stream was written",
            ));
        }
        Ok(Written {
            added,
            writers: used,
            spilled_bytes: spilled_bytes(plan.as_ref()),
        })
    }

    fn config(&self, size: BatchSize) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_batch_size(size.rows)
            .with_target_partitions(self.writers);
        let most = self.memory_bytes / MERGE_SHARE / self.writers;
        config.options_mut().execution.sort_spill_reservation_bytes =
            (MERGED_BATCHES * size.bytes).min(most);
        config
    }

    fn plan(&self, size: BatchSize) -> Result<Arc<dyn ExecutionPlan>, Error> {
        let rules = &self.writing.rules;
        let is_hashed = !rules.partition_columns().is_empty() && self.writers > 1;
        let source = self.source(size, is_hashed)?;
        let Some(sorting) = self.sorting.clone() else {
            return Ok(source);
        };
        let context = |bytes| self.held.context(self.config(size), bytes);
        let (mut plan, mut left_bytes) = (source, self.memory_bytes);
        if is_hashed {
            let by = rules.partition_columns().iter();
            let by = by.map(|name| col(name, rules.columns()));
            let by = by.collect::<Result<Vec<Arc<dyn PhysicalExpr>>, _>>()?;
            let hash = RepartitionExec::try_new(plan, Partitioning::Hash(by, self.writers))?;
            // It spills what a sort doesn't take yet.
            let bytes = self.memory_bytes / HASH_SHARE;
            left_bytes -= bytes;
            plan = Arc::new(OwnMemory::new(Arc::new(hash), vec![context(bytes)?]));
        }
        let sort = SortExec::new(sorting.clone(), plan).with_preserve_partitioning(true);
        let contexts = (0..self.writers).map(|_| context(left_bytes / self.writers));
        plan = Arc::new(OwnMemory::new(
            Arc::new(sort),
            contexts.collect::<Result<_, _>>()?,
        ));
        if rules.partition_columns().is_empty() && self.writers > 1 {
            plan = Arc::new(SortPreservingMergeExec::new(sorting, plan));
        }
        Ok(plan)
    }

    fn source(&self, size: BatchSize, is_hashed: bool) -> Result<Arc<dyn ExecutionPlan>, Error> {
        let columns = match &self.z_order {
            Some(z_order) => z_order.schema(),
            None => self.writing.rules.columns(),
        };
        let share = |number: usize| -> Arc<dyn PartitionStream> {
            Arc::new(Share {
                dealer: Arc::clone(&self.dealer),
                conform: Arc::clone(&self.conform),
                z_order: self.z_order.clone(),
                columns: Arc::clone(columns),
                batch_rows: size.rows,
                // Where rows are sorted, how many files there are is no matter of writers.
                after: if self.sorting.is_none() { number } else { 0 },
                // A hash copies the rows already.
                is_compact: self.sorting.is_some() && !is_hashed,
                first_error: self.writing.first_error.clone(),
            })
        };
        let shares = (0..self.writers).map(share).collect();
        let source =
            StreamingTableExec::try_new(Arc::clone(columns), shares, None, [], false, None)?;
        Ok(Arc::new(source))
    }
}

fn spilled_bytes(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes());
    let below = plan.children().into_iter();
    let below = below.map(|child| spilled_bytes(child.as_ref()));
    own.unwrap_or_default() + below.sum::<usize>()
}
