//! A stream, staged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;
use datafusion::physical_expr::LexOrdering;
use dfd_delta::TableDescription;
use dfd_runtime::Location;

use crate::cancellation::CancellationToken;
use crate::error::{Error, RuleViolation};
use crate::files::properties::Compression;
use crate::files::stage_files::StageFiles;
use crate::files::writer::WriterContext;
use crate::plan::memory::PoolUsage;
use crate::plan::pipeline::{PipelineOutput, WritePipeline};
use crate::plan::shared_stream::{Input, SharedStream};
use crate::plan::sort_order::{ascending, require_sortable};
use crate::schema::delta_types::Nulls;
use crate::schema::evolution::{SchemaMode, evolved};
use crate::schema::requirements::WriteRequirements;
use crate::schema::transform::BatchTransform;
use crate::snapshot::open_if_exists;
use crate::staged::{OpenStage, StagedFiles};

/// What a sort may hold, by default.
const MEMORY_LIMIT_BYTES: usize = 256 << 20;
/// Files that are written at once, by default at most.
const MAX_DEFAULT_WRITERS: usize = 8;

/// How to stage.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Partition columns of a table to be made, replaced, or overwritten with its schema; any other has its own, and
    /// these must agree.
    pub partition_by: Option<Vec<String>>,
    /// What becomes of the table's columns where those of the rows are others; by default that is refused.
    pub schema_mode: Option<SchemaMode>,
    /// Where columns may be null of a table to be made, replaced, or overwritten with its schema.
    pub nulls: Nulls,
    /// What a table to be made, or replaced, says of itself.
    pub description: TableDescription,
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
    /// What is true of every row that is staged from a stream, as SQL over the table's columns.
    pub predicate: Option<String>,
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
    let rows = NewRows::new(input, Arc::clone(&requirements), settings)?;
    let stage = OpenStage::begin(location).await?;
    let target = StageTarget::new(&stage, cancellation);
    let pool_usage = Arc::clone(&target.pool_usage);
    let written = rows.write(target).await;
    let outputs = written.map(|output| vec![output]);
    into_staged(outputs, stage, requirements, &pool_usage, began).await
}

/// Where what is written belongs to.
#[derive(Clone)]
pub(crate) struct StageTarget {
    /// The files of the stage.
    pub(crate) files: Arc<StageFiles>,
    /// What all pipelines of the stage hold.
    pub(crate) pool_usage: Arc<PoolUsage>,
    /// The number of the first writer, in names of files; others of the stage have those below.
    pub(crate) first_writer: usize,
    /// The end before its time.
    pub(crate) cancellation: CancellationToken,
}

impl StageTarget {
    /// All of a stage.
    pub(crate) fn new(stage: &OpenStage, cancellation: CancellationToken) -> Self {
        Self {
            files: Arc::clone(stage.files()),
            pool_usage: Arc::default(),
            first_writer: 0,
            cancellation,
        }
    }
}

/// Rows that follow the rules of a table once they are written.
pub(crate) struct NewRows {
    input: Input,
    transform: Arc<BatchTransform>,
    sort_order: Option<LexOrdering>,
    requirements: Arc<WriteRequirements>,
    settings: Settings,
}

impl NewRows {
    /// Plans how `input` is written.
    ///
    /// # Errors
    /// Its columns aren't those of the table, or rows can't be in the order that is asked for.
    pub(crate) fn new(
        input: Input,
        requirements: Arc<WriteRequirements>,
        settings: Settings,
    ) -> Result<Self, Error> {
        let columns = requirements.columns();
        require_sortable(&settings.sort_by, columns)?;
        // By the partition columns first, so that a writer has one file open.
        let sorted = requirements.partition_columns().iter();
        let sort_order = ascending(sorted.chain(&settings.sort_by), columns)?;
        let transform = Arc::new(requirements.transform(&input.schema)?);
        Ok(Self {
            input,
            transform,
            sort_order,
            requirements,
            settings,
        })
    }

