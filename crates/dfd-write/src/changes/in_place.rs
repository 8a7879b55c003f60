//! An UPDATE of few rows by copies of their files, in which only the columns that it sets are written anew.
//!
//! ```text
//!   rows that change ──> their places and new values, held
//!   each file ──> columns that are set: read, new values put in, encoded ──┐
//!                 all others: taken over as they are encoded ──────────────┴──> PatchedFile
//! ```
//!
//! Rows stay where they are. Where that can't be, the rows are written into other files, and what is left of theirs
//! is copied.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, interleave};
use arrow::error::ArrowError;
use dfd_arrow::BatchBytes;
use dfd_delta::{CutFile, RewriteInput, TableSnapshot};
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::ArrowSchemaConverter;
use serde_json::Value;

use crate::cancellation::unless_cancelled;
use crate::changes::found_rows::{FoundRows, Rows};
use crate::changes::vectors::{has_change_feed, has_vectors};
use crate::error::Error;
use crate::files::file_upload::FileUpload;
use crate::files::patched_file::{PatchedFile, StoredFile};
use crate::files::physical::to_physical;
use crate::files::properties::{Compression, writer_properties};
use crate::files::stage_files::AddFile;
use crate::files::stats::collector::StatsCollector;
use crate::files::stats::columns::StatsColumns;
use crate::plan::pipeline::PipelineOutput;
use crate::rewrite::all_or_cause;
use crate::schema::requirements::WriteRequirements;
use crate::stage::{Settings, StageTarget};

/// Bytes of rows that change, at most.
const MAX_HELD_BYTES: usize = 32 << 20;
/// Files of which the footers are held, at most.
const MAX_FILES: usize = 1_000;
/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// What became of an attempt.
pub(crate) enum Updated {
    /// All is done: these files are written anew.
    InPlace(Vec<CutFile>, PipelineOutput),
    /// Nothing is; these are the rows.
    Otherwise(FoundRows),
}

/// An UPDATE of a version of a table.
pub(crate) struct UpdateInPlace<'a> {
    pub(crate) snapshot: &'a Arc<TableSnapshot>,
    pub(crate) requirements: &'a Arc<WriteRequirements>,
    pub(crate) settings: &'a Settings,
    /// Names of the columns that it sets, and their values as text.
    pub(crate) values: &'a [(String, String)],
}

/// A file in which rows change.
struct Candidate {
    input: RewriteInput,
    stored: StoredFile,
    stats: StatsCollector,
    /// The numbers of those rows, in their order, and where their new values are.
    changed: Vec<(u64, usize)>,
}

/// The columns that an UPDATE sets, and those that are computed from them.
struct SetColumns {
    names: Vec<String>,
    /// Their places among the columns of files.
    places: Vec<usize>,
}

