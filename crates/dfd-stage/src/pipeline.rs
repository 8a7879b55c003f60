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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use dfd_delta::Location;
use tokio::task::JoinSet;

use crate::compression::Compression;
use crate::error::{Error, RuleViolation};
use crate::lease;
use crate::memory::{Held, OwnMemory};
use crate::rules::Rules;
use crate::source::{BatchSize, Dealer, Input, Share};
use crate::staged::{Added, Owned, StagedFiles};
use crate::stop::{Failure, Stop};
use crate::writer::{Writer, Writing};

/// What a sort may hold, by default.
const MEMORY_BYTES: usize = 256 << 20;
/// Batches whose memory a merge of spilled runs can count on: two of each of two runs, and some.
const MERGED_BATCHES: usize = 8;
/// The part of the pool that batches between a hash and a sort have.
const HASH_SHARE: usize = 8;
/// Batches that the sort of one writer has room for, at least.
const SORTED_BATCHES: usize = 32;
/// The part of the pool that all merges can count on, at most.
const MERGE_SHARE: usize = 4;
const MOST_WRITERS: usize = 8;

/// How to stage.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Of a table to be made; a table that is there has its own, and this must agree with it.
    pub partition_by: Option<Vec<String>>,
    /// Columns that rows of a file are sorted by.
    pub sort_by: Vec<String>,
    /// How pages are compressed.
    pub compression: Compression,
    /// When a file is large enough; by default what the table says.
    pub target_file_bytes: Option<u64>,
    /// How many files are written at once; by default as many as there are cores, up to 8.
    pub writers: Option<usize>,
    /// What sorting may hold before it spills; 256 MiB by default.
    pub memory_limit_bytes: Option<usize>,
}

impl Settings {
    fn writers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.writers
            .unwrap_or_else(|| cores().min(MOST_WRITERS))
            .max(1)
    }
}

/// Write `input` into data files of the table at `location`, or of one to be made there, and commit
/// nothing. After an error nothing is left.
///
/// # Errors
/// The data doesn't follow the table's rules, the stream fails, or the store or the disk does.
pub async fn stage(
    location: Location,
    input: Input,
    settings: Settings,
    stop: Stop,
) -> Result<StagedFiles, Error> {
    let began = Instant::now();
    let rules = Arc::new(rules(&location, &input.schema, &settings).await?);
    let sorting = ordering(&rules, &settings.sort_by)?;
    let conform = Arc::new(rules.conform(&input.schema)?);
    let owned = Arc::new(Owned::begin(location).await?);
    let failure = Failure::default();
    let writing = Writing::new(
        Arc::clone(&rules),
        Arc::clone(&owned),
        settings.compression,
        settings
            .target_file_bytes
            .unwrap_or_else(|| rules.target_file_bytes()),
        stop,
        failure,
    );
    let run = Run {
        dealer: Arc::new(Dealer::new(input)),
        conform,
        sorting,
        writers: settings.writers(),
        memory_bytes: settings.memory_limit_bytes.unwrap_or(MEMORY_BYTES),
        writing: Arc::new(writing),
    };
    match run.outcome().await {
        Ok((added, mut metrics)) => {
            metrics.insert("elapsed_s", began.elapsed().as_secs_f64());
            Ok(StagedFiles::new(owned, rules, added, metrics))
        }
        Err(error) => match owned.remove().await {
            Ok(()) => Err(error),
            Err(left) => Err(Error::Left {
                error: Box::new(error),
                left: Box::new(left),
            }),
        },
    }
}

async fn rules(location: &Location, schema: &Schema, settings: &Settings) -> Result<Rules, Error> {
    let asked = settings.partition_by.as_deref();
    let Some(snapshot) = lease::open(location).await? else {
        return Rules::of_stream(schema, asked.unwrap_or_default());
    };
    let rules = Rules::of_table(&snapshot)?;
    match asked {
        Some(asked) if asked != rules.partition_columns() => Err(RuleViolation::Partitioning {
            asked: asked.to_vec(),
            found: rules.partition_columns().to_vec(),
        }
        .into()),
        _ => Ok(rules),
    }
}

