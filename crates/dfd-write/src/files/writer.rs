//! Rows of the table into its data files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::compute::partition;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use chrono::Utc;
use datafusion::physical_plan::SendableRecordBatchStream;
use dfd_delta::without_bounds;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use tokio::task::JoinSet;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::Error;
use crate::files::compression::Compression;
use crate::files::footer;
use crate::files::properties;
use crate::files::stats::collector::Collector;
use crate::files::upload::Upload;
use crate::first_error::FirstError;
use crate::schema::partitions::Partition;
use crate::schema::requirements::Rules;
use crate::staged::{Added, Owned};

/// Files of one writer whose last parts are on their way at once.
const CLOSING: usize = 4;

/// What all writers of a stage share.
pub struct Writing {
    /// The rules that the rows follow already.
    pub rules: Arc<Rules>,
    /// Whose files these are.
    pub owned: Arc<Owned>,
    /// How the pages are compressed.
    pub compression: Compression,
    /// When a file is large enough.
    pub target_file_bytes: u64,
    /// Of the first writer: no two of a stage have the same.
    pub first_number: usize,
    /// The end before its time.
    pub cancellation: CancellationToken,
    /// Where the first error is kept.
    pub first_error: FirstError,
    properties: Mutex<WriterProperties>,
    partition_indices: Vec<usize>,
    file_indices: Vec<usize>,
}

impl Writing {
    /// Files of `owned` under `rules`.
    ///
    /// # Errors
    /// Parquet has no such columns.
    pub fn new(
        rules: Arc<Rules>,
        owned: Arc<Owned>,
        compression: Compression,
        target_file_bytes: u64,
        cancellation: CancellationToken,
    ) -> Result<Self, Error> {
        let is_partition = |index: &usize| {
            let name = rules.columns().field(*index).name();
            rules.partition_columns().contains(name)
        };
        let all = 0..rules.columns().fields().len();
        let (partition_indices, file_indices) = all.partition(is_partition);
        let properties = properties::of(rules.file_schema(), compression)?;
        Ok(Self {
            rules,
            owned,
            compression,
            target_file_bytes,
            first_number: 0,
            cancellation,
            first_error: FirstError::default(),
            properties: Mutex::new(properties),
            partition_indices,
            file_indices,
        })
    }

    fn properties(&self) -> MutexGuard<'_, WriterProperties> {
        self.properties
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a file has shown goes for later ones.
    fn learn(&self, footer: &ParquetMetaData) {
        let mut current = self.properties();
        if let Some(learnt) = properties::after(&current, footer) {
            *current = learnt;
        }
    }
}

/// Writes one share of the rows; those of one partition after the other, one file at a time.
pub struct Writer {
    writing: Arc<Writing>,
    number: usize,
    begun: usize,
    open: Option<OpenFile>,
    closing: JoinSet<Result<Added, Error>>,
    added: Vec<Added>,
    /// That of the file before: growing one costs as much as filling it.
    buffer: Vec<u8>,
}

