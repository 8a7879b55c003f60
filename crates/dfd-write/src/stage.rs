//! A stream, staged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use dfd_delta::Location;

use crate::cancellation::CancellationToken;
use crate::error::{Error, RuleViolation};
use crate::files::compression::Compression;
use crate::files::writer::Writing;
use crate::lease;
use crate::plan::memory::Held;
use crate::plan::pipeline::{Run, Written};
use crate::plan::shared_stream::{Dealer, Input};
use crate::schema::requirements::Rules;
use crate::staged::{Owned, StagedFiles};

/// What a sort may hold, by default.
const MEMORY_BYTES: usize = 256 << 20;
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
    pub(crate) fn writers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.writers
            .unwrap_or_else(|| cores().min(MOST_WRITERS))
            .max(1)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_limit_bytes.unwrap_or(MEMORY_BYTES)
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
    cancellation: CancellationToken,
) -> Result<StagedFiles, Error> {
    let began = Instant::now();
    let rules = Arc::new(rules(&location, &input.schema, &settings).await?);
    let sorting = ordering(&rules, &settings.sort_by)?;
    let conform = Arc::new(rules.conform(&input.schema)?);
    let owned = Arc::new(Owned::begin(location).await?);
    let held = Arc::default();
    let target_file_bytes = settings.target_file_bytes;
    let writing = Writing::new(
        Arc::clone(&rules),
        Arc::clone(&owned),
        settings.compression,
        target_file_bytes.unwrap_or_else(|| rules.target_file_bytes()),
        cancellation,
    );
    let run = async {
        let run = Run {
            dealer: Arc::new(Dealer::new(input)),
            conform,
            sorting,
            z_order: None,
            writers: settings.writers(),
            memory_bytes: settings.memory_bytes(),
            held: Arc::clone(&held),
            writing: Arc::new(writing?),
        };
        run.outcome().await
    };
    let written = run.await.map(|written| vec![written]);
    settled(written, owned, rules, &held, began).await
}

/// What was written, as a stage; after an error nothing is left.
pub async fn settled(
    written: Result<Vec<Written>, Error>,
    owned: Arc<Owned>,
    rules: Arc<Rules>,
    held: &Held,
    began: Instant,
) -> Result<StagedFiles, Error> {
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            return match owned.remove().await {
                Ok(()) => Err(error),
                Err(cleanup) => Err(Error::Cleanup {
                    error: Box::new(error),
                    cleanup: Box::new(cleanup),
                }),
            };
        }
    };
    let writers: usize = written.iter().map(|written| written.writers).sum();
    let spilled: usize = written.iter().map(|written| written.spilled_bytes).sum();
    let added = written.into_iter().flat_map(|written| written.added);
    let mut added: Vec<_> = added.collect();
    added.sort_by(|a, b| a.path.cmp(&b.path));
    let rows: u64 = added.iter().map(|file| file.rows).sum();
    let bytes: u64 = added.iter().map(|file| file.size).sum();
    let metrics = BTreeMap::from([
        ("rows", rows as f64),
        ("bytes", bytes as f64),
        ("files", added.len() as f64),
        ("writers", writers as f64),
        ("spilled_bytes", spilled as f64),
        ("peak_pool_bytes", held.peak_bytes() as f64),
        ("elapsed_s", began.elapsed().as_secs_f64()),
    ]);
    Ok(StagedFiles::new(owned, rules, added, metrics))
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
pub fn ordering(rules: &Rules, sort_by: &[String]) -> Result<Option<LexOrdering>, Error> {
    let columns = rules.columns();
    for (place, name) in sort_by.iter().enumerate() {
        if sort_by[..place].contains(name) {
            return Err(RuleViolation::SortColumn(name.clone(), "is named twice").into());
        }
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
