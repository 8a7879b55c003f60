//! What a log says beside the rows: commits and files, as tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use datafusion::common::ResolvedTableReference;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::error::Error;
use crate::log::listing::LogListing;
use crate::scan::opaque_table::OpaqueTable;
use crate::session_catalog::{CatalogList, RegisteredTable};
use crate::snapshot::TableSnapshot;
use crate::snapshot::cache::snapshot_stats;
use dfd_runtime::CacheStats;

const UTC: &str = "UTC";
/// Commits that are read at a time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The columns of a table in memory.
#[derive(Default)]
struct Columns(Vec<(Field, ArrayRef)>);

impl Columns {
    fn required(self, name: &str, values: impl Array + 'static) -> Self {
        self.with(name, values, false)
    }

    fn optional(self, name: &str, values: impl Array + 'static) -> Self {
        self.with(name, values, true)
    }

    fn with(mut self, name: &str, values: impl Array + 'static, is_nullable: bool) -> Self {
        let field = Field::new(name, values.data_type().clone(), is_nullable);
        self.0.push((field, Arc::new(values)));
        self
    }

    fn into_table(self, name: String) -> Result<OpaqueTable, Error> {
        let (fields, columns): (Vec<_>, _) = self.0.into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
        let batch = batch.map_err(DataFusionError::from)?;
        let table = MemTable::try_new(schema, vec![vec![batch]])?;
        Ok(OpaqueTable::new(Arc::new(table), name))
    }
}

/// What a commit says of itself.
struct LoggedInfo {
    version: u64,
    /// When its file was written, in milliseconds since 1970.
    written: i64,
    /// Null where there is none.
    info: Value,
}

impl LoggedInfo {
    async fn read(
        store: &dyn ObjectStore,
        version: u64,
        path: &Path,
    ) -> Result<Self, object_store::Error> {
        let found = store.get(path).await?;
        let written = found.meta.last_modified.timestamp_millis();
        let info = commit_info(&found.bytes().await?);
        Ok(Self {
            version,
            written,
            info,
        })
    }

    fn time(&self) -> i64 {
        self.info["timestamp"].as_i64().unwrap_or(self.written)
    }
}

fn commit_info(bytes: &[u8]) -> Value {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter::<Value>()
        .filter_map(Result::ok)
        .find_map(|mut action| Some(action.get_mut("commitInfo")?.take()))
        .unwrap_or(Value::Null)
}

/// The commits up to the snapshot's, newest first.
async fn logged(snapshot: &TableSnapshot) -> Result<Vec<LoggedInfo>, Error> {
    let location = snapshot.location();
    let store: &dyn ObjectStore = location.store().as_ref();
    let listing = LogListing::read(location).await?;
    let newest_first = listing.commits.range(..=snapshot.version()).rev();
    let commits: Vec<_> = newest_first
        .map(|(version, file)| LoggedInfo::read(store, *version, &file.location))
        .collect();
    let read = futures::stream::iter(commits).buffered(MAX_CONCURRENT_REQUESTS);
    let read = read.try_collect().await;
    read.map_err(|error: object_store::Error| Error::table(location.url(), error))
}

fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn json(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

/// The commits up to the snapshot's, newest first.
///
/// Columns: `version`, `timestamp`, `operation`, `operation_parameters` (JSON), `read_version`,
/// `is_blind_append`, `engine_info`, `user_name`, `user_metadata`, `commit_info` (JSON, all of it).
/// Commits that the log no longer has are left out; a commit without information has nulls, and the
/// time of its file.
///
/// # Errors
/// The log can't be read.
pub async fn history(snapshot: &TableSnapshot) -> Result<OpaqueTable, Error> {
    let commits = logged(snapshot).await?;
    let text = |key: &str| -> StringArray {
        let texts = commits.iter().map(|commit| commit.info[key].as_str());
        texts.collect()
    };
    let version = commits.iter().map(|commit| number(commit.version));
    let time = commits.iter().map(|commit| Some(commit.time()));
    let parameters = commits
        .iter()
        .map(|commit| json(&commit.info["operationParameters"]));
    let read_version = commits
        .iter()
        .map(|commit| commit.info["readVersion"].as_i64());
    let blind = commits
        .iter()
        .map(|commit| commit.info["isBlindAppend"].as_bool());
    let infos = commits.iter().map(|commit| json(&commit.info));
    let time: TimestampMillisecondArray = time.collect();
    Columns::default()
        .required("version", Int64Array::from_iter_values(version))
        .optional("timestamp", time.with_timezone(UTC))
        .optional("operation", text("operation"))
        .optional("operation_parameters", parameters.collect::<StringArray>())
        .optional("read_version", read_version.collect::<Int64Array>())
        .optional("is_blind_append", blind.collect::<BooleanArray>())
        .optional("engine_info", text("engineInfo"))
        .optional("user_name", text("userName"))
        .optional("user_metadata", text("userMetadata"))
        .optional("commit_info", infos.collect::<StringArray>())
        .into_table(format!("DeltaHistory: {}", snapshot.location().url()))
}

/// The files of the snapshot.
///
/// Columns: `path` as the log has it, `size_bytes`, `modified`, `num_records` (those that are
/// stored), `deleted_records` (those that a deletion vector takes away), `partition_values` (JSON),
/// `stats` (JSON).
///
/// # Errors
/// The snapshot can't be read.
pub fn files(snapshot: &TableSnapshot) -> Result<OpaqueTable, Error> {
    let files = snapshot.log_files()?;
    let paths = files.iter().map(|file| file.path());
    let sizes = files.iter().map(|file| file.size());
    let modified = files.iter().map(|file| Some(file.modification_time()));
    let records = files.iter().map(|file| file.num_records().map(number));
    let deleted = files.iter().map(|file| {
        let vector = file.deletion_vector_descriptor();
        vector.map_or(0, |vector| vector.cardinality)
    });
    let values = files.iter().map(|file| {
        let values: BTreeMap<_, _> = file.partition_values_map().into_iter().collect();
        serde_json::to_string(&values).unwrap_or_default()
    });
    // Without any, deltalake-core may give an empty object.
    let stats = files
        .iter()
        .map(|file| file.stats().filter(|stats| stats != "{}"));
    let modified: TimestampMillisecondArray = modified.collect();
    Columns::default()
        .required("path", StringArray::from_iter_values(paths))
        .required("size_bytes", Int64Array::from_iter_values(sizes))
        .optional("modified", modified.with_timezone(UTC))
        .optional("num_records", records.collect::<Int64Array>())
        .required("deleted_records", Int64Array::from_iter_values(deleted))
        .required("partition_values", StringArray::from_iter_values(values))
        .optional("stats", stats.collect::<StringArray>())
        .into_table(format!("DeltaFiles: {}", snapshot.location().url()))
}

/// The Delta tables of a session, by their names; nothing is asked of their stores. Columns: `catalog`, `schema`, `table`,
/// `uri`, `version` (that is read, or was seen last), `pinned`.
///
/// # Errors
/// There is no memory for the table.
pub fn registered(catalogs: &CatalogList) -> Result<OpaqueTable, Error> {
    let mut tables = catalogs.tables();
    tables.sort_by_key(|(name, _)| name.to_string());
    let texts = |text: fn(&(ResolvedTableReference, RegisteredTable)) -> &str| {
        StringArray::from_iter_values(tables.iter().map(text))
    };
    let followed = || tables.iter().map(|(_, table)| &table.followed);
    let versions = followed().map(|table| table.current().version());
    let pinned = followed().map(|table| Some(table.pinned().is_some()));
    Columns::default()
        .required("catalog", texts(|(name, _)| &name.catalog))
        .required("schema", texts(|(name, _)| &name.schema))
        .required("table", texts(|(name, _)| &name.table))
        .required("uri", texts(|(_, table)| &table.uri))
        .required("version", UInt64Array::from_iter_values(versions))
        .required("pinned", pinned.collect::<BooleanArray>())
        .into_table("DeltaTables".to_owned())
}

/// How the caches of this process are doing, by their names in a cache's configuration.
pub fn cache_stats() -> Vec<(&'static str, CacheStats)> {
    let snapshots = ("snapshot", snapshot_stats());
    let others = dfd_runtime::cache_stats();
    [snapshots].into_iter().chain(others).collect()
}

/// The caches of this process. Columns: `cache`, `hits`, `misses`, `evictions`, `entries`, `bytes`.
///
/// # Errors
/// There is no memory for the table.
pub fn caches() -> Result<OpaqueTable, Error> {
    let stats = cache_stats();
    let names = stats.iter().map(|(name, _)| *name);
    type Figure = fn(&CacheStats) -> usize;
    let figures: [(&str, Figure); 5] = [
        ("hits", |stats| stats.hits),
        ("misses", |stats| stats.misses),
        ("evictions", |stats| stats.evictions),
        ("entries", |stats| stats.entries),
        ("bytes", |stats| stats.bytes),
    ];
    let mut columns = Columns::default().required("cache", StringArray::from_iter_values(names));
    for (name, figure) in figures {
        let values = stats.iter().map(|(_, stats)| figure(stats) as u64);
        columns = columns.required(name, UInt64Array::from_iter_values(values));
    }
    columns.into_table("CacheStats".to_owned())
}

#[cfg(test)]
mod tests;