    /// Writes them; no upload is left open.
    pub(crate) async fn write(self, target: StageTarget) -> Result<PipelineOutput, Error> {
        let settings = &self.settings;
        let target_file_bytes = settings.target_file_bytes;
        let context = WriterContext::new(
            Arc::clone(&self.requirements),
            target.files,
            settings.compression,
            target_file_bytes.unwrap_or_else(|| self.requirements.target_file_bytes()),
            target.cancellation,
        )?;
        let pipeline = WritePipeline {
            stream: Arc::new(SharedStream::new(self.input)),
            transform: self.transform,
            sort_order: self.sort_order,
            z_order: None,
            writers: settings.writers(),
            memory_bytes: settings.memory_bytes(),
            pool_usage: target.pool_usage,
            context: Arc::new(context.with_first_writer(target.first_writer)),
        };
        pipeline.run().await
    }
}

/// Gives what was written as a stage; after an error nothing is left.
pub(crate) async fn into_staged(
    written: Result<Vec<PipelineOutput>, Error>,
    stage: OpenStage,
    requirements: Arc<WriteRequirements>,
    pool_usage: &PoolUsage,
    began: Instant,
) -> Result<StagedFiles, Error> {
    let outputs = or_removed(written, &stage).await?;
    Ok(staged_files(
        outputs,
        stage,
        requirements,
        pool_usage,
        began,
    ))
}

/// Gives what work on a stage gave; after an error nothing of the stage is left.
pub(crate) async fn or_removed<T>(
    outcome: Result<T, Error>,
    stage: &OpenStage,
) -> Result<T, Error> {
    let Err(error) = outcome else {
        return outcome;
    };
    match stage.remove().await {
        Ok(()) => Err(error),
        Err(cleanup) => Err(Error::Cleanup {
            error: Box::new(error),
            cleanup: Box::new(cleanup),
        }),
    }
}

/// What was written as the files of a stage.
pub(crate) fn staged_files(
    outputs: Vec<PipelineOutput>,
    stage: OpenStage,
    requirements: Arc<WriteRequirements>,
    pool_usage: &PoolUsage,
    began: Instant,
) -> StagedFiles {
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
    StagedFiles::new(stage, requirements, added, metrics)
}

