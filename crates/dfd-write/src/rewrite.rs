//! Files of a table, written anew.
//!
//! ```text
//!   unsorted   a partition's files ──> as many as one new file holds ──> Run (one writer)
//!   sorted     a partition's files ────────────────────────────────────> Run (sort, merge)
//! ```
//!
//! A partition's values are in no row: they stay the text that the log has. Unsorted rows keep their
//! order, and with it what readers skip by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::SendableRecordBatchStream;
use dfd_delta::{At, ChosenFile, Location, TableSnapshot};
use futures::{StreamExt, stream};

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::{Error, RuleViolation};
use crate::files::compression::Compression;
use crate::files::writer::Writing;
use crate::plan::memory::Held;
use crate::plan::pipeline::{Run, Written};
use crate::plan::shared_stream::{Dealer, Input};
use crate::plan::z_order::ZOrder;
use crate::schema::requirements::Rules;
use crate::stage::{Settings, ordering, settled};
use crate::staged::{Owned, StagedFiles};

/// How much larger than its target a file of several may become, before it is one of two: those were
/// chosen to fill one.
const SPARE: u64 = 2;

/// What to write anew, and how.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Of the table.
    pub version: u64,
    /// Of the files, encoded as the log has them.
    pub paths: Vec<String>,
    /// The columns of the curve along which rows are sorted.
    pub z_order_by: Vec<String>,
    /// As for a stage.
    pub settings: Settings,
}

/// Write the rows that files of a version still have into new ones, partition by partition, and
/// commit nothing. No row is changed or checked. After an error nothing is left.
///
/// # Errors
/// A path is no file's, the table asks for what can't be done, or the store or the disk fails.
pub async fn rewrite(
    location: Location,
    wanted: Rewrite,
    cancellation: CancellationToken,
) -> Result<StagedFiles, Error> {
    let began = Instant::now();
    let snapshot = TableSnapshot::open(location.clone(), At::Version(wanted.version)).await?;
    let rules = Arc::new(Rules::of_rewrite(&snapshot)?);
    let order = Order::new(&rules, &wanted)?;
    let mut seen = HashSet::new();
    if let Some(path) = wanted.paths.iter().find(|path| !seen.insert(*path)) {
        return Err(RuleViolation::RepeatedFile(path.clone()).into());
    }
    let settings = &wanted.settings;
    let target_file_bytes = settings
        .target_file_bytes
        .unwrap_or_else(|| rules.target_file_bytes());
    let groups = by_partition(snapshot.chosen(&wanted.paths)?);
    let parts: Vec<Part> = match order {
        Order::Kept => groups
            .into_iter()
            .flat_map(|files| filling(files, target_file_bytes))
            .collect(),
        Order::By(_) | Order::Along(_) => groups
            .into_iter()
            .map(|files| Part {
                files,
                target_file_bytes,
            })
            .collect(),
    };
    let at_once = settings.writers().min(parts.len()).max(1);
    let owned = Arc::new(Owned::begin(location).await?);
    let held = Arc::new(Held::default());
    let work = Arc::new(Work {
        snapshot,
        order,
        writers: (settings.writers() / at_once).max(1),
        memory_bytes: settings.memory_bytes() / at_once,
        compression: settings.compression,
        held: Arc::clone(&held),
        owned: Arc::clone(&owned),
        rules: Arc::clone(&rules),
        cancellation,
    });
    let running = parts.into_iter().enumerate().map(|(number, part)| {
        let work = Arc::clone(&work);
        async move {
            let written = tokio::spawn(async move { work.write(number, part).await });
            written.await.map_err(Error::from_task).flatten()
        }
    });
    let done: Vec<_> = stream::iter(running)
        .buffer_unordered(at_once)
        .collect()
        .await;
    settled(all_of(done), owned, rules, &held, began).await
}

/// Those that were stopped because of another say nothing of the cause.
fn all_of(done: Vec<Result<Written, Error>>) -> Result<Vec<Written>, Error> {
    let (written, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    let mut failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    let cause = failed
        .iter()
        .position(|error| !matches!(error, Error::Cancelled));
    match failed.is_empty() {
        true => written.into_iter().collect(),
        false => Err(failed.swap_remove(cause.unwrap_or_default())),
    }
}

/// How rows of a partition follow one another.
enum Order {
    Kept,
    By(Vec<String>),
    Along(Vec<String>),
}

impl Order {
    fn new(rules: &Rules, wanted: &Rewrite) -> Result<Self, Error> {
        let (sort_by, z_order_by) = (&wanted.settings.sort_by, &wanted.z_order_by);
        ordering(rules, sort_by)?;
        ordering(rules, z_order_by)?;
        let is_partition = |name: &String| rules.partition_columns().contains(name);
        if let Some(name) = z_order_by.iter().find(|name| is_partition(name)) {
            let reason = "is the same in all rows of a partition";
            return Err(RuleViolation::SortColumn(name.clone(), reason).into());
        }
        let within = sort_by.iter().filter(|name| !is_partition(name));
        let within: Vec<_> = within.cloned().collect();
        match (within.is_empty(), z_order_by.is_empty()) {
            (true, true) => Ok(Self::Kept),
            (false, true) => Ok(Self::By(within)),
            (true, false) => Ok(Self::Along(z_order_by.clone())),
            (false, false) => Err(RuleViolation::TwoOrders.into()),
        }
    }
}

/// Files of one partition that are written by one run.
struct Part {
    files: Vec<ChosenFile>,
    target_file_bytes: u64,
}

fn by_partition(files: Vec<ChosenFile>) -> Vec<Vec<ChosenFile>> {
    let mut groups: Vec<Vec<ChosenFile>> = Vec::new();
    let mut places = HashMap::new();
    for file in files {
        let place = *places
            .entry(file.partition_values.clone())
            .or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(file),
            None => groups.push(vec![file]),
        }
    }
    groups
}

