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

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::SendableRecordBatchStream;
use dfd_delta::{At, RewriteInput, TableSnapshot};
use dfd_runtime::Location;
use futures::{StreamExt, stream};

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::{Error, RuleViolation};
use crate::files::properties::Compression;
use crate::files::writer::WriterContext;
use crate::plan::pipeline::{PipelineOutput, WritePipeline};
use crate::plan::shared_stream::{Input, SharedStream};
use crate::plan::sort_order::{ascending, require_sortable};
use crate::plan::z_order::ZOrder;
use crate::schema::requirements::{CHANGE_TYPE, WriteRequirements};
use crate::stage::{Settings, StageTarget, into_staged};
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
    let inputs = snapshot.rewrite_inputs(&request.paths)?;
    let stage = OpenStage::begin(location).await?;
    let target = StageTarget::new(&stage, cancellation);
    let pool_usage = Arc::clone(&target.pool_usage);
    let rewriting = Rewriting {
        snapshot,
        order,
        requirements: Arc::clone(&requirements),
        change_type: None,
    };
    let written = rewriting.write(inputs, &request.settings, target).await;
    into_staged(written, stage, requirements, &pool_usage, began).await
}

/// How rows of a table's files are written anew.
pub(crate) struct Rewriting {
    /// The version.
    pub(crate) snapshot: Arc<TableSnapshot>,
    /// How rows follow one another.
    pub(crate) order: RowOrder,
    /// What the new files have.
    pub(crate) requirements: Arc<WriteRequirements>,
    /// What became of the rows, where they are written as changed ones.
    pub(crate) change_type: Option<&'static str>,
}

