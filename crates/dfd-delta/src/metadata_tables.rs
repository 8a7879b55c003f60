//! What a log says beside the rows: commits and files, as tables.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray, TimestampMillisecondBuilder, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::datasource::MemTable;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;

use crate::error::Error;
use crate::scan::opaque_table::OpaqueTable;
use crate::snapshot::TableSnapshot;
use crate::snapshot::cache::snapshot_stats;
use dfd_runtime::{CacheStats, parquet_metadata_stats};

const UTC: &str = "UTC";
/// Commits that are read at a time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

fn moment(name: &str) -> Field {
    Field::new(
        name,
        DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        true,
    )
}

fn in_memory(
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
    name: String,
) -> Result<OpaqueTable, Error> {
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(datafusion::error::DataFusionError::from)?;
    let table = MemTable::try_new(schema, vec![vec![batch]])?;
    Ok(OpaqueTable::new(Arc::new(table), name))
}

/// The commits up to the snapshot's, newest first.
///
/// Columns: `version`, `timestamp`, `operation`, `operation_parameters` (JSON), `read_version`,
/// `is_blind_append`, `engine_info`, `user_name`, `commit_info` (JSON, all of it). Commits that the
/// log no longer has are left out; a commit without information has nulls, and the time of its file.
///
/// # Errors
/// The log can't be read.
pub async fn history(snapshot: &TableSnapshot) -> Result<OpaqueTable, Error> {
    let uri = snapshot.location().url();
    let failed = |error: object_store::Error| Error::table(uri, error);
    let root = Path::from_url_path(uri.path()).map_err(|error| failed(error.into()))?;
    let store = snapshot.location().store();
    let listed: Vec<_> = store
        .list(Some(&root.join("_delta_log")))
        .try_collect()
        .await
        .map_err(failed)?;
    let version_of = |path: &Path| -> Option<u64> {
        let name = path.filename()?.strip_suffix(".json")?;
        (name.len() == 20).then(|| name.parse().ok())?
    };
    let mut commits: Vec<_> = listed
        .into_iter()
        .filter_map(|meta| Some((version_of(&meta.location)?, meta.location)))
        .filter(|(version, _)| *version <= snapshot.version())
        .collect();
    commits.sort_by(|a, b| b.cmp(a));
    let read = |(version, path): (u64, Path)| async move {
        let found = store.get(&path).await?;
        let written = found.meta.last_modified.timestamp_millis();
        Ok((version, written, commit_info(&found.bytes().await?)))
    };
    let commits: Vec<(u64, i64, Value)> = futures::stream::iter(commits)
        .map(read)
        .buffered(MAX_CONCURRENT_REQUESTS)
        .try_collect()
        .await
        .map_err(failed)?;

    let mut version = Int64Builder::new();
    let mut timestamp = TimestampMillisecondBuilder::new();
    let mut read_version = Int64Builder::new();
    let mut is_blind_append = BooleanBuilder::new();
    let mut texts: HashMap<&str, StringBuilder> = HashMap::new();
    for (number, written, info) in &commits {
        version.append_value(i64::try_from(*number).unwrap_or(i64::MAX));
        timestamp.append_value(info["timestamp"].as_i64().unwrap_or(*written));
        read_version.append_option(info["readVersion"].as_i64());
        is_blind_append.append_option(info["isBlindAppend"].as_bool());
        for key in ["operation", "engineInfo", "userName"] {
            texts
                .entry(key)
                .or_default()
                .append_option(info[key].as_str());
        }
        for (key, value) in [
            ("operationParameters", &info["operationParameters"]),
            ("", info),
        ] {
            let text = (!value.is_null()).then(|| value.to_string());
            texts.entry(key).or_default().append_option(text);
        }
    }
    let mut text =
        |key: &str| -> ArrayRef { Arc::new(texts.remove(key).unwrap_or_default().finish()) };
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("version", DataType::Int64, false),
            Arc::new(version.finish()),
        ),
        (
            moment("timestamp"),
            Arc::new(timestamp.finish().with_timezone(UTC)),
        ),
        (
            Field::new("operation", DataType::Utf8, true),
            text("operation"),
        ),
        (
            Field::new("operation_parameters", DataType::Utf8, true),
            text("operationParameters"),
        ),
        (
            Field::new("read_version", DataType::Int64, true),
            Arc::new(read_version.finish()),
        ),
        (
            Field::new("is_blind_append", DataType::Boolean, true),
            Arc::new(is_blind_append.finish()),
        ),
        (
            Field::new("engine_info", DataType::Utf8, true),
            text("engineInfo"),
        ),
        (
            Field::new("user_name", DataType::Utf8, true),
            text("userName"),
        ),
        (Field::new("commit_info", DataType::Utf8, true), text("")),
    ];
    let (fields, columns) = columns.into_iter().unzip();
    in_memory(fields, columns, format!("DeltaHistory: {uri}"))
}

