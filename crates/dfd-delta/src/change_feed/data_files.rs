//! The files whose rows a version changed, as a scan reads them.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use delta_kernel::StorageHandler;
use deltalake_core::kernel::DeletionVectorDescriptor;
use dfd_runtime::{Location, parquet_metadata_cache};
use object_store::ObjectStoreExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::change_feed::changes::{ChangeKind, ChangedRows, FileChange};
use crate::change_feed_error::ChangeFeedError;
use crate::error::Error;
use crate::files::changed_in::ChangedIn;
use crate::files::data_file::{self, DataFile};
use crate::files::deletion_vector::{difference, selection};
use crate::files::log_file::LogFile;
use crate::files::parquet_metadata::Readers;
use crate::files::scan_columns::ScanColumns;
use crate::log_store::log_store;

/// Makes files of the changes of one table.
pub(super) struct DataFiles<'a> {
    location: &'a Location,
    storage: Arc<dyn StorageHandler>,
    footers: Readers,
}

impl<'a> DataFiles<'a> {
    pub(super) fn new(location: &'a Location, columns: &ScanColumns) -> Result<Self, Error> {
        let log = log_store(location).map_err(|source| Error::table(location.url(), source))?;
        Ok(Self {
            location,
            storage: log.engine(None).storage_handler(),
            footers: Readers::new(
                location,
                columns.names(),
                parquet_metadata_cache(),
                &ExecutionPlanMetricsSet::new(),
            ),
        })
    }

    /// The file under `columns`, with its rows that `version` changed at `time`, in milliseconds since 1970; None where
    /// there are none.
    pub(super) async fn open(
        &self,
        change: &FileChange,
        version: u64,
        time: i64,
        columns: &ScanColumns,
    ) -> Result<Option<DataFile>, Error> {
        let root = self.location.url();
        let mut file = self.log_file(change, version, columns).await?;
        file.constants = constants(change.kind, version, time);
        if file.modification_time == 0 {
            file.modification_time = time;
        }
        let mask = self.mask(change, version, &file, columns).await?;
        if let Some(mask) = &mask {
            let left_out = mask.iter().filter(|is_changed| !**is_changed).count();
            if left_out == mask.len() {
                return Ok(None);
            }
            file.deleted_rows = Some(left_out as u64);
        }
        let rows = mask.map(|mask| selection(&mask, mask.len()));
        let mut opened = DataFile::try_new(&file, root, columns, rows)?;
        opened.scanned = opened.scanned.with_extension(ChangedIn { version });
        Ok(Some(opened))
    }

    /// What the log says of the file, and what it may leave out of one that was removed.
    async fn log_file(
        &self,
        change: &FileChange,
        version: u64,
        columns: &ScanColumns,
    ) -> Result<LogFile, Error> {
        let action = &change.action;
        let values = action.partition_values.clone().unwrap_or_default();
        let in_log = columns.partition.len() - constants(change.kind, 0, 0).len();
        let mut names = columns.partition.iter().take(in_log);
        let is_missing = |name: &str| {
            !values.contains_key(columns.mapping.physical(name)) && !values.contains_key(name)
        };
        if change.kind == ChangeKind::Delete && names.any(|field| is_missing(field.name())) {
            let path = action.path.clone();
            return Err(self.error(ChangeFeedError::NoPartitionValues { path, version }));
        }
        let path = percent_decode_str(&action.path).decode_utf8_lossy();
        let size = match action.size {
            Some(size) => size,
            None => self.size(&path, version).await?,
        };
        Ok(LogFile {
            path: path.into_owned(),
            size,
            modification_time: action.modification_time.unwrap_or_default(),
            stats: action.stats.clone(),
            partition_values: values,
            ..LogFile::default()
        })
    }

    async fn size(&self, path: &str, version: u64) -> Result<i64, Error> {
        let place = data_file::location(path, self.location.url());
        let root = self.location.url();
        let place = place.map_err(|reason| Error::file(root, path, reason))?;
        match self.location.store().head(&place).await {
            Ok(found) => Ok(i64::try_from(found.size).unwrap_or(i64::MAX)),
            Err(object_store::Error::NotFound { .. }) => {
                Err(ChangedIn { version }.gone(&place).into())
            }
            Err(error) => Err(Error::table(self.location.url(), error)),
        }
    }

    /// Which rows of the file are meant; None where all are.
    async fn mask(
        &self,
        change: &FileChange,
        version: u64,
        file: &LogFile,
        columns: &ScanColumns,
    ) -> Result<Option<Vec<bool>>, Error> {
        let refused = |reason: String| {
            let path = change.action.path.clone();
            self.error(ChangeFeedError::DeletionVector {
                path,
                version,
                reason,
            })
        };
        let read = async |vector: &DeletionVectorDescriptor| {
            let found = self.deleted_rows(vector.clone()).await;
            found.map_err(&refused)
        };
        let (of, but) = match &change.rows {
            ChangedRows::All => return Ok(None),
            ChangedRows::Without(vector) => (None, read(vector).await?),
            ChangedRows::Of(of, None) => (Some(read(of).await?), Vec::new()),
            ChangedRows::Of(of, Some(but)) => (Some(read(of).await?), read(but).await?),
        };
        let num_rows = self.num_rows(file, columns).await?;
        let of = of.unwrap_or_else(|| (0..num_rows as u64).collect());
        let mask = difference(&of, &but, num_rows);
        let outside = || refused(format!("it has rows beyond the {num_rows} of the file"));
        mask.ok_or_else(outside).map(Some)
    }

    async fn deleted_rows(&self, vector: DeletionVectorDescriptor) -> Result<Vec<u64>, String> {
        let vector =
            delta_kernel::actions::deletion_vector::DeletionVectorDescriptor::try_from(vector);
        let vector = vector.map_err(|error| error.to_string())?;
        let (storage, root) = (Arc::clone(&self.storage), self.location.url().clone());
        // It waits for the store.
        let read = tokio::task::spawn_blocking(move || vector.row_indexes(storage, &root)).await;
        let read = read.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }

    /// The stored rows, which the log needn't say of a removed file.
    async fn num_rows(&self, file: &LogFile, columns: &ScanColumns) -> Result<usize, Error> {
        let stats = file.stats.as_deref().map(serde_json::from_str::<Value>);
        let said = stats.and_then(|stats| stats.ok()?["numRecords"].as_u64());
        if let Some(rows) = said.and_then(|rows| usize::try_from(rows).ok()) {
            return Ok(rows);
        }
        let file = DataFile::try_new(file, self.location.url(), columns, None)?;
        let footer = self.footers.footer(file.scanned).await?;
        let rows = footer.file_metadata().num_rows();
        Ok(usize::try_from(rows).unwrap_or_default())
    }

    fn error(&self, reason: ChangeFeedError) -> Error {
        Error::change_feed(self.location.url(), reason)
    }
}

/// What is the same for all rows of a file.
fn constants(kind: ChangeKind, version: u64, time: i64) -> Vec<ScalarValue> {
    let change_type = kind.change_type().map(ScalarValue::from);
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let micros = time.saturating_mul(1000);
    let others = [
        ScalarValue::Int64(Some(version)),
        ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())),
    ];
    change_type.into_iter().chain(others).collect()
}