impl Rewriting {
    /// Writes the rows of `inputs`, partition by partition.
    pub(crate) async fn write(
        self,
        inputs: Vec<RewriteInput>,
        settings: &Settings,
        target: StageTarget,
    ) -> Result<Vec<PipelineOutput>, Error> {
        let target_file_bytes = settings
            .target_file_bytes
            .unwrap_or_else(|| self.requirements.target_file_bytes());
        let groups = file_groups(by_partition(inputs), &self.order, target_file_bytes);
        let concurrent_groups = settings.writers().min(groups.len()).max(1);
        let job = Arc::new(RewriteJob {
            rewriting: self,
            writers: (settings.writers() / concurrent_groups).max(1),
            memory_bytes: settings.memory_bytes() / concurrent_groups,
            compression: settings.compression,
            target,
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
        all_or_cause(outcomes)
    }
}

fn refuse_repeated(paths: &[String]) -> Result<(), RuleViolation> {
    let mut seen = HashSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => Err(RuleViolation::RepeatedFile(path.clone())),
        None => Ok(()),
    }
}

/// Gives all outputs, or the error that caused the others: those that were cancelled say nothing of it.
pub(crate) fn all_or_cause<T>(outcomes: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
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
pub(crate) enum RowOrder {
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
    rewriting: Rewriting,
    writers: usize,
    memory_bytes: usize,
    compression: Compression,
    target: StageTarget,
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
            self.target.cancellation.cancel();
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
            .rewriting
            .requirements
            .within_partition(values.unwrap_or_default());
        let requirements = Arc::new(in_partition);
        let columns = requirements.columns();
        let z_order = match &self.rewriting.order {
            RowOrder::ZOrdered(names) => {
                let sampled = self.rows(group, names, 1).await?;
                let sampling = ZOrder::sample(sampled, columns);
                let z_order = unless_cancelled(&self.target.cancellation, sampling).await??;
                Some(Arc::new(z_order))
            }
            RowOrder::Unchanged | RowOrder::Sorted(_) => None,
        };
        let sort_order = match (&self.rewriting.order, &z_order) {
            (RowOrder::Sorted(names), _) => ascending(names, columns)?,
            (_, Some(z_order)) => ascending(z_order.key_names(), z_order.schema())?,
            _ => None,
        };
        let fields = columns.fields().iter();
        let names = fields.map(|field| field.name().clone());
        let names: Vec<String> = names.filter(|name| name != CHANGE_TYPE).collect();
        let writers = if sort_order.is_some() {
            self.writers
        } else {
            1
        };
        let rows = self.rows(group, &names, writers).await?;
        let input = input(rows, self.rewriting.change_type);
        let first_writer = self.target.first_writer + number * self.writers;
        let context = WriterContext::new(
            Arc::clone(&requirements),
            Arc::clone(&self.target.files),
            self.compression,
            group.target_file_bytes,
            self.target.cancellation.clone(),
        )?;
        Ok(WritePipeline {
            transform: Arc::new(requirements.transform(&input.schema)?),
            stream: Arc::new(SharedStream::new(input)),
            sort_order,
            z_order,
            writers,
            memory_bytes: self.memory_bytes,
            pool_usage: Arc::clone(&self.target.pool_usage),
            context: Arc::new(context.with_first_writer(first_writer)),
        })
    }

    async fn rows(
        &self,
        group: &FileGroup,
        names: &[String],
        readers: usize,
    ) -> Result<SendableRecordBatchStream, Error> {
        let rows = self
            .rewriting
            .snapshot
            .rows_of(&group.files, names, readers);
        Ok(unless_cancelled(&self.target.cancellation, rows).await??)
    }
}

/// Rows as the input of a pipeline, with what became of them where that is to be said.
fn input(rows: SendableRecordBatchStream, change_type: Option<&'static str>) -> Input {
    let Some(change_type) = change_type else {
        return Input {
            schema: rows.schema(),
            batches: rows.map(|batch| batch.map_err(Into::into)).boxed(),
        };
    };
    let of_type: FieldRef = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false));
    let columns = rows.schema();
    let fields = columns.fields().iter().cloned().chain([of_type]);
    let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
    let with_type = Arc::clone(&schema);
    let batches = rows.map(move |batch| {
        let batch = batch?;
        let types = ScalarValue::from(change_type).to_array_of_size(batch.num_rows())?;
        let columns = batch.columns().iter().cloned().chain([types]);
        Ok(RecordBatch::try_new(
            Arc::clone(&with_type),
            columns.collect(),
        )?)
    });
    Input {
        schema,
        batches: batches.boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use crate::testing::{
        Table, batch, column, commit, files_below, int64s, location, read_staged, stage_into,
    };

    fn table(directory: &Path, files: &[(i64, &[i64])]) -> Vec<String> {
        let columns = [column("a", "long", true), column("p", "long", true)];
        Table::new(&columns).partition_by(&["p"]).create(directory);
        let mut paths = Vec::new();
        for (version, (partition, values)) in (1..).zip(files) {
            let a = int64s(values.iter().map(|value| Some(*value)));
            let p = int64s(vec![Some(*partition); values.len()]);
            let rows = batch(vec![("a", a), ("p", p)]);
            let staged = stage_into(directory, vec![rows], Settings::default()).unwrap();
            paths.extend(staged.added().iter().map(|file| file.path.clone()));
            commit(directory, version, &staged);
        }
        paths
    }

    fn rewritten(directory: &Path, request: Rewrite) -> Result<StagedFiles, Error> {
        let work = rewrite(location(directory), request, CancellationToken::new());
        dfd_runtime::block_on(work).unwrap()
    }

    fn values(rows: &RecordBatch) -> Vec<i64> {
        rows.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    fn request(version: u64, paths: Vec<String>) -> Rewrite {
        Rewrite {
            version,
            paths,
            ..Rewrite::default()
        }
    }

    #[test]
    fn files_of_a_partition_become_one_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[3, 1]), (2, &[9]), (1, &[2])]);
        let staged = rewritten(directory.path(), request(3, paths)).unwrap();
        let found: Vec<_> = read_staged(directory.path(), &staged)
            .iter()
            .map(values)
            .collect();
        assert_eq!(found, [vec![3, 1, 2], vec![9]]);
        let partitions: Vec<_> = staged
            .added()
            .iter()
            .map(|file| file.partition_values.clone())
            .collect();
        let text = |text: &str| vec![("p".to_owned(), Some(text.to_owned()))];
        assert_eq!(partitions, [text("1"), text("2")]);
        assert!(staged.added()[0].path.starts_with("p=1/part-"));
    }

    #[test]
    fn rows_are_sorted_within_their_partition() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[3, 1]), (1, &[2])]);
        let mut sorted = request(2, paths);
        sorted.settings.sort_by = vec!["p".to_owned(), "a".to_owned()];
        let staged = rewritten(directory.path(), sorted).unwrap();
        let found: Vec<_> = read_staged(directory.path(), &staged)
            .iter()
            .map(values)
            .collect();
        assert_eq!(found, [[1, 2, 3]]);
    }

    #[test]
    fn rows_are_placed_along_the_curve_of_one_column_as_if_sorted() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[30, 10]), (1, &[20, -5])]);
        let mut curve = request(2, paths);
        curve.z_order_by = vec!["a".to_owned()];
        let staged = rewritten(directory.path(), curve).unwrap();
        let files = read_staged(directory.path(), &staged);
        assert_eq!(values(&files[0]), [-5, 10, 20, 30]);
        // The keys of the curve aren't written.
        assert_eq!(files[0].num_columns(), 1);
    }

    #[test]
    fn orders_that_cannot_be_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[1])]);
        let refusal = |sort_by: &[&str], z_order_by: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            let mut request = request(1, paths.clone());
            request.settings.sort_by = owned(sort_by);
            request.z_order_by = owned(z_order_by);
            rewritten(directory.path(), request)
                .unwrap_err()
                .to_string()
        };
        assert!(refusal(&["a"], &["a"]).contains("exclude one another"));
        assert!(refusal(&[], &["p"]).contains("is the same in all rows of a partition"));
        assert!(refusal(&["z"], &[]).contains("isn't there"));
    }

    #[test]
    fn paths_are_named_once_and_are_files_of_the_version() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[1]), (1, &[2])]);
        let before = files_below(directory.path());
        let twice = request(2, vec![paths[0].clone(), paths[0].clone()]);
        let refused = rewritten(directory.path(), twice).unwrap_err();
        assert!(refused.to_string().contains("is named twice"));
        let later = request(1, vec![paths[1].clone()]);
        let refused = rewritten(directory.path(), later).unwrap_err();
        assert!(refused.is_rule_violation(), "{refused}");
        assert_eq!(files_below(directory.path()), before);
    }

    #[test]
    fn a_file_that_is_gone_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[1]), (2, &[2])]);
        std::fs::remove_file(directory.path().join(&paths[1])).unwrap();
        let before = files_below(directory.path());
        let failed = rewritten(directory.path(), request(2, paths)).unwrap_err();
        assert!(!failed.is_rule_violation());
        assert_eq!(files_below(directory.path()), before);
    }

    fn chosen(directory: &Path, version: u64, paths: &[String]) -> Vec<RewriteInput> {
        let open = TableSnapshot::open(location(directory), At::Version(version));
        let snapshot = dfd_runtime::block_on(open).unwrap().unwrap();
        snapshot.rewrite_inputs(paths).unwrap()
    }

    #[test]
    fn groups_are_about_as_large_as_one_file_shall_be() {
        let directory = tempfile::tempdir().unwrap();
        let paths = table(directory.path(), &[(1, &[1]), (1, &[2]), (1, &[3])]);
        let size = chosen(directory.path(), 3, &paths)[0].size;
        let groups = |target| {
            let found = filling_groups(chosen(directory.path(), 3, &paths), target);
            let told = found
                .iter()
                .map(|group| (group.files.len(), group.target_file_bytes));
            told.collect::<Vec<_>>()
        };
        assert_eq!(groups(2 * size), [(2, 4 * size), (1, 2 * size)]);
        assert_eq!(groups(1), [(1, 1), (1, 1), (1, 1)]);
        assert_eq!(groups(u64::MAX), [(3, u64::MAX)]);
        let sorted = RowOrder::Sorted(vec!["a".to_owned()]);
        let all = file_groups(
            by_partition(chosen(directory.path(), 3, &paths)),
            &sorted,
            1,
        );
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn the_cause_of_the_others_is_told() {
        let cancelled = || Err(Error::Cancelled);
        let output = || {
            Ok(PipelineOutput {
                added: Vec::new(),
                writers: 1,
                spilled_bytes: 0,
            })
        };
        let cause = Err(Error::Rows { read: 1, logged: 2 });
        let failed = all_or_cause(vec![cancelled(), output(), cause, cancelled()]);
        assert!(matches!(failed, Err(Error::Rows { .. })));
        assert!(matches!(
            all_or_cause(vec![cancelled()]),
            Err(Error::Cancelled)
        ));
        assert_eq!(
            all_or_cause(vec![output(), output()])
                .map(|all| all.len())
                .ok(),
            Some(2)
        );
    }
}
