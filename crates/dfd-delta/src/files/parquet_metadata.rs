//! Footers of Parquet files, read once and believed only where that is right.
//!
//! Writers leave NaN out of the bounds of a column, and DataFusion, for which NaN is greater than
//! every number (or, with its sign bit set, less), skips by those bounds: rows with NaN would be
//! lost. So a footer leaves here without the bounds of floating-point columns, unless dfd wrote it: a
//! column in which it saw a NaN has none.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetMetaData, DefaultParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::basic::{LogicalType, Type};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, RowGroupMetaData,
};
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::file::statistics::Statistics;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::files::changed_in::ChangedIn;
use crate::files::column_names::TableNames;
use crate::files::filled_fields::FilledFields;
use crate::files::footer_reads;
use dfd_runtime::Location;
use dfd_runtime::{CountingStore, Verb};

/// Readers of the files of one table, for one scan.
#[derive(Debug)]
pub(crate) struct Readers {
    store: Arc<dyn ObjectStore>,
    files: DefaultParquetFileReaderFactory,
    footers: Arc<Footers>,
    names: Arc<TableNames>,
    /// The columns that are read; None where all may be.
    read: Option<Arc<HashSet<String>>>,
}

/// The kept footers of one store, and how often they helped one scan.
#[derive(Debug)]
struct Footers {
    cache: Arc<FileMetadataCache>,
    /// DataFusion's cache goes by the path of a file, which two stores may have in common.
    store: String,
    hits: Count,
    misses: Count,
}

impl Readers {
    /// Of the files at `location`, whose columns have `names`; requests and look-ups are counted in `metrics`.
    pub(crate) fn new(
        location: &Location,
        names: TableNames,
        cache: Arc<FileMetadataCache>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        let counter = |name| MetricBuilder::new(metrics).global_counter(name);
        let requests = counter("requests");
        let count = move |_: Verb| requests.add(1);
        let store: Arc<dyn ObjectStore> = Arc::new(CountingStore::new(
            Arc::clone(location.store()),
            Arc::new(count),
            location.is_local(),
        ));
        Self {
            files: DefaultParquetFileReaderFactory::new(Arc::clone(&store)),
            store,
            footers: Arc::new(Footers {
                cache,
                store: location.store_url().to_string(),
                hits: counter("footer_cache_hits"),
                misses: counter("footer_cache_misses"),
            }),
            names: Arc::new(names),
            read: None,
        }
    }

    /// The same, of which no more than these columns are read.
    pub(crate) fn of_columns(self, read: HashSet<String>) -> Self {
        Self {
            read: Some(Arc::new(read)),
            ..self
        }
    }

    /// The footer of a file as it is stored.
    pub(crate) async fn footer(&self, file: PartitionedFile) -> Result<Arc<ParquetMetaData>> {
        let mut reader = self.reader(0, file, None, &ExecutionPlanMetricsSet::new())?;
        Ok(reader.footer().await?)
    }

    fn reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Reader> {
        let object = file.object_meta.clone();
        let filled = file.extension::<FilledFields>().cloned();
        let origin = Origin {
            store: Arc::clone(&self.store),
            path: object.location.clone(),
            changed_in: file.extension::<ChangedIn>().copied(),
        };
        let inner = self
            .files
            .create_reader(partition, file, footer_size_hint, metrics)?;
        Ok(Reader {
            inner,
            object,
            origin,
            filled: filled.unwrap_or_default(),
            read: self.read.clone(),
            footers: Arc::clone(&self.footers),
            names: Arc::clone(&self.names),
        })
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let reader = self.reader(partition, file, footer_size_hint, metrics)?;
        Ok(Box::new(reader))
    }
}

/// Where a file is, and why it is read.
struct Origin {
    store: Arc<dyn ObjectStore>,
    path: Path,
    changed_in: Option<ChangedIn>,
}

impl Origin {
    /// The error, or that the file is gone: of some, DataFusion leaves no more than a text.
    async fn explained(&self, error: ParquetError) -> ParquetError {
        match (self.store.head(&self.path).await, self.changed_in) {
            (Err(object_store::Error::NotFound { .. }), Some(changed_in)) => {
                ParquetError::External(changed_in.gone(&self.path).into())
            }
            (Err(missing @ object_store::Error::NotFound { .. }), None) => {
                ParquetError::External(missing.into())
            }
            _ => error,
        }
    }
}

struct Reader {
    inner: Box<dyn AsyncFileReader + Send>,
    object: ObjectMeta,
    origin: Origin,
    /// The fields that it has, as the log tells.
    filled: FilledFields,
    read: Option<Arc<HashSet<String>>>,
    footers: Arc<Footers>,
    names: Arc<TableNames>,
}