impl UpdateInPlace<'_> {
    /// Updates rows where they are, where that can be and is worth it.
    pub(crate) async fn run(
        &self,
        mut rows: FoundRows,
        target: &StageTarget,
    ) -> Result<Updated, Error> {
        let Some(set) = self.set_columns()? else {
            return Ok(Updated::Otherwise(rows));
        };
        let (mut held, mut bytes, mut counter) = (Vec::new(), 0, BatchBytes::default());
        while let Some(read) = rows.next(&target.cancellation).await? {
            bytes += counter.count(&read.columns);
            held.push(read);
            if bytes > MAX_HELD_BYTES {
                return Ok(Updated::Otherwise(rows.after(held)));
            }
        }
        let found = rows.places.so_far();
        let cut = self.snapshot.cut_files(found.places()).await?;
        let candidates = unless_cancelled(&target.cancellation, self.candidates(&cut)).await??;
        let Some(mut candidates) = candidates else {
            return Ok(Updated::Otherwise(rows.after(held)));
        };
        let new = self.new_values(&rows, &held, &set)?;
        let mut changed = places_by_file(&held);
        for (candidate, file) in candidates.iter_mut().zip(&cut) {
            candidate.changed = changed.remove(&file.place()).unwrap_or_default();
            candidate.changed.sort_unstable();
        }
        let patching = Arc::new(Patching {
            snapshot: Arc::clone(self.snapshot),
            requirements: Arc::clone(self.requirements),
            compression: self.settings.compression,
            target: target.clone(),
            set,
            new,
        });
        let writers = self.settings.writers().min(candidates.len()).max(1);
        let output = PipelineOutput {
            added: patching.write(candidates, writers).await?,
            writers,
            spilled_bytes: 0,
        };
        Ok(Updated::InPlace(cut, output))
    }

    /// What the statement sets; None where it has to move rows or to tell of them, or sets all that there is.
    fn set_columns(&self) -> Result<Option<SetColumns>, Error> {
        if has_vectors(self.snapshot)? || has_change_feed(self.snapshot)? {
            return Ok(None);
        }
        let fields = self.requirements.columns().fields();
        let is_set = |place: &usize| {
            let name = fields[*place].name();
            self.values.iter().any(|(column, _)| column == name)
                || self.requirements.is_generated(*place)
        };
        let (partition, in_files) = self.requirements.places();
        let (places, columns): (Vec<_>, Vec<_>) = in_files
            .iter()
            .map(|column| &fields[*column])
            .enumerate()
            .filter(|(place, _)| is_set(&in_files[*place]))
            .unzip();
        let stays_in_place = !partition.iter().any(is_set)
            && !columns.iter().any(|column| column.data_type().is_nested());
        let names = columns.into_iter().map(|column| column.name().clone());
        let set = SetColumns {
            names: names.collect(),
            places,
        };
        Ok((stays_in_place && set.names.len() < in_files.len()).then_some(set))
    }

    /// The files in which rows change; None where one of them isn't as dfd would write it now.
    async fn candidates(&self, cut: &[CutFile]) -> Result<Option<Vec<Candidate>>, Error> {
        if cut.len() > MAX_FILES || cut.iter().any(CutFile::has_vector) {
            return Ok(None);
        }
        let schema = self.requirements.file_schema();
        let like_new = ArrowSchemaConverter::new().convert(schema)?;
        let stats_paths = self.requirements.stats_paths();
        let stats_columns = Arc::new(StatsColumns::new(stats_paths, schema));
        let location = self.snapshot.location();
        let inputs = self.snapshot.rows_before(cut)?;
        let opened = inputs.into_iter().map(|input| async {
            let stored = StoredFile::open(location, input.stored_at(), input.size).await?;
            Ok::<_, Error>((input, stored))
        });
        let mut opened = stream::iter(opened).buffered(FOOTERS_AT_ONCE);
        let mut candidates = Vec::with_capacity(cut.len());
        for file in cut {
            let Some((input, stored)) = opened.try_next().await? else {
                return Ok(None);
            };
            let stats = StatsCollector::of_stored(Arc::clone(&stats_columns), &null_counts(file));
            let Some(stats) = stats.filter(|_| stored.is_like_new(&like_new)) else {
                return Ok(None);
            };
            candidates.push(Candidate {
                input,
                stored,
                stats,
                changed: Vec::new(),
            });
        }
        Ok(Some(candidates))
    }

    /// The values that rows get in the columns that are set, as files have them.
    fn new_values(
        &self,
        rows: &FoundRows,
        held: &[Rows],
        set: &SetColumns,
    ) -> Result<RecordBatch, Error> {
        let transform = self.requirements.transform(&rows.schema)?;
        let (_, in_files) = self.requirements.places();
        let mut first_row = 0;
        let mut all = Vec::with_capacity(held.len());
        for read in held {
            let checked = transform.apply(&read.columns, first_row)?;
            first_row += read.columns.num_rows() as u64;
            let in_files = checked.project(&in_files)?;
            let physical = to_physical(&in_files, self.requirements.file_schema())?;
            all.push(physical.project(&set.places)?);
        }
        let schema = self.requirements.file_schema().project(&set.places)?;
        Ok(concat_batches(&Arc::new(schema), &all)?)
    }
}

/// How many nulls the log says that columns of a file have.
fn null_counts(file: &CutFile) -> Value {
    let stats = file.stats.as_deref();
    let mut stats: Value = stats
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    stats
        .get_mut("nullCount")
        .map(Value::take)
        .unwrap_or_default()
}

/// For each file the numbers of its rows that change, and their places among all that do.
fn places_by_file(held: &[Rows]) -> HashMap<usize, Vec<(u64, usize)>> {
    let mut found: HashMap<usize, Vec<(u64, usize)>> = HashMap::new();
    let places = held.iter().flat_map(|rows| &rows.places);
    for (index, place) in places.enumerate() {
        if let Some((file, row)) = place {
            found.entry(*file).or_default().push((*row, index));
        }
    }
    found
}

