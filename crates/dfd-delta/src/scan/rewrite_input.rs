//! Files of a snapshot that are read to be written anew.

use std::collections::HashMap;

use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionConfig;
use object_store::path::Path;
use roaring::RoaringTreemap;

use crate::error::Error;
use crate::files::data_file::DataFile;
use crate::files::deletion_vector::{Read, selection_of};
use crate::files::log_file::LogFile;
use crate::scan::builder::{FileScan, scan_indices};
use crate::snapshot::TableSnapshot;

/// Rows of a batch, where they aren't wide.
const BATCH_ROWS: usize = 8192;
/// Of the stored bytes of a batch, about the most.
const BATCH_BYTES: usize = 4 << 20;

/// A file of a snapshot that is to be written anew.
#[derive(Debug, Clone)]
pub struct RewriteInput {
    /// As the log has it, still encoded.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// The physical name of each partition column, and its value as the log has it.
    pub partition_values: Vec<(String, Option<String>)>,
    /// Those that are stored, where the log says.
    pub stored_rows: Option<u64>,
    /// Those that a deletion vector takes away.
    pub deleted_rows: u64,
    data: DataFile,
}

impl RewriteInput {
    /// Rows that are still there, where the log says.
    pub fn rows(&self) -> Option<u64> {
        self.stored_rows?.checked_sub(self.deleted_rows)
    }

    /// Where it is in its store.
    pub fn stored_at(&self) -> &Path {
        &self.data.scanned.object_meta.location
    }

    /// The same file, of whose `stored_rows` others are read.
    pub(crate) fn reading(self, read: Read, named: &RoaringTreemap, stored_rows: u64) -> Self {
        let deleted_rows = match read {
            Read::AllBut => named.len(),
            Read::Only => stored_rows.saturating_sub(named.len()),
        };
        Self {
            stored_rows: Some(stored_rows),
            deleted_rows,
            data: self.data.selecting(selection_of(read, named, stored_rows)),
            ..self
        }
    }

    /// About how much of the file its rows are.
    pub fn live_bytes(&self) -> u64 {
        match (self.rows(), self.stored_rows) {
            (Some(rows), Some(stored)) if stored > 0 => {
                (self.size as f64 * rows as f64 / stored as f64) as u64
            }
            _ => self.size,
        }
    }
}

impl TableSnapshot {
    /// The files of these paths, encoded as the log has them.
    ///
    /// # Errors
    /// A path isn't that of a file of this version.
    pub fn rewrite_inputs(&self, paths: &[String]) -> Result<Vec<RewriteInput>, Error> {
        let places: HashMap<String, usize> = self.log_paths()?.into_iter().zip(0..).collect();
        let found = paths.iter().map(|path| {
            let unknown = || Error::NoSuchFile {
                path: path.clone(),
                version: self.version(),
            };
            places.get(path).copied().ok_or_else(unknown)
        });
        let found = found.collect::<Result<Vec<_>, _>>()?;
        self.rewrite_inputs_at(found, paths)
    }

    /// The files at these places among [`Self::active_files`], and their paths.
    pub(crate) fn rewrite_inputs_at(
        &self,
        places: impl IntoIterator<Item = usize>,
        paths: &[String],
    ) -> Result<Vec<RewriteInput>, Error> {
        let files = self.log_files()?;
        let partition_columns = self.configuration()?.logical_partition_columns();
        let inputs = places.into_iter().zip(paths).map(|(place, path)| {
            let (Some(file), Some(data)) = (files.get(place), self.files().get(place)) else {
                return Err(Error::NoSuchFile {
                    path: path.clone(),
                    version: self.version(),
                });
            };
            let values = file.partition_values_map();
            let value = |name: &String| {
                let physical = self.columns().mapping.physical(name).to_owned();
                let text = values.get(&physical).or_else(|| values.get(name));
                (physical, text.cloned().flatten())
            };
            let deleted = file.deletion_vector_descriptor();
            let deleted = deleted.map_or(0, |vector| vector.cardinality);
            Ok(RewriteInput {
                path: path.clone(),
                size: u64::try_from(file.size()).unwrap_or_default(),
                partition_values: partition_columns.iter().map(value).collect(),
                stored_rows: file.num_records().map(|rows| rows as u64),
                deleted_rows: u64::try_from(deleted).unwrap_or_default(),
                data: data.clone(),
            })
        });
        inputs.collect()
    }

