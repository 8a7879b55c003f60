//! Files of a table, written anew.
//!
//! ```text
//!   unsorted   a partition's files ──> as many as one new file holds ──> WritePipeline (one writer)
//!   sorted     a partition's files ────────────────────────────────────> WritePipeline (sort, merge)
//! ```
//!
//! A partition's values are in no row: they stay the text that the log has. Unsorted rows keep their
//! order, and with it what readers skip by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use datafusion::physical_plan::SendableRecordBatchStream;
use dfd_delta::{At, RewriteInput, TableSnapshot};
use dfd_runtime::Location;
use futures::{StreamExt, stream};

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::{Error, RuleViolation};
use crate::files::properties::Compression;
use crate::files::stage_files::StageFiles;
use crate::files::writer::WriterContext;
use crate::plan::memory::PoolUsage;
use crate::plan::pipeline::{PipelineOutput, WritePipeline};
use crate::plan::shared_stream::{Input, SharedStream};
use crate::plan::sort_order::{ascending, require_sortable};
use crate::plan::z_order::ZOrder;
use crate::schema::requirements::WriteRequirements;
use crate::stage::{Settings, into_staged};
use crate::staged::{OpenStage, StagedFiles};

/// How many times its target a file of several may become, before it is one of two: those were
/// chosen to fill one.
const MAX_TARGETS_PER_FILE: u64 = 2;

/// What to write anew, and how.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Version of the table.
    pub version: u64,
    /// Paths of the files, encoded as the log has them.
    pub paths: Vec<String>,
    /// Columns of the Z curve along which rows are sorted.
    pub z_order_by: Vec<String>,
    /// How to stage; the partition columns are the table's.
    pub settings: Settings,
}

/// Writes the rows that files of a version still have into new ones, partition by partition, and
/// commits nothing. No row is changed or checked. After an error nothing is left.
///
/// # Errors
/// A path is no file's, the table asks for what can't be done, or the store or the disk fails.
pub async fn rewrite(
    location: Location,
    request: Rewrite,
    cancellation: CancellationToken,
) -> Result<StagedFiles, Error> {
    let began = Instant::now();
    let snapshot = TableSnapshot::open(location.clone(), At::Version(request.version)).await?;
    let requirements = Arc::new(WriteRequirements::for_rewrite(&snapshot)?);
    let order = RowOrder::new(&requirements, &request)?;
    refuse_repeated(&request.paths)?;
    let settings = &request.settings;
    let target_file_bytes = settings
        .target_file_bytes
        .unwrap_or_else(|| requirements.target_file_bytes());
    let chosen = snapshot.rewrite_inputs(&request.paths)?;
    let groups = file_groups(by_partition(chosen), &order, target_file_bytes);
    let concurrent_groups = settings.writers().min(groups.len()).max(1);
    let stage = OpenStage::begin(location).await?;
    let pool_usage = Arc::new(PoolUsage::default());
    let job = Arc::new(RewriteJob {
        snapshot,
        order,
        writers: (settings.writers() / concurrent_groups).max(1),
        memory_bytes: settings.memory_bytes() / concurrent_groups,
        compression: settings.compression,
        pool_usage: Arc::clone(&pool_usage),
        files: Arc::clone(stage.files()),
        requirements: Arc::clone(&requirements),
        cancellation,
    });
    let running = groups.into_iter().enumerate().map(|(number, group)| {
        let job = Arc::clone(&job);
        async move {
            let written = tokio::spawn(async move { job.write(number, group).await });
            written.await.map_err(Error::from_task).flatten()
        }
    });
    let outcomes: Vec<_> = stream::iter(running)
        .buffer_unordered(concurrent_groups)
        .collect()
        .await;
    let written = all_or_cause(outcomes);
    into_staged(written, stage, requirements, &pool_usage, began).await
}

fn refuse_repeated(paths: &[String]) -> Result<(), RuleViolation> {
    let mut seen = HashSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => Err(RuleViolation::RepeatedFile(path.clone())),
        None => Ok(()),
    }
}

/// Gives all outputs, or the error that caused the others: those that were cancelled say nothing of it.
fn all_or_cause(
    outcomes: Vec<Result<PipelineOutput, Error>>,
) -> Result<Vec<PipelineOutput>, Error> {
    let mut outputs = Vec::with_capacity(outcomes.len());
    let mut errors = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(output) => outputs.push(output),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        return Ok(outputs);
    }
    let is_cause = |error: &Error| !matches!(error, Error::Cancelled);
    let cause = errors.iter().position(is_cause);
    Err(errors.swap_remove(cause.unwrap_or_default()))
}

/// How rows of a partition follow one another.
#[derive(Debug, PartialEq, Eq)]
enum RowOrder {
    /// As in the files.
    Unchanged,
    /// By columns.
    Sorted(Vec<String>),
    /// Along the Z curve of columns.
    ZOrdered(Vec<String>),
}

impl RowOrder {
    fn new(requirements: &WriteRequirements, request: &Rewrite) -> Result<Self, RuleViolation> {
        let (sort_by, z_order_by) = (&request.settings.sort_by, &request.z_order_by);
        require_sortable(sort_by, requirements.columns())?;
        require_sortable(z_order_by, requirements.columns())?;
        let is_partition = |name: &String| requirements.partition_columns().contains(name);
        if let Some(name) = z_order_by.iter().find(|name| is_partition(name)) {
            let reason = "is the same in all rows of a partition";
            return Err(RuleViolation::SortColumn(name.clone(), reason));
        }
        let in_files = sort_by.iter().filter(|name| !is_partition(name));
        let within: Vec<_> = in_files.cloned().collect();
        match (within.is_empty(), z_order_by.is_empty()) {
            (true, true) => Ok(Self::Unchanged),
            (false, true) => Ok(Self::Sorted(within)),
            (true, false) => Ok(Self::ZOrdered(z_order_by.clone())),
            (false, false) => Err(RuleViolation::TwoOrders),
        }
    }
}