/// What all files of a change have in common.
struct Patching {
    snapshot: Arc<TableSnapshot>,
    requirements: Arc<WriteRequirements>,
    compression: Compression,
    target: StageTarget,
    set: SetColumns,
    /// The new values of all rows that change.
    new: RecordBatch,
}

impl Patching {
    async fn write(
        self: Arc<Self>,
        candidates: Vec<Candidate>,
        writers: usize,
    ) -> Result<Vec<AddFile>, Error> {
        let running = candidates
            .into_iter()
            .enumerate()
            .map(|(number, candidate)| {
                let job = Arc::clone(&self);
                async move {
                    let written = tokio::spawn(async move {
                        let written = job.write_one(number, candidate).await;
                        if written.is_err() {
                            // The others end for the first error.
                            job.target.cancellation.cancel();
                        }
                        written
                    });
                    written.await.map_err(Error::from_task).flatten()
                }
            });
        let outcomes = stream::iter(running).buffer_unordered(writers);
        all_or_cause(outcomes.collect().await)
    }

    async fn write_one(&self, number: usize, candidate: Candidate) -> Result<AddFile, Error> {
        let cancellation = &self.target.cancellation;
        let files = [candidate.input];
        let old = self.snapshot.rows_of(&files, &self.set.names, 1);
        let old = unless_cancelled(cancellation, old).await??;
        let [input] = files;
        let in_partition = self.requirements.within_partition(input.partition_values);
        let schema = in_partition.file_schema();
        let partition = in_partition.partition(&self.new, 0)?;
        let writer = self.target.first_writer + number;
        let name = self.target.files.name(writer, 0, self.compression);
        let token = cancellation.clone();
        let file = PatchedFile {
            stored: candidate.stored,
            places: self.set.places.clone(),
            properties: writer_properties(schema, self.compression)?,
            schema: Arc::clone(schema),
            stats: candidate.stats,
            upload: FileUpload::begin(&self.target.files, partition, &name, token.clone()).await?,
            cancellation: token,
        };
        let (new, changed) = (&self.new, &candidate.changed);
        let mut first_row = 0;
        let rows = old.map(move |batch| {
            let batch = batch.map_err(|error| Error::Read(error.into()))?;
            let patched = patched(&batch, first_row, new, changed)?;
            first_row += batch.num_rows() as u64;
            Ok(patched)
        });
        let added = file.write(rows).await?;
        match input.stored_rows {
            Some(logged) if logged != added.rows => Err(Error::Rows {
                read: added.rows,
                logged,
            }),
            _ => Ok(added),
        }
    }
}