    /// A file that was written for the version after this one: its decoded path, its size and its rows, and its
    /// partition's values by physical name.
    ///
    /// # Errors
    /// No store has such a path, or no partition such a value.
    pub fn new_input(
        &self,
        path: &str,
        size: u64,
        rows: u64,
        partition_values: &[(String, Option<String>)],
    ) -> Result<RewriteInput, Error> {
        let file = LogFile {
            path: path.to_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            partition_values: partition_values.iter().cloned().collect(),
            ..LogFile::default()
        };
        let root = self.location().url();
        Ok(RewriteInput {
            path: path.to_owned(),
            size,
            partition_values: partition_values.to_vec(),
            stored_rows: Some(rows),
            deleted_rows: 0,
            data: DataFile::try_new(&file, root, self.columns(), None)?,
        })
    }

    /// The rows of `files` that are there, in the columns of these names.
    ///
    /// Of `readers`, one reads file after file; more read at once, in no order.
    ///
    /// # Errors
    /// The scan can't be made.
    pub async fn rows_of(
        &self,
        files: &[RewriteInput],
        columns: &[String],
        readers: usize,
    ) -> Result<SendableRecordBatchStream, Error> {
        let config = SessionConfig::new()
            .with_target_partitions(readers)
            .with_batch_size(batch_rows(files));
        let session = dfd_runtime::session(config);
        let indices = columns.iter().map(|name| self.schema().index_of(name));
        let indices = indices.collect::<Result<Vec<_>, _>>();
        let indices = indices.map_err(|error| Error::DataFusion(error.into()))?;
        let scan_columns = self.columns();
        let scan_schema = scan_columns.table_schema();
        let scan = FileScan {
            set: self.file_set(),
            columns: scan_columns,
            files: files.iter().map(|input| &input.data).collect(),
            indices: scan_indices(self.schema(), Some(&indices), scan_schema.table_schema())?,
            predicate: None,
            limit: None,
            in_order: readers == 1,
        };
        Ok(scan.rows(&session)?)
    }
}