/// Files of one partition that one pipeline writes anew.
struct FileGroup {
    files: Vec<RewriteInput>,
    target_file_bytes: u64,
}

fn by_partition(files: Vec<RewriteInput>) -> Vec<Vec<RewriteInput>> {
    let mut partitions: Vec<Vec<RewriteInput>> = Vec::new();
    let mut places = HashMap::new();
    for file in files {
        let place = *places
            .entry(file.partition_values.clone())
            .or_insert(partitions.len());
        match partitions.get_mut(place) {
            Some(partition) => partition.push(file),
            None => partitions.push(vec![file]),
        }
    }
    partitions
}

fn file_groups(
    partitions: Vec<Vec<RewriteInput>>,
    order: &RowOrder,
    target_file_bytes: u64,
) -> Vec<FileGroup> {
    let mut groups = Vec::new();
    for files in partitions {
        match order {
            RowOrder::Unchanged => groups.extend(filling_groups(files, target_file_bytes)),
            RowOrder::Sorted(_) | RowOrder::ZOrdered(_) => groups.push(FileGroup {
                files,
                target_file_bytes,
            }),
        }
    }
    groups
}

/// Groups files in their order, each group about as large as one file shall be.
fn filling_groups(files: Vec<RewriteInput>, target_file_bytes: u64) -> Vec<FileGroup> {
    let mut groups: Vec<FileGroup> = Vec::new();
    let mut filled = u64::MAX;
    for file in files {
        let bytes = file.live_bytes();
        filled = filled.saturating_add(bytes);
        match groups.last_mut() {
            Some(group) if filled <= target_file_bytes => {
                group.files.push(file);
                group.target_file_bytes = target_file_bytes.saturating_mul(MAX_TARGETS_PER_FILE);
            }
            _ => {
                filled = bytes;
                groups.push(FileGroup {
                    files: vec![file],
                    target_file_bytes,
                });
            }
        }
    }
    groups
}

impl FileGroup {
    /// Gives what was written, if it is all that the log tells of.
    fn require_complete(&self, output: PipelineOutput) -> Result<PipelineOutput, Error> {
        let logged: Option<u64> = self.files.iter().map(RewriteInput::rows).sum();
        let read = output.added.iter().map(|file| file.rows).sum();
        match logged {
            Some(logged) if logged != read => Err(Error::Rows { read, logged }),
            _ => Ok(output),
        }
    }
}

/// What all groups of a rewrite have in common.
struct RewriteJob {
    snapshot: Arc<TableSnapshot>,
    order: RowOrder,
    writers: usize,
    memory_bytes: usize,
    compression: Compression,
    pool_usage: Arc<PoolUsage>,
    files: Arc<StageFiles>,
    requirements: Arc<WriteRequirements>,
    cancellation: CancellationToken,
}

impl RewriteJob {
    async fn write(&self, number: usize, group: FileGroup) -> Result<PipelineOutput, Error> {
        let output = match self.pipeline(number, &group).await {
            Ok(pipeline) => pipeline.run().await,
            Err(error) => Err(error),
        };
        let complete = output.and_then(|output| group.require_complete(output));
        if complete.is_err() {
            // The other groups end for the first error.
            self.cancellation.cancel();
        }
        complete.map_err(|error| match error {
            Error::Source { reason, .. } => Error::Read(reason),
            other => other,
        })
    }

    async fn pipeline(&self, number: usize, group: &FileGroup) -> Result<WritePipeline, Error> {
        let values = group
            .files
            .first()
            .map(|file| file.partition_values.clone());
        let in_partition = self
            .requirements
            .within_partition(values.unwrap_or_default());
        let requirements = Arc::new(in_partition);
        let columns = requirements.columns();
        let z_order = match &self.order {
            RowOrder::ZOrdered(names) => {
                let sampled = self.rows(group, names, 1).await?;
                let sampling = ZOrder::sample(sampled, columns);
                let z_order = unless_cancelled(&self.cancellation, sampling).await??;
                Some(Arc::new(z_order))
            }
            RowOrder::Unchanged | RowOrder::Sorted(_) => None,
        };
        let sort_order = match (&self.order, &z_order) {
            (RowOrder::Sorted(names), _) => ascending(names, columns)?,
            (_, Some(z_order)) => ascending(z_order.key_names(), z_order.schema())?,
            _ => None,
        };
        let fields = columns.fields().iter();
        let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
        let writers = if sort_order.is_some() {
            self.writers
        } else {
            1
        };
        let rows = self.rows(group, &names, writers).await?;
        let input = Input {
            schema: rows.schema(),
            batches: rows.map(|batch| batch.map_err(Into::into)).boxed(),
        };
        let context = WriterContext::new(
            Arc::clone(&requirements),
            Arc::clone(&self.files),
            self.compression,
            group.target_file_bytes,
            self.cancellation.clone(),
        )?;
        Ok(WritePipeline {
            transform: Arc::new(requirements.transform(&input.schema)?),
            stream: Arc::new(SharedStream::new(input)),
            sort_order,
            z_order,
            writers,
            memory_bytes: self.memory_bytes,
            pool_usage: Arc::clone(&self.pool_usage),
            context: Arc::new(context.with_first_writer(number * self.writers)),
        })
    }

    async fn rows(
        &self,
        group: &FileGroup,
        names: &[String],
        readers: usize,
    ) -> Result<SendableRecordBatchStream, Error> {
        let rows = self.snapshot.rows_of(&group.files, names, readers);
        Ok(unless_cancelled(&self.cancellation, rows).await??)
    }
}
