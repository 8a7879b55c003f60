//! Rows of the table into its data files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::partition;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use tokio::task::JoinSet;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::Error;
use crate::files::encoder::FileEncoder;
use crate::files::file_upload::FileUpload;
use crate::files::physical::to_physical;
use crate::files::properties::{Compression, without_failed_dictionaries, writer_properties};
use crate::files::stage_files::{AddFile, StageFiles};
use crate::files::stats::collector::StatsCollector;
use crate::files::stats::columns::StatsColumns;
use crate::first_error::FirstError;
use crate::schema::partitions::Partition;
use crate::schema::requirements::WriteRequirements;

/// Files of one writer whose last parts are on their way at once.
const MAX_CLOSING_FILES: usize = 4;

/// What all writers of a stream share.
pub(crate) struct WriterContext {
    /// What the rows follow already.
    pub(crate) requirements: Arc<WriteRequirements>,
    /// The end of the stage before its time.
    pub(crate) cancellation: CancellationToken,
    /// The error that ends all writers.
    pub(crate) first_error: FirstError,
    files: Arc<StageFiles>,
    compression: Compression,
    target_file_bytes: u64,
    /// The number of the first writer: no two of a stage have the same.
    first_writer: usize,
    properties: Mutex<WriterProperties>,
    stats_columns: Arc<StatsColumns>,
    /// The places of the partition columns.
    partition_indices: Vec<usize>,
    /// The places of the columns that are in the files.
    file_indices: Vec<usize>,
}

impl WriterContext {
    /// Prepares files of a stage, each about `target_file_bytes` large.
    ///
    /// # Errors
    /// Parquet has no such columns.
    pub(crate) fn new(
        requirements: Arc<WriteRequirements>,
        files: Arc<StageFiles>,
        compression: Compression,
        target_file_bytes: u64,
        cancellation: CancellationToken,
    ) -> Result<Self, Error> {
        let (partition_indices, file_indices) = requirements.places();
        let file_schema = requirements.file_schema();
        Ok(Self {
            properties: Mutex::new(writer_properties(file_schema, compression)?),
            stats_columns: Arc::new(StatsColumns::new(requirements.stats_paths(), file_schema)),
            requirements,
            cancellation,
            first_error: FirstError::default(),
            files,
            compression,
            target_file_bytes,
            first_writer: 0,
            partition_indices,
            file_indices,
        })
    }

    /// Numbers the writers from `first_writer` on.
    pub(crate) fn with_first_writer(self, first_writer: usize) -> Self {
        Self {
            first_writer,
            ..self
        }
    }

    fn properties(&self) -> MutexGuard<'_, WriterProperties> {
        self.properties
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes later files as a file has shown to be better.
    fn learn_from(&self, footer: &ParquetMetaData) {
        let mut current = self.properties();
        if let Some(better) = without_failed_dictionaries(&current, footer) {
            *current = better;
        }
    }
}

/// Writes a part of the rows into one file after the other, and those of one partition together.
pub(crate) struct RollingWriter {
    context: Arc<WriterContext>,
    number: usize,
    begun_files: usize,
    open: Option<OpenFile>,
    closing: JoinSet<Result<AddFile, Error>>,
    added: Vec<AddFile>,
    /// The buffer of the file before: growing one costs as much as filling it.
    buffer: Vec<u8>,
}