/// Files in their order, each part about as large as one file shall be.
fn filling(files: Vec<ChosenFile>, target_file_bytes: u64) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut filled = u64::MAX;
    for file in files {
        let bytes = file.live_bytes();
        filled = filled.saturating_add(bytes);
        match parts.last_mut() {
            Some(part) if filled <= target_file_bytes => {
                part.files.push(file);
                part.target_file_bytes = target_file_bytes.saturating_mul(SPARE);
            }
            _ => {
                filled = bytes;
                parts.push(Part {
                    files: vec![file],
                    target_file_bytes,
                });
            }
        }
    }
    parts
}

/// What all parts have in common.
struct Work {
    snapshot: Arc<TableSnapshot>,
    order: Order,
    writers: usize,
    memory_bytes: usize,
    compression: Compression,
    held: Arc<Held>,
    owned: Arc<Owned>,
    rules: Arc<Rules>,
    cancellation: CancellationToken,
}

impl Work {
    async fn write(&self, number: usize, part: Part) -> Result<Written, Error> {
        let written = match self.run(number, &part).await {
            Ok(run) => run.outcome().await,
            Err(error) => Err(error),
        };
        let written = written.and_then(|written| part.complete(written));
        if written.is_err() {
            // The others stop for the first error.
            self.cancellation.cancel();
        }
        written.map_err(|error| match error {
            Error::Source { reason, .. } => Error::Read(reason),
            other => other,
        })
    }

    async fn run(&self, number: usize, part: &Part) -> Result<Run, Error> {
        let values = part.files.first().map(|file| file.partition_values.clone());
        let rules = Arc::new(self.rules.within(values.unwrap_or_default()));
        let columns = rules.columns();
        let z_order = match &self.order {
            Order::Along(names) => {
                let sampled = self.rows(part, names, 1).await?;
                let z_order =
                    unless_cancelled(&self.cancellation, ZOrder::of(sampled, columns)).await??;
                Some(Arc::new(z_order))
            }
            Order::Kept | Order::By(_) => None,
        };
        let sorting = match (&self.order, &z_order) {
            (Order::By(names), _) => by(names, columns)?,
            (_, Some(z_order)) => by(z_order.key_names(), z_order.schema())?,
            _ => None,
        };
        let names: Vec<String> = columns
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let writers = if sorting.is_some() { self.writers } else { 1 };
        let rows = self.rows(part, &names, writers).await?;
        let input = Input {
            schema: rows.schema(),
            batches: rows.map(|batch| batch.map_err(Into::into)).boxed(),
        };
        let mut writing = Writing::new(
            Arc::clone(&rules),
            Arc::clone(&self.owned),
            self.compression,
            part.target_file_bytes,
            self.cancellation.clone(),
        )?;
        writing.first_number = number * self.writers;
        Ok(Run {
            conform: Arc::new(rules.conform(&input.schema)?),
            dealer: Arc::new(Dealer::new(input)),
            sorting,
            z_order,
            writers,
            memory_bytes: self.memory_bytes,
            held: Arc::clone(&self.held),
            writing: Arc::new(writing),
        })
    }

    async fn rows(
        &self,
        part: &Part,
        names: &[String],
        readers: usize,
    ) -> Result<SendableRecordBatchStream, Error> {
        let rows = self.snapshot.rows_of(&part.files, names, readers);
        Ok(unless_cancelled(&self.cancellation, rows).await??)
    }
}

fn by(names: &[String], columns: &SchemaRef) -> Result<Option<LexOrdering>, Error> {
    let sorted = names.iter().map(|name| {
        let column = col(name, columns)?;
        Ok(PhysicalSortExpr::new(column, SortOptions::default()))
    });
    Ok(LexOrdering::new(sorted.collect::<Result<Vec<_>, Error>>()?))
}

impl Part {
    /// What was written, if it is all that the log tells of.
    fn complete(&self, written: Written) -> Result<Written, Error> {
        let logged: Option<u64> = self.files.iter().map(ChosenFile::rows).sum();
        let read = written.added.iter().map(|file| file.rows).sum();
        match logged {
            Some(logged) if logged != read => Err(Error::Rows { read, logged }),
            _ => Ok(written),
        }
    }
}
