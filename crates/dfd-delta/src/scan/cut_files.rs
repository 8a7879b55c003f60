//! Files of a version, and the rows that a change takes out of them.

use std::collections::{BTreeMap, HashMap};

use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use deltalake_core::kernel::DeletionVectorDescriptor;
use dfd_runtime::parquet_metadata_cache;
use roaring::RoaringTreemap;
use serde_json::{Map, Value};

use crate::error::{Error, below};
use crate::files::data_file::DataFile;
use crate::files::deletion_vector::Read;
use crate::files::parquet_metadata::Readers;
use crate::log::{ActiveFile, ExistingFile};
use crate::scan::rewrite_input::RewriteInput;
use crate::snapshot::TableSnapshot;

/// Rows of the files of a version, each file by its place among [`TableSnapshot::active_files`].
#[derive(Debug, Clone, Default)]
pub struct RowSet(BTreeMap<usize, RoaringTreemap>);

impl RowSet {
    /// Takes in a row by its number in its file, from 0; false where it was there.
    pub fn insert(&mut self, file: usize, row: u64) -> bool {
        self.0.entry(file).or_default().insert(row)
    }

    /// Whether a row was taken in.
    pub fn contains(&self, file: usize, row: u64) -> bool {
        self.0.get(&file).is_some_and(|rows| rows.contains(row))
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        for (file, rows) in &others.0 {
            *self.0.entry(*file).or_default() |= rows;
        }
        self
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.0.values().map(RoaringTreemap::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file out of which rows are taken.
#[derive(Debug, Clone)]
pub struct CutFile {
    /// As the version has it.
    pub file: ActiveFile,
    /// Statistics as JSON.
    pub stats: Option<String>,
    /// The rows that are taken out.
    pub taken: RoaringTreemap,
    /// The rows that aren't there then: these, and those of its deletion vector.
    pub gone: RoaringTreemap,
    /// Rows that are stored in it.
    pub stored_rows: u64,
    place: usize,
}

impl CutFile {
    /// Whether no row is left.
    pub fn is_empty(&self) -> bool {
        self.gone.len() >= self.stored_rows
    }

    /// Its place among [`TableSnapshot::active_files`].
    pub fn place(&self) -> usize {
        self.place
    }

    /// Whether it has a deletion vector.
    pub fn has_vector(&self) -> bool {
        self.file.deletion_vector.is_some()
    }

    /// Whether its statistics say how many rows it has, as those of a file with a deletion vector have to.
    pub fn may_have_vector(&self) -> bool {
        self.stats.as_deref().and_then(with_wide_bounds).is_some()
    }

    /// The file with this deletion vector; None where its statistics don't say how many rows it has, which a
    /// file with a vector has to.
    pub fn with_vector(&self, vector: DeletionVectorDescriptor) -> Option<ExistingFile> {
        Some(ExistingFile {
            stats: Some(with_wide_bounds(self.stats.as_deref()?)?),
            file: ActiveFile {
                deletion_vector: Some(vector),
                ..self.file.clone()
            },
        })
    }
}

/// Statistics whose bounds needn't be those of a row that is left (protocol, section "Per-file Statistics"); None
/// where they don't have the count of rows.
///
/// All else stays as it is written: what reads numbers may not write them again as they were.
fn with_wide_bounds(stats: &str) -> Option<String> {
    let mut wanted: Map<String, Value> = serde_json::from_str(stats).ok()?;
    wanted.get("numRecords")?.as_u64()?;
    match wanted.insert("tightBounds".to_owned(), Value::Bool(false)) {
        None => Some(stats.replacen('{', r#"{"tightBounds":false,"#, 1)),
        Some(Value::Bool(false)) => Some(stats.to_owned()),
        Some(_) => {
            let mut candidates = stats.match_indices("true").map(|(start, found)| {
                let (before, after) = (&stats[..start], &stats[start + found.len()..]);
                format!("{before}false{after}")
            });
            candidates.find(|text| serde_json::from_str(text).is_ok_and(|found| wanted == found))
        }
    }
}

impl TableSnapshot {
    /// The files out of which `rows` are taken.
    ///
    /// # Errors
    /// The log wasn't read, or the footer of a file of which the log doesn't tell how many rows it has.
    pub async fn cut_files(&self, rows: RowSet) -> Result<Vec<CutFile>, Error> {
        let files = self.active_files()?.files;
        let views = self.log_files()?;
        let mut cut = Vec::with_capacity(rows.0.len());
        for (place, taken) in rows.0 {
            let known = (files.get(place), views.get(place), self.files().get(place));
            let (Some(file), Some(view), Some(data)) = known else {
                continue;
            };
            let stored_rows = match view.num_records() {
                Some(rows) => rows as u64,
                None => self.rows_of_footer(data).await?,
            };
            let gone = data.deleted_rows() | &taken;
            cut.push(CutFile {
                file: file.clone(),
                stats: view.stats(),
                taken,
                gone,
                stored_rows,
                place,
            });
        }
        Ok(cut)
    }

    /// The same rows taken out of the same files of this later version, in which more of their rows may be gone.
    /// None where a file isn't there, has one of these rows no more, or has a row that was gone before.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn cut_again(&self, earlier: &[CutFile]) -> Result<Option<Vec<CutFile>>, Error> {
        let files = self.active_files()?.files;
        let views = self.log_files()?;
        let known = files.iter().zip(views).zip(self.files()).zip(0..);
        let known: HashMap<&str, _> = known
            .map(|(((file, view), data), place)| (file.path.as_str(), (file, view, data, place)))
            .collect();
        let again = earlier.iter().map(|cut| {
            let (file, view, data, place) = known.get(cut.file.path.as_str())?;
            let gone = data.deleted_rows();
            let before = &cut.gone - &cut.taken;
            let is_same = before.is_subset(&gone) && gone.is_disjoint(&cut.taken);
            is_same.then(|| CutFile {
                file: (*file).clone(),
                stats: view.stats(),
                gone: gone | &cut.taken,
                place: *place,
                ..cut.clone()
            })
        });
        Ok(again.collect())
    }

    /// The rows that are left of these files, to be written anew.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn rows_left(&self, files: &[CutFile]) -> Result<Vec<RewriteInput>, Error> {
        self.inputs_of(files, |input, cut| {
            input.reading(Read::AllBut, &cut.gone, cut.stored_rows)
        })
    }

    /// The rows that are taken out of these files, to be written as changes.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn rows_taken(&self, files: &[CutFile]) -> Result<Vec<RewriteInput>, Error> {
        self.inputs_of(files, |input, cut| {
            input.reading(Read::Only, &cut.taken, cut.stored_rows)
        })
    }

    /// All rows of these files, those too that are taken out.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn rows_before(&self, files: &[CutFile]) -> Result<Vec<RewriteInput>, Error> {
        self.inputs_of(files, |input, _| input)
    }

    fn inputs_of(
        &self,
        files: &[CutFile],
        reading: impl Fn(RewriteInput, &CutFile) -> RewriteInput,
    ) -> Result<Vec<RewriteInput>, Error> {
        let paths: Vec<_> = files.iter().map(|cut| cut.file.path.clone()).collect();
        let inputs = self.rewrite_inputs_at(files.iter().map(|cut| cut.place), &paths)?;
        let cut = inputs.into_iter().zip(files);
        Ok(cut.map(|(input, cut)| reading(input, cut)).collect())
    }

    /// The rows that a file stores, as its footer says.
    pub(crate) async fn rows_of_footer(&self, file: &DataFile) -> Result<u64, Error> {
        let metrics = ExecutionPlanMetricsSet::new();
        let names = self.columns().names();
        let readers = Readers::new(self.location(), names, parquet_metadata_cache(), &metrics);
        let footer = readers.footer(file.scanned.clone()).await;
        let footer = footer.map_err(|error| {
            let uri = self.location().url();
            let path = below(uri, file.scanned.object_meta.location.as_ref());
            Error::file(uri, path, error)
        })?;
        let rows = footer.file_metadata().num_rows();
        Ok(u64::try_from(rows).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_bounds_leave_all_else_as_it_is_written() {
        let wide = |stats: &str| with_wide_bounds(stats);
        let bounds = r#""minValues":{"d":1.10,"tightBounds":true}}"#;
        for (given, wanted) in [
            (
                format!(r#"{{"numRecords":3,{bounds}"#),
                format!(r#"{{"tightBounds":false,"numRecords":3,{bounds}"#),
            ),
            (
                format!(r#"{{"numRecords":3,"tightBounds" : true,{bounds}"#),
                format!(r#"{{"numRecords":3,"tightBounds" : false,{bounds}"#),
            ),
            (
                format!(r#"{{"tightBounds":false,"numRecords":3,{bounds}"#),
                format!(r#"{{"tightBounds":false,"numRecords":3,{bounds}"#),
            ),
        ] {
            assert_eq!(wide(&given).as_deref(), Some(wanted.as_str()));
        }
        for none in [
            "",
            "{}",
            "[]",
            r#"{"numRecords":null}"#,
            "{\"numRecords\":1",
        ] {
            assert_eq!(wide(none), None, "{none}");
        }
    }

    #[test]
    fn a_row_is_taken_in_once() {
        let mut rows = RowSet::default();
        assert!(rows.is_empty());
        assert_eq!(
            [(1, 5), (1, 5), (0, 5)].map(|(file, row)| rows.insert(file, row)),
            [true, false, true]
        );
        assert_eq!(rows.len(), 2);
    }
}
