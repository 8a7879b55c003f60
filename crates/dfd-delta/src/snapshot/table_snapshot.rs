//! One version of a table, ready to be scanned many times.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::common::heap_size::{DFHeapSize, DFHeapSizeCtx};
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::table_configuration::TableConfiguration;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::{DeletionVectorDescriptor, EagerSnapshot, LogicalFileView, Protocol};
use dfd_arrow::panic_message;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use roaring::RoaringTreemap;

use crate::error::Error;
use crate::files::data_file::{self, DataFile};
use crate::files::deletion_vector::{Read, selection_of};
use crate::files::file_set::FileSet;
use crate::files::log_file::LogFile;
use crate::files::log_values::Bound;
use crate::files::scan_columns::{ScanColumns, nullable};
use crate::files::vector_reader::read_vectors;
use crate::log::commit_file::commit_path;
use crate::snapshot::in_use::InUse;
use crate::table_features::{Work, unsupported};
use dfd_runtime::Location;

/// One version of a table: schema, files, statistics. It never changes.
pub struct TableSnapshot {
    version: u64,
    schema: SchemaRef,
    files: FileSet,
    table: DeltaTable,
    /// What takes the place of the definition in the log.
    redefined: Option<TableConfiguration>,
    stamp: Option<Stamp>,
    instance: u64,
    /// See [`TableSnapshot::bytes`].
    bytes: OnceLock<usize>,
}

/// Files that are weighed of a snapshot.
const WEIGHED_FILES: usize = 256;
/// Memory of an add action beside its path and its statistics.
const BYTES_OF_ACTION: usize = 64;
/// Memory of the statistics of a column in an add action.
const BYTES_OF_LOGGED_COLUMN: usize = 72;

/// Footers that are read at once, of files of which the log doesn't tell how many rows they have.
const FOOTERS_AT_ONCE: usize = 16;

static IN_USE: InUse<TableSnapshot> = InUse::new();

/// What tells a commit from another of the same version: size, time and tag of its file.
pub(super) type Stamp = (u64, DateTime<Utc>, Option<String>);

/// The stamp of a commit; None where the log was cleaned up, and a checkpoint stands for its commits.
pub(super) async fn commit_stamp(
    location: &Location,
    version: u64,
) -> Result<Option<Stamp>, Error> {
    let commit = commit_path(location, version)?;
    match location.store().head(&commit).await {
        Ok(found) => Ok(Some((found.size, found.last_modified, found.e_tag))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::table(location.url(), error)),
    }
}

impl Drop for TableSnapshot {
    fn drop(&mut self) {
        IN_USE.leave(self.instance);
    }
}

impl fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("location", self.location())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl TableSnapshot {
    pub(super) async fn is_of_the_same_table(&self) -> Result<bool, Error> {
        let found = commit_stamp(self.location(), self.version).await;
        Ok(found? == self.stamp)
    }

    /// The snapshot that `table` stands at; `stamp` is that of its commit, where it is known.
    pub(super) async fn of(
        location: Location,
        table: DeltaTable,
        stamp: Option<Option<Stamp>>,
    ) -> Result<Arc<Self>, Error> {
        let failed = |source| Error::table(location.url(), source);
        let state = table.snapshot().map_err(failed)?;
        if let Some(reason) = unsupported_feature(state.protocol()) {
            let uri = location.url().to_string();
            return Err(Error::Unsupported { uri, reason });
        }
        let schema = Arc::new(nullable(&state.snapshot().arrow_schema()));
        let columns = ScanColumns::of_version(&schema, state.metadata());
        let version = state.version();
        let stamp = match stamp {
            Some(stamp) => stamp,
            None => commit_stamp(&location, version).await?,
        };
        let mut snapshot = Self {
            version,
            stamp,
            schema,
            files: FileSet::new(location, version, columns, Vec::new()),
            table,
            redefined: None,
            instance: IN_USE.number(),
            bytes: OnceLock::new(),
        };
        snapshot.files.files = snapshot.read_files().await?;
        let snapshot = Arc::new(snapshot);
        IN_USE.enter(snapshot.instance, &snapshot);
        Ok(snapshot)
    }