impl RollingWriter {
    /// Makes the writer of this number, without a file.
    pub(crate) fn new(context: Arc<WriterContext>, number: usize) -> Self {
        Self {
            context,
            number,
            begun_files: 0,
            open: None,
            closing: JoinSet::new(),
            added: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Writes `batches` to their end. None after an error, which is kept: no upload is left open.
    pub(crate) async fn write(
        mut self,
        batches: SendableRecordBatchStream,
    ) -> Option<Vec<AddFile>> {
        match self.write_all(batches).await {
            Ok(()) => return Some(self.added),
            Err(error) => self.context.first_error.record(error),
        }
        // The other writers end for the first error.
        self.context.cancellation.cancel();
        if let Some(open) = self.open.take() {
            open.upload.abort().await;
        }
        while self.closing.join_next().await.is_some() {}
        None
    }

    async fn write_all(&mut self, mut batches: SendableRecordBatchStream) -> Result<(), Error> {
        let cancellation = self.context.cancellation.clone();
        while let Some(batch) = unless_cancelled(&cancellation, batches.next()).await? {
            self.write_batch(&batch.map_err(Error::from_operator)?)
                .await?;
        }
        self.close().await?;
        while !self.closing.is_empty() {
            self.wait_for_closed().await?;
        }
        Ok(())
    }

    async fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let requirements = Arc::clone(&self.context.requirements);
        if self.context.partition_indices.is_empty() {
            if batch.num_rows() > 0 {
                self.append(batch, || requirements.partition(batch, 0))
                    .await?;
            }
            return Ok(());
        }
        let values = batch.project(&self.context.partition_indices)?;
        for range in partition(values.columns())?.ranges() {
            let rows = batch.slice(range.start, range.len());
            let here = requirements.partition(&rows, 0)?;
            let is_elsewhere = |open: &OpenFile| open.upload.partition != here;
            if self.open.as_ref().is_some_and(is_elsewhere) {
                self.close().await?;
            }
            self.append(&rows, || Ok(here)).await?;
        }
        Ok(())
    }

    /// Appends rows of one partition to the open file, or to a new one.
    async fn append(
        &mut self,
        rows: &RecordBatch,
        partition: impl FnOnce() -> Result<Partition, Error>,
    ) -> Result<(), Error> {
        let in_files = rows.project(&self.context.file_indices)?;
        let physical = to_physical(&in_files, self.context.requirements.file_schema())?;
        if self.open.is_none() {
            let name = self.next_name();
            let buffer = std::mem::take(&mut self.buffer);
            let open = OpenFile::begin(&self.context, partition()?, &name, buffer).await?;
            self.open = Some(open);
        }
        if let Some(open) = self.open.as_mut() {
            open.append(&physical).await?;
            if open.encoder.bytes() >= self.context.target_file_bytes {
                self.close().await?;
            }
        }
        Ok(())
    }

    fn next_name(&mut self) -> String {
        let file = self.begun_files;
        self.begun_files += 1;
        let context = &self.context;
        let writer = context.first_writer + self.number;
        context.files.name(writer, file, context.compression)
    }

    /// Ends the open file; its last parts may still be on their way.
    async fn close(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if let Err(error) = open.end().await {
            open.upload.abort().await;
            return Err(error);
        }
        self.buffer = std::mem::take(open.encoder.encoded());
        if let Some(footer) = &open.footer {
            self.context.learn_from(footer);
        }
        while self.closing.len() >= MAX_CLOSING_FILES {
            if let Err(error) = self.wait_for_closed().await {
                open.upload.abort().await;
                return Err(error);
            }
        }
        self.closing.spawn(open.finish_upload());
        Ok(())
    }

    async fn wait_for_closed(&mut self) -> Result<(), Error> {
        match self.closing.join_next().await {
            Some(Ok(added)) => self.added.push(added?),
            Some(Err(error)) => return Err(Error::from_task(error)),
            None => {}
        }
        Ok(())
    }
}

/// A file to which rows are still written.
struct OpenFile {
    encoder: FileEncoder,
    upload: FileUpload,
    stats: StatsCollector,
    footer: Option<ParquetMetaData>,
    rows: u64,
}

impl OpenFile {
    async fn begin(
        context: &WriterContext,
        partition: Partition,
        name: &str,
        buffer: Vec<u8>,
    ) -> Result<Self, Error> {
        let schema = Arc::clone(context.requirements.file_schema());
        let properties = context.properties().clone();
        let cancellation = context.cancellation.clone();
        Ok(Self {
            encoder: FileEncoder::new(schema, properties, context.target_file_bytes, buffer),
            upload: FileUpload::begin(&context.files, partition, name, cancellation).await?,
            stats: StatsCollector::new(Arc::clone(&context.stats_columns)),
            footer: None,
            rows: 0,
        })
    }

    async fn append(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        self.stats.observe(rows);
        self.rows += rows.num_rows() as u64;
        if self.encoder.write(rows)? {
            self.upload.send(self.encoder.encoded()).await?;
        }
        Ok(())
    }

    /// Encodes and sends the rest, with a footer that has no bounds of columns with a NaN.
    async fn end(&mut self) -> Result<(), Error> {
        let (footer, data_bytes) = self.encoder.finish()?;
        let nan_columns = self.stats.nan_columns();
        let encoded = self.encoder.encoded();
        let sent = self
            .upload
            .send_rest(encoded, data_bytes, footer, &nan_columns);
        self.footer = Some(sent.await?);
        Ok(())
    }

    async fn finish_upload(self) -> Result<AddFile, Error> {
        let stats = match &self.footer {
            Some(footer) => self.stats.finish(footer),
            None => Err(Error::Inconsistent("a file has no footer")),
        };
        match stats {
            Ok(stats) => self.upload.finish(stats, self.rows).await,
            Err(error) => {
                self.upload.abort().await;
                Err(error)
            }
        }
    }
}
