//! A stream, staged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;
use dfd_runtime::Location;

use crate::cancellation::CancellationToken;
use crate::error::{Error, RuleViolation};
use crate::files::properties::Compression;
use crate::files::writer::WriterContext;
use crate::plan::memory::PoolUsage;
use crate::plan::pipeline::{PipelineOutput, WritePipeline};
use crate::plan::shared_stream::{Input, SharedStream};
use crate::plan::sort_order::{ascending, require_sortable};
use crate::schema::requirements::WriteRequirements;
use crate::snapshot::open_if_exists;
use crate::staged::{OpenStage, StagedFiles};

/// What a sort may hold, by default.
const MEMORY_LIMIT_BYTES: usize = 256 << 20;
/// Files that are written at once, by default at most.
const MAX_DEFAULT_WRITERS: usize = 8;

/// How to stage.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Partition columns of a table to be made; a table that is there has its own, and these must agree.
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
    /// Files that are written at once, at least one.
    pub(crate) fn writers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.writers
            .unwrap_or_else(|| cores().min(MAX_DEFAULT_WRITERS))
            .max(1)
    }

    /// What sorting may hold.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_limit_bytes.unwrap_or(MEMORY_LIMIT_BYTES)
    }
}

/// Writes `input` into data files of the table at `location`, or of one to be made there, and commits
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
    let requirements = Arc::new(requirements(&location, &input.schema, &settings).await?);
    let columns = requirements.columns();
    require_sortable(&settings.sort_by, columns)?;
    // By the partition columns first, so that a writer has one file open.
    let sorted = requirements.partition_columns().iter();
    let sort_order = ascending(sorted.chain(&settings.sort_by), columns)?;
    let transform = Arc::new(requirements.transform(&input.schema)?);
    let stage = OpenStage::begin(location).await?;
    let pool_usage = Arc::default();
    let target_file_bytes = settings.target_file_bytes;
    let context = WriterContext::new(
        Arc::clone(&requirements),
        Arc::clone(stage.files()),
        settings.compression,
        target_file_bytes.unwrap_or_else(|| requirements.target_file_bytes()),
        cancellation,
    );
    let written = async {
        let pipeline = WritePipeline {
            stream: Arc::new(SharedStream::new(input)),
            transform,
            sort_order,
            z_order: None,
            writers: settings.writers(),
            memory_bytes: settings.memory_bytes(),
            pool_usage: Arc::clone(&pool_usage),
            context: Arc::new(context?),
        };
        Ok(vec![pipeline.run().await?])
    };
    into_staged(written.await, stage, requirements, &pool_usage, began).await
}

/// Gives what was written as a stage; after an error nothing is left.
pub(crate) async fn into_staged(
    written: Result<Vec<PipelineOutput>, Error>,
    stage: OpenStage,
    requirements: Arc<WriteRequirements>,
    pool_usage: &PoolUsage,
    began: Instant,
) -> Result<StagedFiles, Error> {
    let outputs = match written {
        Ok(outputs) => outputs,
        Err(error) => {
            return match stage.remove().await {
                Ok(()) => Err(error),
                Err(cleanup) => Err(Error::Cleanup {
                    error: Box::new(error),
                    cleanup: Box::new(cleanup),
                }),
            };
        }
    };
    let writers: usize = outputs.iter().map(|output| output.writers).sum();
    let spilled: usize = outputs.iter().map(|output| output.spilled_bytes).sum();
    let mut added = Vec::new();
    for output in outputs {
        added.extend(output.added);
    }
    added.sort_by(|a, b| a.path.cmp(&b.path));
    let rows: u64 = added.iter().map(|file| file.rows).sum();
    let bytes: u64 = added.iter().map(|file| file.size).sum();
    let metrics = BTreeMap::from([
        ("rows", rows as f64),
        ("bytes", bytes as f64),
        ("files", added.len() as f64),
        ("writers", writers as f64),
        ("spilled_bytes", spilled as f64),
        ("peak_pool_bytes", pool_usage.peak_bytes() as f64),
        ("elapsed_s", began.elapsed().as_secs_f64()),
    ]);
    Ok(StagedFiles::new(stage, requirements, added, metrics))
}

async fn requirements(
    location: &Location,
    schema: &Schema,
    settings: &Settings,
) -> Result<WriteRequirements, Error> {
    let asked = settings.partition_by.as_deref();
    let Some(snapshot) = open_if_exists(location).await? else {
        return WriteRequirements::for_new_table(schema, asked.unwrap_or_default());
    };
    let found = WriteRequirements::for_append(&snapshot)?;
    match asked {
        Some(asked) if asked != found.partition_columns() => Err(RuleViolation::Partitioning {
            asked: asked.to_vec(),
            found: found.partition_columns().to_vec(),
        }
        .into()),
        _ => Ok(found),
    }
}
