//! One data file on its way into the table's store, and its add action.

use chrono::Utc;
use dfd_delta::without_bounds;
use parquet::file::metadata::ParquetMetaData;

use crate::cancellation::CancellationToken;
use crate::error::Error;
use crate::files::footer::encode_footer;
use crate::files::stage_files::{AddFile, StageFiles};
use crate::files::upload::Upload;
use crate::schema::partitions::Partition;

/// A data file of which some bytes may be at their place. Whoever doesn't `finish` it has to `abort` it.
pub(crate) struct FileUpload {
    pub(crate) partition: Partition,
    /// Path of the file, relative to the table.
    path: String,
    upload: Upload,
    sent_bytes: u64,
}

impl FileUpload {
    /// Begins a file of a stage, of this name in the directory of its partition.
    pub(crate) async fn begin(
        files: &StageFiles,
        partition: Partition,
        name: &str,
        cancellation: CancellationToken,
    ) -> Result<Self, Error> {
        let path = format!("{}{name}", partition.directory);
        let target = files.add(&path)?;
        Ok(Self {
            partition,
            path,
            upload: Upload::begin(files.location(), target, cancellation).await?,
            sent_bytes: 0,
        })
    }

    /// Sends what is encoded, and leaves an empty buffer.
    pub(crate) async fn send(&mut self, encoded: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = std::mem::take(encoded);
        self.sent_bytes += bytes.len() as u64;
        *encoded = self.upload.put(bytes).await?;
        Ok(())
    }

    /// Sends the rest with the footer, which begins behind `data_bytes` of the file and gets no bounds of
    /// `nan_columns`. Gives the footer as it is sent.
    pub(crate) async fn send_rest(
        &mut self,
        encoded: &mut Vec<u8>,
        data_bytes: usize,
        footer: ParquetMetaData,
        nan_columns: &[usize],
    ) -> Result<ParquetMetaData, Error> {
        if nan_columns.is_empty() {
            self.send(encoded).await?;
            return Ok(footer);
        }
        let footer = without_bounds(footer, |column, _| nan_columns.contains(&column))?;
        let sent_bytes = usize::try_from(self.sent_bytes).unwrap_or(usize::MAX);
        encoded.truncate(data_bytes.saturating_sub(sent_bytes));
        encoded.append(&mut encode_footer(data_bytes, &footer)?);
        self.send(encoded).await?;
        Ok(footer)
    }

    /// Waits until all bytes are at their place.
    pub(crate) async fn finish(mut self, stats: String, rows: u64) -> Result<AddFile, Error> {
        if let Err(error) = self.upload.finish().await {
            self.abort().await;
            return Err(error);
        }
        Ok(AddFile {
            stats,
            path: self.path,
            size: self.sent_bytes,
            partition_values: self.partition.values,
            modification_time: Utc::now().timestamp_millis(),
            rows,
        })
    }

    /// Leaves nothing of it on its way.
    pub(crate) async fn abort(self) {
        self.upload.abort().await;
    }
}