    /// The same version under another definition.
    pub(super) fn under(&self, definition: TableConfiguration) -> Result<Arc<Self>, Error> {
        let logical = definition.logical_schema();
        let arrow: Result<Schema, _> = logical.as_ref().try_into_arrow();
        let arrow = arrow.map_err(|source| Error::table(self.location().url(), source))?;
        let schema = Arc::new(nullable(&arrow));
        let columns = ScanColumns::of_version(&schema, definition.metadata());
        let root = self.location().url();
        let files = self.files().iter().zip(self.log_files()?);
        let files = files.map(|(file, logged)| {
            let rows = file.scanned.extension().cloned();
            DataFile::try_new(&LogFile::from(&logged), root, &columns, rows)
        });
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let snapshot = Arc::new(Self {
            version: self.version,
            schema,
            files: FileSet::new(self.location().clone(), self.version, columns, files),
            table: self.table.clone(),
            redefined: Some(definition),
            stamp: self.stamp.clone(),
            instance: IN_USE.number(),
            bytes: OnceLock::new(),
        });
        IN_USE.enter(snapshot.instance, &snapshot);
        Ok(snapshot)
    }

    /// The snapshot of this number, while anybody uses it.
    pub(crate) fn alive(instance: u64) -> Option<Arc<Self>> {
        IN_USE.alive(instance)
    }