/// By the partition columns, so that a writer has one file open, then by `sort_by`.
fn ordering(rules: &Rules, sort_by: &[String]) -> Result<Option<LexOrdering>, Error> {
    let columns = rules.columns();
    for name in sort_by {
        let field = columns
            .field_with_name(name)
            .map_err(|_| RuleViolation::SortColumn(name.clone(), "isn't there"))?;
        if field.data_type().is_nested() || *field.data_type() == DataType::Null {
            return Err(RuleViolation::SortColumn(name.clone(), "has no order").into());
        }
    }
    let names = rules.partition_columns().iter().chain(sort_by);
    let sorted = names.map(|name| {
        Ok(PhysicalSortExpr::new(
            col(name, columns)?,
            SortOptions::default(),
        ))
    });
    let sorted = sorted.collect::<Result<Vec<_>, Error>>()?;
    Ok(LexOrdering::new(sorted))
}

struct Run {
    dealer: Arc<Dealer>,
    conform: Arc<crate::conform::Conform>,
    sorting: Option<LexOrdering>,
    writers: usize,
    memory_bytes: usize,
    writing: Arc<Writing>,
}

type Outcome = (Vec<Added>, BTreeMap<&'static str, f64>);

impl Run {
    async fn outcome(mut self) -> Result<Outcome, Error> {
        let stop = self.writing.stop.clone();
        let size = stop.or(self.dealer.batch_size()).await??;
        if self.sorting.is_some() {
            // Rather a few that have room for wide rows than many that spill each of them.
            let with_room = self.memory_bytes / (SORTED_BATCHES * size.bytes);
            self.writers = self.writers.min(with_room).max(1);
        }
        let held = Arc::new(Held::default());
        let plan = self.plan(size, &held)?;
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
                    self.writing.failure.keep(Error::of_task(error));
                    stop.now();
                }
            }
        }
        if let Some(error) = self.writing.failure.take() {
            return Err(error);
        }
        let rows: u64 = added.iter().map(|file| file.rows).sum();
        if rows != self.dealer.rows().await {
            return Err(Error::Lost("not every row of the stream was written"));
        }
        added.sort_by(|a, b| a.path.cmp(&b.path));
        let metrics = BTreeMap::from([
            ("rows", rows as f64),
            (
                "bytes",
                added.iter().map(|file| file.size).sum::<u64>() as f64,
            ),
            ("files", added.len() as f64),
            ("writers", used as f64),
            ("spilled_bytes", spilled_bytes(plan.as_ref()) as f64),
            ("peak_pool_bytes", held.peak_bytes() as f64),
        ]);
        Ok((added, metrics))
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

    fn plan(&self, size: BatchSize, held: &Arc<Held>) -> Result<Arc<dyn ExecutionPlan>, Error> {
        let rules = &self.writing.rules;
        let is_hashed = !rules.partition_columns().is_empty() && self.writers > 1;
        let source = self.source(size, is_hashed)?;
        let Some(sorting) = self.sorting.clone() else {
            return Ok(source);
        };
        let context = |bytes| held.context(self.config(size), bytes);
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
        let columns = self.writing.rules.columns();
        let share = |number: usize| -> Arc<dyn PartitionStream> {
            Arc::new(Share {
                dealer: Arc::clone(&self.dealer),
                conform: Arc::clone(&self.conform),
                columns: Arc::clone(columns),
                batch_rows: size.rows,
                // Where rows are sorted, how many files there are is no matter of writers.
                after: if self.sorting.is_none() { number } else { 0 },
                // A hash copies the rows already.
                is_compact: self.sorting.is_some() && !is_hashed,
                failure: self.writing.failure.clone(),
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
