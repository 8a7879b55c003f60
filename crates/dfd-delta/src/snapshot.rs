//! One version of a table, ready to be scanned many times.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::common::Statistics;
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionConfig;
use deltalake_core::kernel::LogicalFileView;
use deltalake_core::{DeltaTable, DeltaTableBuilder};
use object_store::path::Path;
use url::Url;

use crate::deletion::selection;
use crate::error::Error;
use crate::files::{self, DataFile, ScanColumns};
use crate::mapping::{ColumnMapping, relaxed};
use crate::runtime;
use crate::store::Location;

/// Which version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest there is.
    Newest,
    /// This one.
    Version(u64),
    /// The newest that was there at this time.
    Time(DateTime<Utc>),
}

/// Reader features that a scan made of the snapshot's files honours.
const HONOURED: [&str; 4] = [
    "deletionVectors",
    "columnMapping",
    "timestampNtz",
    "v2Checkpoint",
];

/// One version of a table: schema, files, statistics. It never changes.
pub struct TableSnapshot {
    location: Location,
    version: u64,
    schema: SchemaRef,
    columns: ScanColumns,
    files: Vec<DataFile>,
    table: DeltaTable,
    fallback: Option<String>,
    instance: u64,
}

/// The snapshots that are in use, by their number.
fn in_use() -> MutexGuard<'static, HashMap<u64, Weak<TableSnapshot>>> {
    static IN_USE: LazyLock<Mutex<HashMap<u64, Weak<TableSnapshot>>>> =
        LazyLock::new(Mutex::default);
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for TableSnapshot {
    fn drop(&mut self) {
        in_use().remove(&self.instance);
    }
}

impl fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("location", &self.location)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl TableSnapshot {
    /// Read the log.
    ///
    /// # Errors
    /// There is no such table or version, or the log can't be read or understood.
    pub async fn open(location: Location, at: At) -> Result<Arc<Self>, Error> {
        let uri = location.url().clone();
        let failed = |source| Error::table(&uri, source);
        let builder = DeltaTableBuilder::from_url(location.url().clone())
            .map_err(failed)?
            .with_storage_backend(Arc::clone(location.store()), location.url().clone());
        let builder = match at {
            At::Newest => builder,
            At::Version(version) => builder.with_version(version),
            At::Time(time) => builder.with_timestamp(time),
        };
        let table = builder.load().await.map_err(failed)?;
        Self::of(location, table).await
    }

    /// The newest version, or None when this is it; only the commits since then are read.
    ///
    /// # Errors
    /// The log can't be read or understood.
    pub async fn refreshed(&self) -> Result<Option<Arc<Self>>, Error> {
        let mut table = self.table.clone();
        table
            .update_incremental(None)
            .await
            .map_err(|source| Error::table(self.location.url(), source))?;
        if table.version() == Some(self.version) {
            return Ok(None);
        }
        Self::of(self.location.clone(), table).await.map(Some)
    }

    async fn of(location: Location, table: DeltaTable) -> Result<Arc<Self>, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let failed = |source| Error::table(location.url(), source);
        let state = table.snapshot().map_err(failed)?;
        let schema = state.snapshot().arrow_schema();
        let mode = state
            .metadata()
            .configuration()
            .get("delta.columnMapping.mode");
        let mapping = ColumnMapping::new(&schema, mode.map(String::as_str));
        let partition_columns = state.metadata().partition_columns().to_vec();
        let columns = scan_columns(&schema, &partition_columns, mapping);
        let features: Vec<String> = state
            .protocol()
            .reader_features()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut snapshot = Self {
            version: state.version(),
            fallback: unsupported(&columns, &features),
            schema,
            columns,
            files: Vec::new(),
            location,
            table,
            instance: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        if snapshot.fallback.is_none() {
            snapshot.files = snapshot.read_files().await?;
        } else {
            // What deltalake-core can't read either is refused now, by name, and not in a query.
            let session = runtime::session(SessionConfig::new()).state();
            let scan = snapshot.delta_scan().await?;
            scan.scan(&session, None, &[], Some(0)).await?;
        }
        let snapshot = Arc::new(snapshot);
        in_use().insert(snapshot.instance, Arc::downgrade(&snapshot));
        Ok(snapshot)
    }

    /// The snapshot of this number, while anybody uses it.
    pub(crate) fn alive(instance: u64) -> Option<Arc<Self>> {
        in_use().get(&instance).and_then(Weak::upgrade)
    }