fn batch_rows(files: &[RewriteInput]) -> usize {
    let widest = files.iter().filter_map(|file| {
        let rows = file.stored_rows.filter(|rows| *rows > 0)?;
        usize::try_from(file.size / rows).ok()
    });
    let row_bytes = widest.max().unwrap_or_default().max(1);
    (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{
        Add, TestTable, field, lines, mapped, metadata, mixed, protocol, run, sorted,
    };
    use arrow::array::RecordBatch;
    use futures::TryStreamExt;
    use serde_json::json;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn read(
        snapshot: &TableSnapshot,
        inputs: &[RewriteInput],
        columns: &[&str],
        readers: usize,
    ) -> Vec<RecordBatch> {
        let columns = owned(columns);
        run(async {
            let stream = snapshot.rows_of(inputs, &columns, readers).await.unwrap();
            stream.try_collect().await.unwrap()
        })
    }

    #[test]
    fn inputs_are_what_the_log_says_of_them() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let paths = owned(&["4.parquet", "p=a/2.parquet", "p=b/3.parquet"]);
        let inputs = snapshot.rewrite_inputs(&paths).unwrap();
        let said: Vec<_> = inputs
            .iter()
            .map(|input| {
                (
                    input.path.as_str(),
                    input.stored_rows,
                    input.deleted_rows,
                    input.rows(),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                ("4.parquet", Some(2), 0, Some(2)),
                ("p=a/2.parquet", Some(5), 2, Some(3)),
                ("p=b/3.parquet", None, 0, None),
            ]
        );
        let p = "p".to_owned();
        assert_eq!(inputs[0].partition_values, [(p.clone(), None)]);
        assert_eq!(inputs[1].partition_values, [(p, Some("a".to_owned()))]);
        let size = std::fs::metadata(table.path("p=a/2.parquet"))
            .unwrap()
            .len();
        assert_eq!(
            (inputs[1].size, inputs[1].live_bytes()),
            (size, size * 3 / 5)
        );
        assert_eq!(inputs[2].live_bytes(), inputs[2].size);
    }

    #[test]
    fn a_path_is_as_the_log_has_it_or_unknown() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        let add = |path: &str| Add::new(path, 1).action();
        table.commit(1, &[add("a%20b"), add("ü")]);
        let snapshot = table.open();
        let found = snapshot.rewrite_inputs(&owned(&["ü", "a%20b"])).unwrap();
        assert_eq!(found.len(), 2);
        for unknown in ["a b", "%C3%BC", "c", ""] {
            let error = snapshot
                .rewrite_inputs(&owned(&["ü", unknown]))
                .unwrap_err();
            let expected = format!("version 1 of the table has no file {unknown}");
            assert_eq!(error.to_string(), expected);
            assert!(matches!(error, Error::NoSuchFile { version: 1, .. }));
        }
    }

    #[test]
    fn partition_values_have_physical_names() {
        let fields = [mapped("q", "long", 1, "c1"), mapped("p", "long", 2, "c2")];
        let mode = json!({"delta.columnMapping.mode": "name"});
        let table = TestTable::of(&[
            protocol(&["columnMapping"]),
            metadata(&fields, &["p", "q"], mode),
        ]);
        let add = Add::new("f", 1)
            .partition("c1", Some("1"))
            .partition("c2", Some("2"));
        table.commit(1, &[add.action()]);
        let inputs = table.open().rewrite_inputs(&owned(&["f"])).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            inputs[0].partition_values,
            [pair("c2", "2"), pair("c1", "1")]
        );
    }

    #[test]
    fn one_reader_reads_file_after_file_as_they_are_named() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let paths = owned(&["p=b/3.parquet", "4.parquet", "p=a/2.parquet"]);
        let inputs = snapshot.rewrite_inputs(&paths).unwrap();
        let expected = [
            "|31|b", "bob|32|b", "eve|41|", "a|b|42|", "cid|22|a", "dan|24|a", "dee|25|a",
        ];
        let columns = ["name", "id", "p"];
        assert_eq!(lines(&read(&snapshot, &inputs, &columns, 1)), expected);
        let mut in_any_order = expected.to_vec();
        in_any_order.sort_unstable();
        assert_eq!(sorted(&read(&snapshot, &inputs, &columns, 3)), in_any_order);
        assert_eq!(
            sorted(&read(&snapshot, &inputs[1..2], &["id"], 1)),
            ["41", "42"]
        );
        let none = read(&snapshot, &[], &["id"], 1);
        assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        let unknown = run(snapshot.rows_of(&inputs, &owned(&["nothing"]), 1));
        assert!(unknown.is_err_and(|error| error.to_string().contains("nothing")));
    }

    #[test]
    fn wide_rows_make_batches_of_few() {
        let (table, _) = mixed();
        let any = table.open().new_input("f", 1, 1, &[]).unwrap();
        let input = |size, stored_rows| RewriteInput {
            size,
            stored_rows,
            ..any.clone()
        };
        assert_eq!(batch_rows(&[]), 8192);
        assert_eq!(batch_rows(&[input(100, Some(1000))]), 8192);
        assert_eq!(batch_rows(&[input(1 << 30, None)]), 8192);
        assert_eq!(batch_rows(&[input(1 << 30, Some(0))]), 8192);
        assert_eq!(
            batch_rows(&[input(10, Some(1)), input(1 << 20, Some(2))]),
            8
        );
        assert_eq!(batch_rows(&[input(1 << 30, Some(1))]), 1);
        assert_eq!(input(10, Some(0)).live_bytes(), 10);
        let cut = RewriteInput {
            deleted_rows: 3,
            ..input(10, Some(2))
        };
        // A log that contradicts itself says nothing.
        assert_eq!((cut.rows(), cut.live_bytes()), (None, 10));
    }
}
