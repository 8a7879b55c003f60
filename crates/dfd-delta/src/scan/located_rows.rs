//! The rows of a version, each with the file that it is in and its number there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use crate::error::Error;
use crate::files::data_file::DataFile;
use crate::files::file_set::FileSet;
use crate::files::log_file::LogFile;
use crate::snapshot::TableSnapshot;

/// The place of a row's file among [`TableSnapshot::active_files`].
pub const FILE_COLUMN: &str = "_dfd_file";
/// The number of a row in its file, from 0; rows that a deletion vector takes away count too.
pub const ROW_COLUMN: &str = "_dfd_row";

/// The rows of one version of a table, with two columns that say where each is.
#[derive(Debug)]
pub struct LocatedRows {
    snapshot: Arc<TableSnapshot>,
    files: FileSet,
    schema: SchemaRef,
}

impl LocatedRows {
    /// Those of a snapshot.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn of(snapshot: Arc<TableSnapshot>) -> Result<Arc<Self>, Error> {
        let all = vec![true; snapshot.files().len()];
        Self::of_files(snapshot, &all)
    }

    /// Those of the files that have rows which weren't there in an earlier version: all their rows.
    ///
    /// # Errors
    /// The log of either wasn't read.
    pub fn since(
        earlier: &TableSnapshot,
        snapshot: Arc<TableSnapshot>,
    ) -> Result<Arc<Self>, Error> {
        let before = earlier.active_files()?;
        let known = before.files.iter().zip(earlier.files());
        let known: HashMap<&str, _> = known
            .map(|(file, data)| (file.path.as_str(), (file.key(), data)))
            .collect();
        let now = snapshot.active_files()?;
        let is_new = now.files.iter().zip(snapshot.files()).map(|(file, data)| {
            let Some((key, before)) = known.get(file.path.as_str()) else {
                return true;
            };
            // Of a file that only lost rows, none is new.
            *key != file.key() && !before.deleted_rows().is_subset(&data.deleted_rows())
        });
        let is_new: Vec<_> = is_new.collect();
        Self::of_files(snapshot, &is_new)
    }

    /// Those of some files; `is_read` says so of each.
    fn of_files(snapshot: Arc<TableSnapshot>, is_read: &[bool]) -> Result<Arc<Self>, Error> {
        let place: FieldRef = Arc::new(Field::new(FILE_COLUMN, DataType::Int64, false));
        let columns = snapshot.columns().with_more(&[], &[Arc::clone(&place)]);
        let columns = columns.with_row_number(ROW_COLUMN);
        let fields = snapshot.schema().fields().iter().cloned();
        let fields = fields.chain([place]).chain(columns.row_number.clone());
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let root = snapshot.location().url();
        let known = snapshot.files().iter().zip(snapshot.log_files()?).zip(0..);
        let read = known.zip(is_read).filter(|(_, is_read)| **is_read);
        let located = read.map(|(((file, logged), place), _): (((&DataFile, _), i64), _)| {
            let logged = LogFile {
                constants: vec![ScalarValue::Int64(Some(place))],
                ..LogFile::from(&logged)
            };
            let rows = file.scanned.extension().cloned();
            DataFile::try_new(&logged, root, &columns, rows)
        });
        let files = located.collect::<Result<Vec<_>, _>>()?;
        let location = snapshot.location().clone();
        let files = FileSet::new(location, snapshot.version(), columns, files);
        Ok(Arc::new(Self {
            snapshot,
            files,
            schema,
        }))
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The columns of the table, and then those two.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The version.
    pub fn snapshot(&self) -> &Arc<TableSnapshot> {
        &self.snapshot
    }

    pub(crate) fn file_set(&self) -> &FileSet {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use datafusion::prelude::SessionConfig;

    use super::*;
    use crate::scan::provider::DeltaTableProvider;
    use crate::test_tables::{TestTable, mixed, run};

    /// File, number and id of the rows that match.
    fn found(table: &TestTable, condition: &str, partitions: usize) -> Vec<(String, i64, i64)> {
        let snapshot = table.open();
        let paths = snapshot.active_files().unwrap().files;
        let rows = LocatedRows::of(snapshot).unwrap();
        let config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(partitions + 1);
        let session = dfd_runtime::session(config);
        let provider = Arc::new(DeltaTableProvider::native(rows));
        session.register_table("t", provider).unwrap();
        let sql = format!("SELECT _dfd_file, _dfd_row, id FROM t WHERE {condition}");
        let batches = run(async { session.sql(&sql).await.unwrap().collect().await.unwrap() });
        let mut rows = Vec::new();
        for batch in &batches {
            let column = |place: usize| batch.column(place).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let file = usize::try_from(column(0).value(row)).unwrap();
                let (number, id) = (column(1).value(row), column(2).value(row));
                rows.push((paths[file].path.clone(), number, id));
            }
        }
        rows.sort_by_key(|row| row.2);
        rows
    }

    fn wanted(ids: &[i64]) -> Vec<(String, i64, i64)> {
        let files = [
            "p=a/1.parquet",
            "p=a/2.parquet",
            "p=b/3.parquet",
            "4.parquet",
        ];
        let of_id = |id: &i64| {
            let file = usize::try_from(id / 10 - 1).unwrap();
            (files[file].to_owned(), id % 10 - 1, *id)
        };
        ids.iter().map(of_id).collect()
    }

    #[test]
    fn every_row_says_where_it_is() {
        let (table, _) = mixed();
        for partitions in [1, 2, 16] {
            for (condition, ids) in [
                ("true", &[11, 12, 13, 14, 22, 24, 25, 31, 32, 41, 42][..]),
                ("id > 22", &[24, 25, 31, 32, 41, 42]),
                ("p = 'a' AND name = 'dan'", &[24]),
                ("price + id = 32.0", &[32]),
                ("p IS NULL", &[41, 42]),
                ("name = 'gone'", &[]),
                ("_dfd_row = 1", &[12, 22, 32, 42]),
            ] {
                let found = found(&table, condition, partitions);
                assert_eq!(found, wanted(ids), "{condition}, {partitions} partitions");
            }
        }
    }
}