fn commit_info(bytes: &[u8]) -> Value {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter::<Value>()
        .filter_map(Result::ok)
        .find_map(|mut action| Some(action.get_mut("commitInfo")?.take()))
        .unwrap_or(Value::Null)
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
    let mut path = StringBuilder::new();
    let mut size_bytes = Int64Builder::new();
    let mut modified = Vec::new();
    let mut num_records = Int64Builder::new();
    let mut deleted_records = Int64Builder::new();
    let mut partition_values = StringBuilder::new();
    let mut stats = StringBuilder::new();
    let count = |number: usize| i64::try_from(number).ok();
    for file in snapshot.log_files()? {
        path.append_value(file.path());
        size_bytes.append_value(file.size());
        modified.push(file.modification_time());
        num_records.append_option(file.num_records().and_then(count));
        let deleted = file.deletion_vector_descriptor();
        deleted_records.append_value(deleted.map_or(0, |vector| vector.cardinality));
        let values: std::collections::BTreeMap<_, _> =
            file.partition_values_map().into_iter().collect();
        let values = serde_json::to_string(&values).unwrap_or_default();
        partition_values.append_value(values);
        // Without any, deltalake-core may give an empty object.
        stats.append_option(file.stats().filter(|stats| stats != "{}"));
    }
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("path", DataType::Utf8, false),
            Arc::new(path.finish()),
        ),
        (
            Field::new("size_bytes", DataType::Int64, false),
            Arc::new(size_bytes.finish()),
        ),
        (
            moment("modified"),
            Arc::new(TimestampMillisecondArray::from(modified).with_timezone(UTC)),
        ),
        (
            Field::new("num_records", DataType::Int64, true),
            Arc::new(num_records.finish()),
        ),
        (
            Field::new("deleted_records", DataType::Int64, false),
            Arc::new(deleted_records.finish()),
        ),
        (
            Field::new("partition_values", DataType::Utf8, false),
            Arc::new(partition_values.finish()),
        ),
        (
            Field::new("stats", DataType::Utf8, true),
            Arc::new(stats.finish()),
        ),
    ];
    let (fields, columns) = columns.into_iter().unzip();
    let name = format!("DeltaFiles: {}", snapshot.location().url());
    in_memory(fields, columns, name)
}

/// How the caches of this process are doing, by their names in a cache's configuration.
pub fn cache_stats() -> [(&'static str, CacheStats); 2] {
    [
        ("snapshot", snapshot_stats()),
        ("parquet_meta", parquet_metadata_stats()),
    ]
}

/// The caches of this process. Columns: `cache`, `hits`, `misses`, `entries`, `bytes`.
///
/// # Errors
/// There is no memory for the table.
pub fn caches() -> Result<OpaqueTable, Error> {
    let stats = cache_stats();
    let names = stats.iter().map(|(name, _)| *name);
    let mut columns: Vec<(Field, ArrayRef)> = vec![(
        Field::new("cache", DataType::Utf8, false),
        Arc::new(StringArray::from_iter_values(names)),
    )];
    type Figure = fn(&CacheStats) -> usize;
    let figures: [(&str, Figure); 4] = [
        ("hits", |stats| stats.hits),
        ("misses", |stats| stats.misses),
        ("entries", |stats| stats.entries),
        ("bytes", |stats| stats.bytes),
    ];
    for (name, figure) in figures {
        let values = stats.iter().map(|(_, stats)| figure(stats) as u64);
        columns.push((
            Field::new(name, DataType::UInt64, false),
            Arc::new(UInt64Array::from_iter_values(values)),
        ));
    }
    let (fields, columns) = columns.into_iter().unzip();
    in_memory(fields, columns, "CacheStats".to_owned())
}

#[cfg(test)]
mod tests;