impl Writer {
    /// The writer of this number.
    pub fn new(writing: Arc<Writing>, number: usize) -> Self {
        Self {
            writing,
            number,
            begun: 0,
            open: None,
            closing: JoinSet::new(),
            added: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Write `batches` to their end. None after an error, which is kept: no upload is left open.
    pub async fn write(mut self, batches: SendableRecordBatchStream) -> Option<Vec<Added>> {
        match self.drain(batches).await {
            Ok(()) => return Some(self.added),
            Err(error) => self.writing.first_error.record(error),
        }
        // The others stop for the first error.
        self.writing.cancellation.cancel();
        if let Some(open) = self.open.take() {
            open.upload.abort().await;
        }
        while self.closing.join_next().await.is_some() {}
        None
    }

    async fn drain(&mut self, mut batches: SendableRecordBatchStream) -> Result<(), Error> {
        let cancellation = self.writing.cancellation.clone();
        while let Some(batch) = unless_cancelled(&cancellation, batches.next()).await? {
            self.take(&batch.map_err(Error::from_operator)?).await?;
        }
        self.close().await?;
        while !self.closing.is_empty() {
            self.closed().await?;
        }
        Ok(())
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let rules = Arc::clone(&self.writing.rules);
        if self.writing.partition_indices.is_empty() {
            if batch.num_rows() > 0 {
                self.append(batch, || rules.partition(batch, 0)).await?;
            }
            return Ok(());
        }
        let values = batch.project(&self.writing.partition_indices)?;
        for range in partition(values.columns())?.ranges() {
            let rows = batch.slice(range.start, range.len());
            let here = rules.partition(&rows, 0)?;
            if self
                .open
                .as_ref()
                .is_some_and(|open| open.partition != here)
            {
                self.close().await?;
            }
            self.append(&rows, || Ok(here)).await?;
        }
        Ok(())
    }

    async fn append(
        &mut self,
        rows: &RecordBatch,
        partition: impl FnOnce() -> Result<Partition, Error>,
    ) -> Result<(), Error> {
        let rows = rows.project(&self.writing.file_indices)?;
        let rows = retyped(&rows, self.writing.rules.file_schema())?;
        if self.open.is_none() {
            let name = self.name();
            let buffer = std::mem::take(&mut self.buffer);
            let open = OpenFile::begin(&self.writing, partition()?, &name, buffer).await?;
            self.open = Some(open);
        }
        if let Some(open) = self.open.as_mut() {
            open.append(&rows).await?;
            if open.bytes() >= self.writing.target_file_bytes {
                self.close().await?;
            }
        }
        Ok(())
    }

    /// The stage's id is in every name, so that what a killed process left is known by it.
    fn name(&mut self) -> String {
        let file = self.begun;
        self.begun += 1;
        format!(
            "part-{:05}-{}-c{file:03}{}.parquet",
            self.writing.first_number + self.number,
            self.writing.owned.id(),
            self.writing.compression.suffix(),
        )
    }

    /// End the open file; its last parts may still be on their way.
    async fn close(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if let Err(error) = open.end().await {
            open.upload.abort().await;
            return Err(error);
        }
        self.buffer = std::mem::take(open.encoder.inner_mut());
        if let Some(footer) = &open.footer {
            self.writing.learn(footer);
        }
        while self.closing.len() >= CLOSING {
            if let Err(error) = self.closed().await {
                open.upload.abort().await;
                return Err(error);
            }
        }
        self.closing.spawn(open.arrive());
        Ok(())
    }

    async fn closed(&mut self) -> Result<(), Error> {
        match self.closing.join_next().await {
            Some(Ok(added)) => self.added.push(added?),
            Some(Err(error)) => return Err(Error::from_task(error)),
            None => {}
        }
        Ok(())
    }
}

struct OpenFile {
    partition: Partition,
    /// Relative to the table.
    path: String,
    encoder: ArrowWriter<Vec<u8>>,
    upload: Upload,
    collector: Option<Collector>,
    footer: Option<ParquetMetaData>,
    rows: u64,
    sent_bytes: u64,
}

impl OpenFile {
    async fn begin(
        writing: &Writing,
        partition: Partition,
        name: &str,
        buffer: Vec<u8>,
    ) -> Result<Self, Error> {
        let path = format!("{}{name}", partition.directory);
        let options = ArrowWriterOptions::new()
            .with_properties(writing.properties().clone())
            // Parquet's own types say everything: readers that know Arrow's find no other ones.
            .with_skip_arrow_metadata(true);
        let schema = Arc::clone(writing.rules.file_schema());
        let encoder = ArrowWriter::try_new_with_options(buffer, schema, options)?;
        let target = writing.owned.own(&path)?;
        Ok(Self {
            partition,
            path,
            encoder,
            upload: Upload::begin(
                writing.owned.location(),
                target,
                writing.cancellation.clone(),
            )
            .await?,
            collector: Some(writing.rules.collector()),
            footer: None,
            rows: 0,
            sent_bytes: 0,
        })
    }

    fn bytes(&self) -> u64 {
        (self.encoder.bytes_written() + self.encoder.in_progress_size()) as u64
    }

    async fn append(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        if let Some(collector) = self.collector.as_mut() {
            collector.observe(rows);
        }
        self.rows += rows.num_rows() as u64;
        let groups = self.encoder.flushed_row_groups().len();
        self.encoder.write(rows)?;
        if self.encoder.flushed_row_groups().len() > groups {
            self.send().await?;
        }
        Ok(())
    }

    /// Send what is encoded.
    async fn send(&mut self) -> Result<(), Error> {
        let encoded = std::mem::take(self.encoder.inner_mut());
        self.sent_bytes += encoded.len() as u64;
        *self.encoder.inner_mut() = self.upload.put(encoded).await?;
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Error> {
        self.encoder.flush()?;
        let data_bytes = self.encoder.bytes_written();
        let mut footer = self.encoder.finish()?;
        let bare = self.collector.as_ref().map(Collector::with_nan);
        let bare = bare.unwrap_or_default();
        if !bare.is_empty() {
            footer = without_bounds(footer, |column, _| bare.contains(&column))?;
            let sent_bytes = usize::try_from(self.sent_bytes).unwrap_or(usize::MAX);
            let unsent = self.encoder.inner_mut();
            unsent.truncate(data_bytes.saturating_sub(sent_bytes));
            unsent.append(&mut footer::bytes_at(data_bytes, &footer)?);
        }
        self.footer = Some(footer);
        self.send().await
    }

    async fn arrive(mut self) -> Result<Added, Error> {
        if let Err(error) = self.upload.finish().await {
            self.upload.abort().await;
            return Err(error);
        }
        let (Some(collector), Some(footer)) = (self.collector, self.footer) else {
            return Err(Error::Inconsistent("a file has no footer"));
        };
        Ok(Added {
            stats: collector.finish(&footer)?,
            path: self.path,
            size: self.sent_bytes,
            partition_values: self.partition.values,
            modification_time: Utc::now().timestamp_millis(),
            rows: self.rows,
        })
    }
}

/// The same columns with the names and types of a file.
fn retyped(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| renamed(column, field.data_type()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns.collect::<Result<_, _>>()?,
        &options,
    )
}

/// Column mapping gives the fields inside a column other names too.
fn renamed(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    Ok(match data_type {
        DataType::Struct(fields) => {
            let inner = array.as_struct();
            let columns = inner.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| renamed(column, field.data_type()));
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns.collect::<Result<_, _>>()?,
                inner.nulls().cloned(),
                inner.len(),
            )?)
        }
        DataType::List(field) if matches!(array.data_type(), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                renamed(list.values(), field.data_type())?,
                list.nulls().cloned(),
            )?)
        }
        DataType::Map(field, is_sorted) if matches!(array.data_type(), DataType::Map(..)) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                map.offsets().clone(),
                renamed(&entries, field.data_type())?.as_struct().clone(),
                map.nulls().cloned(),
                *is_sorted,
            )?)
        }
        other => {
            return Err(ArrowError::CastError(format!(
                "{} can't be written as {other}",
                array.data_type()
            )));
        }
    })
}
