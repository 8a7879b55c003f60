//! A data file with other values in some of its columns.
//!
//! Rows keep their places. The other columns are taken over as they are encoded: nothing of them is
//! decoded, and what the footer says of them stays.

use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use dfd_runtime::Location;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions,
    compute_leaves,
};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::Error;
use crate::files::file_upload::FileUpload;
use crate::files::stage_files::AddFile;
use crate::files::stats::collector::StatsCollector;

/// A data file that there is.
pub(crate) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    footer: ParquetMetaData,
}

impl StoredFile {
    /// Reads the footer of a file of `size` bytes.
    ///
    /// # Errors
    /// The store fails, or it is no Parquet file.
    pub(crate) async fn open(location: &Location, path: &Path, size: u64) -> Result<Self, Error> {
        let store = Arc::clone(location.store());
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let footer = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_metadata_options(Some(options))
            .load_and_finish(
                Ranges {
                    store: &store,
                    path,
                },
                size,
            )
            .await
            .map_err(|error| Error::Read(error.into()))?;
        Ok(Self {
            store,
            path: path.clone(),
            footer,
        })
    }

    /// Whether dfd wrote it, with the columns that it writes now.
    ///
    /// Of such a file the footer tells all that there is to tell.
    pub(crate) fn is_like_new(&self, schema: &SchemaDescriptor) -> bool {
        let file = self.footer.file_metadata();
        let is_ours = file.created_by().is_some_and(|by| by.starts_with("dfd "));
        is_ours && file.schema_descr().root_schema() == schema.root_schema()
    }

    /// The bytes of those columns of a row group that are wanted, by their place among all leaves.
    async fn chunks(
        &self,
        group: usize,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Chunk>>, Error> {
        let columns = self.footer.row_group(group).columns().iter().enumerate();
        let ranges: Vec<_> = columns
            .map(|(leaf, column)| {
                let (start, length) = column.byte_range();
                is_wanted(leaf).then_some(start..start + length)
            })
            .collect();
        let wanted: Vec<_> = ranges.iter().flatten().cloned().collect();
        let read = self.store.get_ranges(&self.path, &wanted).await;
        let mut read = read.map_err(|error| Error::Read(error.into()))?.into_iter();
        let chunk = |range: Option<Range<u64>>| {
            let start = range?.start;
            let bytes = read.next()?;
            Some(Chunk { start, bytes })
        };
        Ok(ranges.into_iter().map(chunk).collect())
    }

    /// What is known of a column of a row group.
    fn closed(&self, group: usize, leaf: usize) -> ColumnCloseResult {
        let of_group = self.footer.row_group(group);
        let metadata = of_group.column(leaf).clone();
        let column_index = self.footer.column_index();
        let column_index = column_index.and_then(|groups| groups.get(group)?.get(leaf).cloned());
        let offset_index = self.footer.offset_index();
        ColumnCloseResult {
            bytes_written: metadata.compressed_size().unsigned_abs(),
            rows_written: of_group.num_rows().unsigned_abs(),
            metadata,
            bloom_filter: None,
            column_index: column_index.filter(|index| *index != ColumnIndexMetaData::NONE),
            offset_index: offset_index.and_then(|groups| groups.get(group)?.get(leaf).cloned()),
        }
    }
}

/// A file that takes the place of a stored one.
pub(crate) struct PatchedFile {
    pub(crate) stored: StoredFile,
    /// Where its new columns are among all of them; none has columns inside.
    pub(crate) places: Vec<usize>,
    pub(crate) properties: WriterProperties,
    pub(crate) schema: SchemaRef,
    pub(crate) stats: StatsCollector,
    pub(crate) upload: FileUpload,
    /// The end before its time.
    pub(crate) cancellation: CancellationToken,
}

impl PatchedFile {
    /// Writes it; of `rows`, in the order of the stored file's, are the new columns.
    ///
    /// # Errors
    /// They aren't as many as there are rows, or the store or the disk fails.
    pub(crate) async fn write(
        mut self,
        rows: impl Stream<Item = Result<RecordBatch, Error>> + Unpin,
    ) -> Result<AddFile, Error> {
        match self.encode(Rows::new(rows)).await {
            Ok((stats, rows)) => self.upload.finish(stats, rows).await,
            Err(error) => {
                self.upload.abort().await;
                Err(error)
            }
        }
    }