async fn requirements(
    location: &Location,
    schema: &Schema,
    settings: &Settings,
) -> Result<WriteRequirements, Error> {
    let asked = settings.partition_by.as_deref();
    let nulls = settings.nulls;
    let snapshot = open_if_exists(location).await?;
    let found = match (&snapshot, settings.schema_mode) {
        (None, _) => {
            let partition_by = asked.unwrap_or_default();
            WriteRequirements::for_new_table(schema, partition_by, nulls, &settings.description)?
        }
        (Some(snapshot), None) => WriteRequirements::for_append(snapshot)?,
        (Some(snapshot), Some(mode)) => {
            let mut definition = evolved(snapshot, schema, mode, asked, nulls)?;
            if mode == SchemaMode::Replace {
                definition = snapshot.replaced(&definition, &settings.description)?;
            }
            WriteRequirements::for_change(snapshot, definition)?
        }
    };
    if let Some(asked) = asked.filter(|asked| *asked != found.partition_columns()) {
        let found = found.partition_columns().to_vec();
        let asked = asked.to_vec();
        return Err(RuleViolation::Partitioning { asked, found }.into());
    }
    match &settings.predicate {
        Some(predicate) => found.with_predicate(predicate),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
    use arrow::datatypes::Int64Type;

    use crate::testing::{
        Table, batch, column, commit, files_below, input, int64s, location, read_staged,
        stage_into, texts,
    };

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn values(rows: &RecordBatch, column: &str) -> Vec<i64> {
        let array = rows.column_by_name(column).unwrap();
        array.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_are_written_in_their_order_by_one_writer() {
        let directory = tempfile::tempdir().unwrap();
        let few = |from: i64| batch(vec![("a", int64s((from..from + 10).map(Some)))]);
        let staged = stage_into(directory.path(), vec![few(90), few(0)], Settings::default());
        let staged = staged.unwrap();
        let files = read_staged(directory.path(), &staged);
        assert_eq!(files.len(), 1);
        assert_eq!(
            values(&files[0], "a"),
            (90..100).chain(0..10).collect::<Vec<_>>()
        );
        let added = &staged.added()[0];
        let name = format!("part-00000-{}-c000.zstd.parquet", staged.id());
        assert_eq!((added.path.clone(), added.rows), (name, 20));
        assert_eq!(staged.metrics()["rows"], 20.0);
        let size = directory.path().join(&added.path).metadata().unwrap().len();
        assert_eq!(size, added.size);
    }

    #[test]
    fn each_partition_has_its_files_and_their_rows_are_sorted() {
        let directory = tempfile::tempdir().unwrap();
        let rows = 10_000;
        let a = int64s((0..rows).map(|row| Some(row * 7_919 % rows)));
        let p = int64s((0..rows).map(|row| Some(row % 5)));
        let settings = Settings {
            partition_by: Some(names(&["p"])),
            sort_by: names(&["a"]),
            writers: Some(3),
            ..Settings::default()
        };
        let staged = stage_into(
            directory.path(),
            vec![batch(vec![("a", a), ("p", p)])],
            settings,
        );
        let staged = staged.unwrap();
        let partitions: Vec<_> = staged
            .added()
            .iter()
            .map(|file| file.partition_values[0].1.clone())
            .collect();
        assert_eq!(
            partitions,
            ["0", "1", "2", "3", "4"].map(|text| Some(text.to_owned()))
        );
        for file in read_staged(directory.path(), &staged) {
            let found = values(&file, "a");
            assert_eq!((file.num_columns(), found.len()), (1, 2_000));
            assert!(found.is_sorted());
        }
    }

    #[test]
    fn a_sort_that_spills_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let text = "x".repeat(200);
        let part = |from: i64| {
            let a = int64s((0..8_000).map(|row| Some((from + row) * 7_919 % 80_000)));
            batch(vec![
                ("a", a),
                ("s", texts(vec![Some(text.as_str()); 8_000])),
            ])
        };
        let settings = Settings {
            sort_by: names(&["a"]),
            writers: Some(2),
            memory_limit_bytes: Some(12 << 20),
            ..Settings::default()
        };
        let parts = (0..10).map(|number| part(number * 8_000)).collect();
        let staged = stage_into(directory.path(), parts, settings).unwrap();
        let files = read_staged(directory.path(), &staged);
        let found: Vec<_> = files.iter().flat_map(|file| values(file, "a")).collect();
        assert_eq!(found, (0..80_000).collect::<Vec<_>>());
        assert!(staged.metrics()["spilled_bytes"] > 0.0);
        assert!(staged.metrics()["peak_pool_bytes"] <= f64::from(12 << 20));
    }

    #[test]
    fn files_end_where_they_are_large_enough() {
        let directory = tempfile::tempdir().unwrap();
        let part = |from: i64| {
            batch(vec![(
                "a",
                int64s((from..from + 8_192).map(|row| Some(row * 1_000_003))),
            )])
        };
        let settings = Settings {
            target_file_bytes: Some(1),
            compression: Compression::None,
            ..Settings::default()
        };
        let staged = stage_into(directory.path(), vec![part(0), part(8_192)], settings).unwrap();
        let paths: Vec<_> = staged
            .added()
            .iter()
            .map(|file| file.path.clone())
            .collect();
        let name = |file: usize| format!("part-00000-{}-c{file:03}.parquet", staged.id());
        assert_eq!(paths, [name(0), name(1)]);
    }

    #[test]
    fn a_nan_leaves_no_bounds_in_the_footer_either() {
        let directory = tempfile::tempdir().unwrap();
        let d: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0]));
        let rows = batch(vec![("d", d), ("a", int64s([Some(1), Some(2), Some(3)]))]);
        let staged = stage_into(directory.path(), vec![rows.clone()], Settings::default()).unwrap();
        assert_eq!(
            staged.added()[0].stats,
            concat!(
                r#"{"numRecords":3,"minValues":{"a":1},"maxValues":{"a":3},"#,
                r#""nullCount":{"d":0,"a":0}}"#
            )
        );
        let file = std::fs::File::open(directory.path().join(&staged.added()[0].path)).unwrap();
        let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
        let footer = parquet::file::reader::FileReader::metadata(&reader);
        let has_bounds = |column: usize| {
            let statistics = footer.row_group(0).column(column).statistics();
            statistics.is_some_and(|found| found.min_bytes_opt().is_some())
        };
        assert_eq!((has_bounds(0), has_bounds(1)), (false, true));
        assert_eq!(read_staged(directory.path(), &staged)[0].num_rows(), 3);
    }

    #[test]
    fn a_broken_rule_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::new(&[column("a", "long", true)]);
        table
            .property("delta.constraints.small", "a < 100")
            .create(directory.path());
        let before = files_below(directory.path());
        let part = |from: i64| batch(vec![("a", int64s((from..from + 60).map(Some)))]);
        let failed = stage_into(
            directory.path(),
            vec![part(0), part(60)],
            Settings::default(),
        );
        let error = failed.unwrap_err();
        assert!(error.is_rule_violation());
        assert!(
            error
                .to_string()
                .starts_with("row 100 (the first is 0) breaks"),
            "{error}"
        );
        assert_eq!(files_below(directory.path()), before);
    }

    #[test]
    fn a_stream_that_fails_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let rows = batch(vec![("a", int64s([Some(1)]))]);
        let failing = input(vec![Ok(rows), Err("broken".into())]);
        let work = stage(
            location(directory.path()),
            failing,
            Settings::default(),
            CancellationToken::new(),
        );
        let error = dfd_runtime::block_on(work).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the stream failed after 1 rows: broken");
        assert!(files_below(directory.path()).is_empty());
    }

    #[test]
    fn a_stage_that_is_cancelled_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let token = CancellationToken::new();
        token.cancel();
        let rows = input(vec![Ok(batch(vec![("a", int64s([Some(1)]))]))]);
        let work = stage(location(directory.path()), rows, Settings::default(), token);
        let error = dfd_runtime::block_on(work).unwrap().unwrap_err();
        assert!(matches!(error, Error::Cancelled));
        assert!(files_below(directory.path()).is_empty());
    }

    #[test]
    fn a_table_that_is_there_says_how_it_is_partitioned() {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::new(&[column("a", "long", true), column("p", "long", true)]);
        table.partition_by(&["p"]).create(directory.path());
        let rows = || batch(vec![("p", int64s([Some(5)])), ("a", int64s([Some(1)]))]);
        let other = Settings {
            partition_by: Some(names(&["a"])),
            ..Settings::default()
        };
        let refused = stage_into(directory.path(), vec![rows()], other).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(r#"partitioned by ["p"], not by ["a"]"#)
        );
        let staged = stage_into(directory.path(), vec![rows()], Settings::default()).unwrap();
        assert!(staged.added()[0].path.starts_with("p=5/part-00000-"));
        assert_eq!(staged.requirements().read_version(), Some(0));
        commit(directory.path(), 1, &staged);
        let later = stage_into(directory.path(), vec![rows()], Settings::default()).unwrap();
        assert_eq!(later.requirements().read_version(), Some(1));
    }

    #[test]
    fn a_stream_without_rows_is_a_stage_without_files() {
        let directory = tempfile::tempdir().unwrap();
        let none = batch(vec![("a", int64s([]))]);
        let staged = stage_into(directory.path(), vec![none], Settings::default()).unwrap();
        assert!(staged.added().is_empty());
        assert_eq!(staged.metrics()["files"], 0.0);
    }
}