impl Reader {
    /// The footer under the table's names.
    async fn named_footer(&mut self) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let footer = self.footer().await?;
        let footer = self.names.given_to(footer)?;
        let schema = footer.file_metadata().schema_descr().root_schema();
        let read = self.read.as_ref();
        let is_read = |name: &str| read.is_none_or(|read| read.contains(name));
        self.filled
            .refuse_lost(schema, &self.names.fields, is_read)?;
        Ok(footer)
    }

    /// The footer as the file has it, and as it is kept; of all that want it at once, one reads it.
    async fn footer(&mut self) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let footers = Arc::clone(&self.footers);
        let key = Path::from(format!("{}/{}", footers.store, self.object.location));
        if let Some(kept) = footers.cache.get(&key)
            && kept.is_valid_for(&self.object)
            && let Some(footer) = kept
                .file_metadata
                .as_any()
                .downcast_ref::<CachedParquetMetaData>()
        {
            footers.hits.add(1);
            return Ok(Arc::clone(footer.parquet_metadata()));
        }
        let cache = Arc::as_ptr(&footers.cache).addr();
        let read = footer_reads::join(cache, &footers.store, &self.object);
        let mut is_reader = false;
        let footer = read.get_or_try_init(|| {
            is_reader = true;
            self.read_footer(&key)
        });
        let footer = Arc::clone(footer.await?);
        match is_reader {
            true => footers.misses.add(1),
            false => footers.hits.add(1),
        }
        Ok(footer)
    }

    async fn read_footer(&mut self, key: &Path) -> Result<Arc<ParquetMetaData>, ParquetError> {
        // With its page index: whoever asks for that later would read it each time.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = self.inner.get_metadata(Some(&options)).await;
        let footer = match footer {
            Ok(footer) => footer,
            Err(error) => return Err(self.origin.explained(error).await),
        };
        let footer = without_float_bounds(footer)?;
        let kept = Arc::new(CachedParquetMetaData::new(Arc::clone(&footer)));
        let entry = CachedFileMetadataEntry::new(self.object.clone(), kept);
        self.footers.cache.put(key, entry);
        Ok(footer)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let read = async move {
            match self.inner.get_bytes(range).await {
                Err(error) => Err(self.origin.explained(error).await),
                read => read,
            }
        };
        read.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let read = async move {
            match self.inner.get_byte_ranges(ranges).await {
                Err(error) => Err(self.origin.explained(error).await),
                read => read,
            }
        };
        read.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        self.named_footer().boxed()
    }
}

fn is_float(column: &ColumnChunkMetaData) -> bool {
    let half = matches!(
        column.column_descr().logical_type_ref(),
        Some(LogicalType::Float16)
    );
    half || matches!(column.column_type(), Type::FLOAT | Type::DOUBLE)
}

/// What stands in the footers of files that dfd writes: their bounds leave no NaN out.
pub const CREATED_BY: &str = concat!("dfd ", env!("CARGO_PKG_VERSION"));

fn is_ours(footer: &ParquetMetaData) -> bool {
    let writer = footer.file_metadata().created_by();
    writer.is_some_and(|writer| writer.starts_with("dfd "))
}

fn without_float_bounds(
    footer: Arc<ParquetMetaData>,
) -> Result<Arc<ParquetMetaData>, ParquetError> {
    let columns = footer.row_groups().iter();
    let has_floats = columns.flat_map(RowGroupMetaData::columns).any(is_float);
    if !has_floats || is_ours(&footer) {
        return Ok(footer);
    }
    let bare = without_bounds(Arc::unwrap_or_clone(footer), |_, column| is_float(column))?;
    Ok(Arc::new(bare))
}

/// The same footer, in which those floating-point columns that `is_bare` says by their place have
/// counts of nulls and nothing else.
///
/// # Errors
/// The footer contradicts itself.
pub fn without_bounds(
    footer: ParquetMetaData,
    is_bare: impl Fn(usize, &ColumnChunkMetaData) -> bool,
) -> Result<ParquetMetaData, ParquetError> {
    let index = footer.column_index().map(|groups| {
        let of_group = |(group, pages): (usize, &Vec<ColumnIndexMetaData>)| {
            let columns = footer.row_group(group).columns().iter().enumerate();
            let kept = columns.zip(pages).map(|((place, column), pages)| {
                if is_bare(place, column) {
                    ColumnIndexMetaData::NONE
                } else {
                    pages.clone()
                }
            });
            kept.collect::<Vec<_>>()
        };
        groups.iter().enumerate().map(of_group).collect()
    });
    let groups = footer.row_groups().iter().map(|group| {
        let columns = group.columns().iter().enumerate();
        let columns = columns.map(|(place, column)| {
            if is_bare(place, column) {
                unbounded(column)
            } else {
                Ok(column.clone())
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        group
            .clone()
            .into_builder()
            .set_column_metadata(columns)
            .build()
    });
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    let builder = footer.into_builder().set_row_groups(groups);
    Ok(builder.set_column_index(index).build())
}

fn unbounded(column: &ColumnChunkMetaData) -> Result<ColumnChunkMetaData, ParquetError> {
    let nulls = column.statistics().and_then(Statistics::null_count_opt);
    let statistics = match column.column_type() {
        Type::FLOAT => Statistics::float(None, None, None, nulls, false),
        Type::DOUBLE => Statistics::double(None, None, None, nulls, false),
        _ => Statistics::fixed_len_byte_array(None, None, None, nulls, false),
    };
    column
        .clone()
        .into_builder()
        .set_statistics(statistics)
        .set_column_index_offset(None)
        .set_column_index_length(None)
        // A Bloom filter tells the two zeros apart, which are equal.
        .set_bloom_filter_offset(None)
        .set_bloom_filter_length(None)
        .build()
}

#[cfg(test)]
mod tests;