    async fn encode<S>(&mut self, mut rows: Rows<S>) -> Result<(String, u64), Error>
    where
        S: Stream<Item = Result<RecordBatch, Error>> + Unpin,
    {
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties_as_stored())
            .with_skip_arrow_metadata(true);
        let schema = Arc::clone(&self.schema);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)?;
        let (mut file, writers) = writer.into_serialized_writer()?;
        for number in 0..self.stored.footer.num_row_groups() {
            self.encode_group(number, &mut file, &writers, &mut rows)
                .await?;
            self.upload.send(file.inner_mut()).await?;
        }
        if rows.next(1).await?.is_some() {
            return Err(Error::Inconsistent(
                "a file has more rows than its footer says",
            ));
        }
        let data_bytes = file.bytes_written();
        let footer = file.finish()?;
        let nan_columns = self.stats.nan_columns();
        let footer = (self.upload)
            .send_rest(file.inner_mut(), data_bytes, footer, &nan_columns)
            .await?;
        let stored_rows = footer.file_metadata().num_rows().unsigned_abs();
        Ok((self.stats.finish(&footer)?, stored_rows))
    }

    /// Dictionaries for the new columns that have some in the stored file.
    fn properties_as_stored(&self) -> WriterProperties {
        let footer = &self.stored.footer;
        let schema = footer.file_metadata().schema_descr();
        let mut builder = self.properties.clone().into_builder();
        for (leaf, column) in schema.columns().iter().enumerate() {
            let mut groups = footer.row_groups().iter();
            if groups.all(|group| group.column(leaf).dictionary_page_offset().is_none()) {
                builder = builder.set_column_dictionary_enabled(column.path().clone(), false);
            }
        }
        builder.build()
    }

    async fn encode_group<S>(
        &mut self,
        number: usize,
        file: &mut SerializedFileWriter<Vec<u8>>,
        writers: &ArrowRowGroupWriterFactory,
        rows: &mut Rows<S>,
    ) -> Result<(), Error>
    where
        S: Stream<Item = Result<RecordBatch, Error>> + Unpin,
    {
        let new = self.new_chunks(number, writers, rows).await?;
        let is_kept: Vec<_> = new.iter().map(Option::is_none).collect();
        let kept = self.stored.chunks(number, |leaf| is_kept[leaf]);
        let kept = unless_cancelled(&self.cancellation, kept).await??;
        let mut written = file.next_row_group()?;
        for (leaf, (new, kept)) in new.into_iter().zip(kept).enumerate() {
            match (new, kept) {
                (Some(chunk), _) => chunk.append_to_row_group(&mut written)?,
                (None, Some(chunk)) => {
                    written.append_column(&chunk, self.stored.closed(number, leaf))?;
                }
                (None, None) => return Err(Error::Inconsistent("a column was not read")),
            }
        }
        written.close()?;
        Ok(())
    }

    /// The new columns of a row group, encoded; None for those that are kept.
    async fn new_chunks<S>(
        &mut self,
        number: usize,
        writers: &ArrowRowGroupWriterFactory,
        rows: &mut Rows<S>,
    ) -> Result<Vec<Option<ArrowColumnChunk>>, Error>
    where
        S: Stream<Item = Result<RecordBatch, Error>> + Unpin,
    {
        let schema = self.stored.footer.file_metadata().schema_descr();
        let column_of = |leaf: usize| {
            let place = schema.get_column_root_idx(leaf);
            self.places.iter().position(|new| *new == place)
        };
        let mut new: Vec<Option<(usize, ArrowColumnWriter)>> = writers
            .create_column_writers(number)?
            .into_iter()
            .enumerate()
            .map(|(leaf, writer)| Some((column_of(leaf)?, writer)))
            .collect();
        let rows_of_group = self.stored.footer.row_group(number).num_rows();
        let mut left = usize::try_from(rows_of_group).unwrap_or_default();
        while left > 0 {
            let next = unless_cancelled(&self.cancellation, rows.next(left)).await??;
            let Some(batch) = next else {
                let reason = "a file has fewer rows than its footer says";
                return Err(Error::Inconsistent(reason));
            };
            left -= batch.num_rows();
            for (column, writer) in new.iter_mut().flatten() {
                let (place, values) = (self.places[*column], batch.column(*column));
                self.stats.observe_column(place, values);
                for leaf in compute_leaves(self.schema.field(place), values)? {
                    writer.write(&leaf)?;
                }
            }
        }
        let closed = new.into_iter().map(|new| {
            let closed = new.map(|(_, writer)| writer.close());
            Ok(closed.transpose()?)
        });
        closed.collect()
    }
}

/// Bytes of a file from `start` on.
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let skipped = start
            .checked_sub(self.start)
            .and_then(|skipped| usize::try_from(skipped).ok());
        match skipped {
            Some(skipped) if skipped <= self.bytes.len() => Ok(self.bytes.slice(skipped..)),
            _ => Err(ParquetError::EOF(
                "a column is not where its footer says".to_owned(),
            )),
        }
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(Cursor::new(self.from(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let rest = self.from(start)?;
        match rest.len() < length {
            true => Err(ParquetError::EOF(
                "a column is shorter than its footer says".to_owned(),
            )),
            false => Ok(rest.slice(..length)),
        }
    }
}

/// Reads parts of a file for its footer.
struct Ranges<'a> {
    store: &'a Arc<dyn ObjectStore>,
    path: &'a Path,
}

impl MetadataFetch for Ranges<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let read = self.store.get_range(self.path, range);
        read.map(|bytes| bytes.map_err(|error| ParquetError::External(error.into())))
            .boxed()
    }
}

/// Rows in their order, in pieces that end where row groups do.
struct Rows<S> {
    batches: S,
    rest: Option<RecordBatch>,
}

impl<S: Stream<Item = Result<RecordBatch, Error>> + Unpin> Rows<S> {
    fn new(batches: S) -> Self {
        Self {
            batches,
            rest: None,
        }
    }

    /// Some of the rows that follow, `most` at most; None at the end.
    async fn next(&mut self, most: usize) -> Result<Option<RecordBatch>, Error> {
        let batch = loop {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.batches.next().await {
                    Some(batch) => batch?,
                    None => return Ok(None),
                },
            };
            if batch.num_rows() > 0 {
                break batch;
            }
        };
        let rows = batch.num_rows().min(most);
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        Ok(Some(batch.slice(0, rows)))
    }
}
