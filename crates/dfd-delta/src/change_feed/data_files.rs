//! The files whose rows a version changed, as a scan reads them.

use std::iter;

use datafusion::common::ScalarValue;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use dfd_runtime::{Location, parquet_metadata_cache};
use object_store::ObjectStoreExt;
use percent_encoding::percent_decode_str;
use roaring::RoaringTreemap;
use serde_json::Value;

use crate::change_feed::changes::{ChangeKind, ChangedRows, FileChange};
use crate::change_feed_error::ChangeFeedError;
use crate::error::Error;
use crate::files::changed_in::ChangedIn;
use crate::files::data_file::{self, DataFile};
use crate::files::deletion_vector::{Read, selection_of};
use crate::files::log_file::LogFile;
use crate::files::parquet_metadata::Readers;
use crate::files::scan_columns::ScanColumns;
use crate::files::vector_reader::read_vectors;

/// Makes files of the changes of one table.
pub(super) struct DataFiles<'a> {
    location: &'a Location,
    footers: Readers,
}

impl<'a> DataFiles<'a> {
    pub(super) fn new(location: &'a Location, columns: &ScanColumns) -> Self {
        let metrics = ExecutionPlanMetricsSet::new();
        let footers = parquet_metadata_cache();
        Self {
            location,
            footers: Readers::new(location, columns.names(), footers, &metrics),
        }
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
        let mut rows = None;
        if let Some((read, named)) = self.named_rows(change, version).await? {
            let stored = self.num_rows(&file, columns).await?;
            if named.max().is_some_and(|row| row >= stored) {
                let reason = format!("it has rows beyond the {stored} of the file");
                return Err(self.bad_vector(change, version, reason));
            }
            let left_out = match read {
                Read::AllBut => named.len(),
                Read::Only => stored - named.len(),
            };
            if left_out == stored {
                return Ok(None);
            }
            file.deleted_rows = Some(left_out);
            rows = Some(selection_of(read, &named, stored));
        }
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
    async fn named_rows(
        &self,
        change: &FileChange,
        version: u64,
    ) -> Result<Option<(Read, RoaringTreemap)>, Error> {
        let (read, vectors) = match &change.rows {
            ChangedRows::All => return Ok(None),
            ChangedRows::Without(vector) => (Read::AllBut, vec![vector.clone()]),
            ChangedRows::Of(of, but) => {
                let of = iter::once(of.clone());
                (Read::Only, of.chain(but.clone()).collect())
            }
        };
        let read_rows = read_vectors(self.location, vectors).await.into_iter();
        let named = read_rows.reduce(|of, but| Ok(of? - but?));
        let named = named.unwrap_or_else(|| Ok(RoaringTreemap::new()));
        let named = named.map_err(|reason| self.bad_vector(change, version, reason))?;
        Ok(Some((read, named)))
    }

    /// The stored rows, which the log needn't say of a removed file.
    async fn num_rows(&self, file: &LogFile, columns: &ScanColumns) -> Result<u64, Error> {
        let stats = file.stats.as_deref().map(serde_json::from_str::<Value>);
        let said = stats.and_then(|stats| stats.ok()?["numRecords"].as_u64());
        if let Some(rows) = said {
            return Ok(rows);
        }
        let file = DataFile::try_new(file, self.location.url(), columns, None)?;
        let footer = self.footers.footer(file.scanned).await?;
        let rows = footer.file_metadata().num_rows();
        Ok(u64::try_from(rows).unwrap_or_default())
    }

    fn bad_vector(&self, change: &FileChange, version: u64, reason: String) -> Error {
        let path = change.action.path.clone();
        self.error(ChangeFeedError::DeletionVector {
            path,
            version,
            reason,
        })
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
