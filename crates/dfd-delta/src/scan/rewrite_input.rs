//! Files of a snapshot that are read to be written anew.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionConfig;

use crate::error::Error;
use crate::scan::builder::{FileScan, in_one_stream, scan_indices, with_types};
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
    place: usize,
}

impl RewriteInput {
    /// Rows that are still there, where the log says.
    pub fn rows(&self) -> Option<u64> {
        self.stored_rows?.checked_sub(self.deleted_rows)
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
        let files = self.log_files()?;
        let partition_columns = self.log_state()?.metadata().partition_columns();
        let inputs = paths.iter().map(|path| {
            let found = places.get(path).and_then(|place| files.get(*place));
            let (Some(file), Some(place)) = (found, places.get(path)) else {
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
                place: *place,
            })
        });
        inputs.collect()
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
        if self.fallback().is_none() {
            let scan_columns = self.columns();
            let scan_schema = scan_columns.table_schema();
            let all = self.files();
            let chosen = files.iter().filter_map(|file| all.get(file.place));
            let scan = FileScan {
                snapshot: self,
                columns: scan_columns,
                files: chosen.collect(),
                indices: scan_indices(self, Some(&indices), scan_schema.table_schema())?,
                predicate: None,
                limit: None,
                in_order: readers == 1,
            };
            return Ok(scan.rows(&session)?);
        }
        let scan = self.delta_scan_of(files).await?;
        let state = session.state();
        let plan = scan.scan(&state, Some(&indices), &[], None).await?;
        let wanted = self.schema().project(&indices);
        let wanted = wanted.map_err(|error| Error::DataFusion(error.into()))?;
        let plan = with_types(plan, &Arc::new(wanted))?;
        Ok(in_one_stream(plan, &session)?)
    }

    async fn delta_scan_of(&self, files: &[RewriteInput]) -> Result<impl TableProvider, Error> {
        let scan = self.table().table_provider().build().await?;
        Ok(scan.with_file_paths(files.iter().map(|file| file.path.clone())))
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