/// The rows of a batch, those of `changed` with their new values.
fn patched(
    old: &RecordBatch,
    first_row: u64,
    new: &RecordBatch,
    changed: &[(u64, usize)],
) -> Result<RecordBatch, ArrowError> {
    let end = first_row + old.num_rows() as u64;
    let place = |row: u64| changed.partition_point(|(changed, _)| *changed < row);
    let changed = &changed[place(first_row)..place(end)];
    let mut sources: Vec<_> = (0..old.num_rows()).map(|row| (0, row)).collect();
    for (row, index) in changed {
        let row = usize::try_from(row - first_row).unwrap_or(usize::MAX);
        if let Some(source) = sources.get_mut(row) {
            *source = (1, *index);
        }
    }
    let columns = old.columns().iter().zip(new.columns());
    let columns = columns.map(|(old, new)| match changed.is_empty() {
        true => Ok(Arc::clone(old)),
        false => interleave(&[old.as_ref(), new.as_ref()], &sources),
    });
    RecordBatch::try_new(new.schema(), columns.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use serde_json::json;

    use super::*;
    use crate::changes::Statement;
    use crate::changes::tests::{changed, metrics, update};
    use crate::stage::Settings;
    use crate::testing::{
        Table, batch, column, column_with, commit, int64s, read_staged, stage_into, texts,
    };

    const COUNTS: [&str; 4] = [
        "updated_rows",
        "added_files",
        "removed_files",
        "copied_rows",
    ];
    /// More than a row group has.
    const ROWS: i64 = 700_000;

    fn rows(count: i64) -> RecordBatch {
        let floats: Float64Array = (0..count).map(|row| Some(row as f64 / 4.0)).collect();
        let lists = (0..count).map(|row| (row % 3 > 0).then(|| vec![Some(row); row as usize % 2]));
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
        let names = ["a", "b", "c"].map(Some).into_iter().cycle();
        let count = usize::try_from(count).unwrap();
        batch(vec![
            ("id", int64s((0..count as i64).map(Some))),
            ("x", Arc::new(floats) as ArrayRef),
            ("name", texts(names.take(count))),
            ("list", Arc::new(lists) as ArrayRef),
            ("twice", int64s((0..count as i64).map(|row| Some(2 * row)))),
        ])
    }

    /// Makes a table of one file; gives its rows as they are read.
    fn table(directory: &Path, properties: &[(&str, &str)], stored: &RecordBatch) -> RecordBatch {
        let list = json!({"type": "array", "elementType": "long", "containsNull": true});
        let mut table = Table::new(&[
            column("id", "long", true),
            column("x", "double", true),
            column("name", "string", true),
            column("list", list, true),
            column_with("twice", "long", "delta.generationExpression", "id * 2"),
        ]);
        for (key, value) in properties {
            table = table.property(key, value);
        }
        table.create(directory);
        let by_one = Settings {
            writers: Some(1),
            ..Settings::default()
        };
        let staged = stage_into(directory, vec![stored.clone()], by_one).unwrap();
        commit(directory, 1, &staged);
        read_staged(directory, &staged).remove(0)
    }

    fn chunks(directory: &Path, path: &str) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(directory.join(path)).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(bytes.clone())).unwrap();
        let groups = reader.metadata().row_groups().iter();
        let columns = groups.flat_map(|group| group.columns());
        let ranges = columns.map(|column| column.byte_range());
        ranges
            .map(|(start, length)| bytes[start as usize..(start + length) as usize].to_vec())
            .collect()
    }

    fn only_path(directory: &Path) -> String {
        let entries = directory.read_dir().unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names
            .into_iter()
            .find(|name| name.ends_with("parquet"))
            .unwrap()
    }

    #[test]
    fn only_the_columns_that_are_set_are_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let stored = table(directory.path(), &[], &rows(ROWS));
        let before = chunks(directory.path(), &only_path(directory.path()));
        let statement = update("x", "-x", "id % 100000 = 7 OR id = 524288");
        let change = changed(directory.path(), 1, statement).unwrap();
        assert_eq!(metrics(&change, COUNTS), [8, 1, 1, ROWS as u64 - 8]);
        let staged = change.staged.as_ref().unwrap();
        let after = chunks(directory.path(), &staged.added()[0].path);
        // Of each row group; `twice` is computed from columns, and so is written too.
        for (column, (old, new)) in before.iter().zip(&after).enumerate() {
            assert!(old == new || [1, 4].contains(&(column % 5)), "{column}");
        }
        assert_ne!(before[1], after[1]);
        let [read] = &read_staged(directory.path(), staged)[..] else {
            unreachable!("one file");
        };
        for name in ["id", "name", "list", "twice"] {
            assert_eq!(
                read.column_by_name(name),
                stored.column_by_name(name),
                "{name}"
            );
        }
        let values = |batch: &RecordBatch| {
            batch
                .column(1)
                .as_primitive::<Float64Type>()
                .values()
                .to_vec()
        };
        let wanted = values(&stored).into_iter().enumerate().map(|(row, value)| {
            let is_changed = row % 100_000 == 7 || row == 524_288;
            if is_changed { -value } else { value }
        });
        assert_eq!(values(read), wanted.collect::<Vec<_>>());
    }

    #[test]
    fn each_row_of_many_files_and_partitions_gets_its_own_value() {
        let directory = tempfile::tempdir().unwrap();
        let columns = ["id", "v", "p"].map(|name| column(name, "long", true));
        Table::new(&columns)
            .partition_by(&["p"])
            .create(directory.path());
        for version in 1..=6 {
            let ids = || (0..3_000).map(|row| row * 6 + version);
            let rows = batch(vec![
                ("id", int64s(ids().map(Some))),
                ("v", int64s(ids().map(|id| Some(-id)))),
                ("p", int64s(ids().map(|id| Some(id % 4)))),
            ]);
            let staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
            commit(directory.path(), u64::try_from(version).unwrap(), &staged);
        }
        let change = changed(directory.path(), 6, update("v", "id * 10", "id % 7 = 3")).unwrap();
        let staged = change.staged.as_ref().unwrap();
        let changed_rows = (1..=18_000).filter(|id| id % 7 == 3).count() as u64;
        let files = staged.added().len();
        assert!(files >= 12, "{files}");
        let [updated, added, removed, copied] = metrics(&change, COUNTS);
        assert_eq!((updated, updated + copied), (changed_rows, 18_000));
        assert_eq!((added, removed), (files as u64, files as u64));
        let mut seen = Vec::new();
        for (read, file) in read_staged(directory.path(), staged)
            .iter()
            .zip(staged.added())
        {
            let column = |place: usize| read.column(place).as_primitive::<Int64Type>();
            let rows = column(0).values().iter().zip(column(1).values());
            for (id, value) in rows {
                assert_eq!(*value, if id % 7 == 3 { id * 10 } else { -id });
                let partition = file.partition_values[0].1.as_deref();
                assert_eq!(partition, Some((id % 4).to_string().as_str()));
                seen.push(*id);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=18_000).collect::<Vec<_>>());
    }

    #[test]
    fn statistics_are_those_of_the_same_rows_written_anew() {
        for (value, twin) in [
            ("null", None),
            ("7.5", Some(7.5)),
            ("'NaN'::double", Some(f64::NAN)),
        ] {
            let directory = tempfile::tempdir().unwrap();
            table(directory.path(), &[], &rows(5_000));
            let change = changed(directory.path(), 1, update("x", value, "id < 10")).unwrap();
            let staged = change.staged.as_ref().unwrap();
            let read = read_staged(directory.path(), staged);
            let again = tempfile::tempdir().unwrap();
            table(again.path(), &[], &rows(1));
            let wanted = stage_into(again.path(), read.clone(), Settings::default()).unwrap();
            assert_eq!(staged.added()[0].stats, wanted.added()[0].stats, "{value}");
            let first = read[0].column(1).as_primitive::<Float64Type>();
            let first = (!first.is_null(0)).then(|| first.value(0).to_bits());
            assert_eq!(first, twin.map(f64::to_bits), "{value}");
        }
    }

    #[test]
    fn all_columns_at_once_and_nested_ones_are_written_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path(), &[], &rows(100));
        let all = ["id", "x", "name", "list"].map(|name| (name.to_owned(), name.to_owned()));
        for values in [all.to_vec(), all[3..].to_vec()] {
            let condition = Some("id = 50".to_owned());
            let statement = Statement::Update { values, condition };
            let change = changed(directory.path(), 1, statement).unwrap();
            assert_eq!(metrics(&change, COUNTS), [1, 2, 1, 99]);
        }
    }

    #[test]
    fn files_of_others_are_written_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path(), &[], &rows(100));
        let path = directory.path().join(only_path(directory.path()));
        let bytes = std::fs::read(&path).unwrap();
        let ours = dfd_delta::CREATED_BY.as_bytes();
        let at = bytes
            .windows(ours.len())
            .position(|found| found == ours)
            .unwrap();
        let mut theirs = bytes.clone();
        theirs[at..at + 3].copy_from_slice(b"abc");
        for (stored, added) in [(bytes, 1), (theirs, 2)] {
            std::fs::write(&path, stored).unwrap();
            let change = changed(directory.path(), 1, update("x", "0", "id = 50")).unwrap();
            assert_eq!(metrics(&change, COUNTS), [1, added, 1, 99]);
        }
    }

    #[test]
    fn rows_that_break_a_rule_leave_nothing() {
        let directory = tempfile::tempdir().unwrap();
        table(
            directory.path(),
            &[("delta.constraints.small", "x < 1000")],
            &rows(100),
        );
        let before = crate::testing::files_below(directory.path());
        let broken = changed(directory.path(), 1, update("x", "id * 100", "id > 8"));
        assert!(broken.unwrap_err().is_rule_violation());
        assert_eq!(crate::testing::files_below(directory.path()), before);
    }

    #[test]
    fn new_values_are_put_where_their_rows_are() {
        let numbers =
            |values: Vec<i64>| batch(vec![("a", Arc::new(Int64Array::from(values)) as _)]);
        let new = numbers(vec![70, 50, 90]);
        let changed = [(5, 1), (7, 0), (12, 2)];
        for (first_row, old, wanted) in [
            (0, vec![0, 1, 2], vec![0, 1, 2]),
            (4, vec![4, 5, 6, 7], vec![4, 50, 6, 70]),
            (12, vec![12], vec![90]),
            (13, vec![13], vec![13]),
        ] {
            let found = patched(&numbers(old), first_row, &new, &changed).unwrap();
            assert_eq!(found, numbers(wanted));
        }
    }
}