    /// The number of this snapshot in this process.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    async fn read_files(&self) -> Result<Vec<DataFile>, Error> {
        let found = self.log_files()?;
        let vectors = found
            .iter()
            .filter_map(|file| self.vector_of(file).transpose());
        let vectors = vectors.collect::<Result<_, _>>()?;
        let gone = read_vectors(self.location(), vectors).await;
        let mut gone = gone.into_iter();
        let files = found.into_iter().map(|file| {
            let is_cut = file.deletion_vector_descriptor().is_some();
            let gone = if is_cut { gone.next() } else { None };
            self.read_file(file, gone)
        });
        stream::iter(files)
            .buffered(FOOTERS_AT_ONCE)
            .try_collect()
            .await
    }

    /// The deletion vector of a file, of which deltalake-core panics at a storage type that the protocol lacks.
    fn vector_of(&self, file: &LogicalFileView) -> Result<Option<DeletionVectorDescriptor>, Error> {
        let found = catch_unwind(AssertUnwindSafe(|| file.deletion_vector_descriptor()));
        found.map_err(|panic| {
            let reason = format!("its deletion vector: {}", panic_message(panic.as_ref()));
            Error::file(self.location().url(), file.path(), reason)
        })
    }

    async fn read_file(
        &self,
        file: LogicalFileView,
        gone: Option<Result<RoaringTreemap, String>>,
    ) -> Result<DataFile, Error> {
        let root = self.location().url();
        let mut logged = LogFile::from(&file);
        let Some(gone) = gone else {
            return DataFile::try_new(&logged, root, self.columns(), None);
        };
        let refused = |reason: String| Error::file(root, file.path(), reason);
        let gone = gone.map_err(refused)?;
        let stored = match file.num_records() {
            Some(rows) => rows as u64,
            None => {
                let whole = DataFile::try_new(&logged, root, self.columns(), None)?;
                self.rows_of_footer(&whole).await?
            }
        };
        if let Some(row) = gone.max().filter(|row| *row >= stored) {
            let reason = format!("its deletion vector names row {row} of {stored}");
            return Err(refused(reason));
        }
        logged.deleted_rows = Some(gone.len());
        let rows = selection_of(Read::AllBut, &gone, stored);
        DataFile::try_new(&logged, root, self.columns(), Some(rows))
    }

    /// When a version of the table was committed, by the time of its file; None where the log no longer has it.
    pub(crate) async fn committed_at(&self, version: u64) -> Result<Option<DateTime<Utc>>, Error> {
        let stamp = commit_stamp(self.location(), version).await?;
        Ok(stamp.map(|(_, time, _)| time))
    }

    /// Whether the log no longer has the commit of this version.
    pub(super) fn has_no_commit(&self) -> bool {
        self.stamp.is_none()
    }

    /// The version of the table.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The table's columns in their order, each of which may be null, and so all that is inside.
    ///
    /// NOT NULL is a rule for writers. A file that breaks it has its rows nonetheless, and whoever relies on the
    /// rule finds none of them under `IS NULL`.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Schema, metadata and protocol.
    ///
    /// # Errors
    /// The log wasn't read.
    pub fn configuration(&self) -> Result<&TableConfiguration, Error> {
        match &self.redefined {
            Some(definition) => Ok(definition),
            None => Ok(self.log_state()?.table_configuration()),
        }
    }

    /// The version as the log has it.
    ///
    /// # Errors
    /// The log wasn't read.
    pub(crate) fn log_state(&self) -> Result<&EagerSnapshot, Error> {
        let state = self.table.snapshot();
        let state = state.map_err(|source| Error::table(self.location().url(), source))?;
        Ok(state.snapshot())
    }

    /// Where the table is.
    pub fn location(&self) -> &Location {
        &self.files.location
    }

    pub(crate) fn columns(&self) -> &ScanColumns {
        &self.files.columns
    }

    pub(crate) fn files(&self) -> &[DataFile] {
        &self.files.files
    }

    /// The files as a scan reads them.
    pub(crate) fn file_set(&self) -> &FileSet {
        &self.files
    }

    /// The add actions.
    pub(crate) fn log_files(&self) -> Result<Vec<LogicalFileView>, Error> {
        let state = self.table.snapshot();
        let state = state.map_err(|source| Error::table(self.location().url(), source))?;
        Ok(state.log_data().iter().collect())
    }

    /// Where the files are in their store.
    ///
    /// # Errors
    /// The log has a path that no store has.
    pub fn paths(&self) -> Result<HashSet<Path>, Error> {
        let found = self.log_files()?;
        found.iter().map(|file| self.place(&file.path())).collect()
    }

    /// Where the files are that the table no longer has, and that an older version may have.
    ///
    /// # Errors
    /// The log can't be read, or has a path that no store has.
    pub async fn removed_paths(&self) -> Result<HashSet<Path>, Error> {
        let failed = |source| Error::table(self.location().url(), source);
        let log = self.table.log_store();
        let state = self.table.snapshot().map_err(failed)?;
        let removed = state.all_tombstones(log.as_ref());
        let places = removed.map(|file| self.place(&file.map_err(failed)?.path()));
        places.try_collect().await
    }

    /// Where a file of this decoded path is in its store.
    pub(super) fn place(&self, path: &str) -> Result<Path, Error> {
        let root = self.location().url();
        data_file::location(path, root).map_err(|reason| Error::file(root, path, reason))
    }

    pub(crate) fn table(&self) -> &DeltaTable {
        &self.table
    }

    /// About the memory of the files and their statistics, and of the copy of the log that deltalake-core has; by some
    /// of the files, where there are many.
    pub(crate) fn bytes(&self) -> usize {
        *self.bytes.get_or_init(|| {
            let files = self.files();
            let step = files.len().div_ceil(WEIGHED_FILES).max(1);
            let weighed = files.len().div_ceil(step).max(1);
            let mut seen = DFHeapSizeCtx::default();
            let bytes = files
                .iter()
                .step_by(step)
                .map(|file| weight(file, &mut seen));
            size_of::<Self>() + bytes.sum::<usize>() * files.len() / weighed
        })
    }
}

/// A file with its statistics, and its add action: the path, and the statistics as a text and by column.
fn weight(file: &DataFile, seen: &mut DFHeapSizeCtx) -> usize {
    let path = file.scanned.object_meta.location.as_ref().len();
    let in_log = path + BYTES_OF_ACTION + file.bounds.len() * BYTES_OF_LOGGED_COLUMN;
    size_of::<DataFile>()
        + path
        + file.bounds.len() * size_of::<[Option<Bound>; 2]>()
        + file.statistics.heap_size(seen)
        + in_log
}

/// The reader feature that no scan honours; None where there is none.
pub(crate) fn unsupported_feature(protocol: &Protocol) -> Option<String> {
    let features = protocol.reader_features().unwrap_or_default().iter();
    let features: Vec<_> = features.map(ToString::to_string).collect();
    let unknown = unsupported(&features, Work::Scan).first().copied()?;
    Some(format!("the reader feature {unknown}"))
}