    /// The number of this snapshot in this process.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    async fn read_files(&self) -> Result<Vec<DataFile>, Error> {
        let failed = |source| Error::table(self.location.url(), source);
        let state = self.table.snapshot().map_err(failed)?;
        let found: Vec<_> = state.log_data().iter().collect();
        let is_cut = |file: &LogicalFileView| file.deletion_vector_descriptor().is_some();
        let mut masks = if found.iter().any(is_cut) {
            self.deletion_vectors().await?
        } else {
            HashMap::new()
        };
        let root = self.location.url();
        let with_rows = |file: &LogicalFileView| {
            let refused = |reason: &str| Error::File {
                path: file.path().into_owned(),
                reason: reason.to_owned(),
            };
            let mut selected = None;
            if is_cut(file) {
                let path = files::location(&file.path(), root).map_err(|error| refused(&error))?;
                let keep = masks
                    .remove(&path)
                    .ok_or_else(|| refused("its deletion vector was not read"))?;
                let rows = file
                    .num_records()
                    .ok_or_else(|| refused("a deletion vector needs numRecords"))?;
                selected = Some(selection(&keep, rows));
            }
            DataFile::try_new(file, root, &self.columns, selected)
        };
        found.iter().map(with_rows).collect()
    }

    async fn deletion_vectors(&self) -> Result<HashMap<Path, Vec<bool>>, Error> {
        let scan = self.table.table_provider().build().await?;
        let session = runtime::session(SessionConfig::new()).state();
        let vectors = scan.deletion_vectors(&session).await?;
        vectors
            .into_iter()
            .map(|vector| {
                let url = Url::parse(&vector.filepath);
                let found = url.map(|url| Path::from_url_path(url.path()));
                match found {
                    Ok(Ok(path)) => Ok((path, vector.keep_mask)),
                    _ => Err(Error::File {
                        path: vector.filepath,
                        reason: "no path of an object store".to_owned(),
                    }),
                }
            })
            .collect()
    }

    /// deltalake-core's own provider, for what a scan of files can't express.
    pub async fn delta_scan(&self) -> Result<Arc<dyn TableProvider>, Error> {
        Ok(self.table.table_provider().await?)
    }

    /// Why the scan is left to deltalake-core, or None.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Whether the values of partition columns alone say which rows match, so that the scan gives
    /// those and no others.
    pub(crate) fn decides(&self, filter: &Expr) -> bool {
        let is_partition = |name: &str| self.columns.partition.find(name).is_some();
        let columns = filter.column_refs();
        self.fallback.is_none()
            && !columns.is_empty()
            && columns.iter().all(|column| is_partition(&column.name))
            && !filter.is_volatile()
    }

    /// The version of the table.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The table's columns in their order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Where the table is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    pub(crate) fn columns(&self) -> &ScanColumns {
        &self.columns
    }

    pub(crate) fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// The sum of the files' statistics, by column of the scan.
    pub(crate) fn statistics_of<'a>(
        &self,
        files: impl IntoIterator<Item = &'a DataFile>,
        scan_schema: &SchemaRef,
    ) -> Statistics {
        let all = files.into_iter().map(|file| file.statistics.as_ref());
        Statistics::try_merge_iter(all, scan_schema)
            .unwrap_or_else(|_| Statistics::new_unknown(scan_schema))
    }
}

fn scan_columns(schema: &Schema, partition_by: &[String], mapping: ColumnMapping) -> ScanColumns {
    let is_partition = |field: &Field| partition_by.contains(field.name());
    let in_files = schema.fields().iter().filter(|field| !is_partition(field));
    let partition = partition_by
        .iter()
        .filter_map(|name| schema.field_with_name(name).ok())
        .map(|field| Arc::new(field.clone()));
    ScanColumns {
        file_schema: Arc::new(Schema::new(
            in_files
                .map(|field| {
                    let inside = relaxed(field.data_type());
                    Arc::new(field.as_ref().clone().with_data_type(inside))
                })
                .collect::<Vec<_>>(),
        )),
        partition: partition.collect(),
        mapping,
    }
}

fn unsupported(columns: &ScanColumns, features: &[String]) -> Option<String> {
    if let Some(feature) = features.iter().find(|f| !HONOURED.contains(&f.as_str())) {
        return Some(format!("the reader feature {feature}"));
    }
    if let Some(field) = columns.partition.iter().find(|f| is_binary(f.data_type())) {
        return Some(format!("the binary partition column {}", field.name()));
    }
    let nested = |field: &&Arc<Field>| field.data_type().is_nested();
    if !columns.mapping.is_none()
        && let Some(field) = columns.file_schema.fields().iter().find(nested)
    {
        return Some(format!("column mapping inside the column {}", field.name()));
    }
    None
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}
