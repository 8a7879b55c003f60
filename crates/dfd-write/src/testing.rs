//! Small tables, streams and files for the unit tests.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use delta_kernel::table_configuration::TableConfiguration;
use dfd_runtime::Location;
use futures::StreamExt;
use futures::stream;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use url::Url;

use crate::{CancellationToken, Error, Input, Settings, SourceError, StagedFiles};

/// A table's protocol and metadata.
pub(crate) struct Table {
    protocol: Value,
    metadata: Value,
}

/// Makes a column as the log has it.
pub(crate) fn column(name: &str, kind: impl Into<Value>, nullable: bool) -> Value {
    json!({"name": name, "type": kind.into(), "nullable": nullable, "metadata": {}})
}

/// Makes a column with one entry of metadata.
pub(crate) fn column_with(name: &str, kind: &str, key: &str, value: impl Into<Value>) -> Value {
    json!({"name": name, "type": kind, "nullable": true, "metadata": {key: value.into()}})
}

impl Table {
    /// Makes a table of these columns, whose writer features are all named.
    pub(crate) fn new(columns: &[Value]) -> Self {
        let schema = json!({"type": "struct", "fields": columns});
        Self {
            protocol: json!({
                "minReaderVersion": 1, "minWriterVersion": 7,
                "writerFeatures": ["checkConstraints", "invariants", "generatedColumns"],
            }),
            metadata: json!({
                "id": "00000000-0000-0000-0000-000000000000",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema.to_string(),
                "partitionColumns": [],
                "configuration": {},
                "createdTime": 0,
            }),
        }
    }

    pub(crate) fn partition_by(mut self, names: &[&str]) -> Self {
        self.metadata["partitionColumns"] = json!(names);
        self
    }

    pub(crate) fn property(mut self, key: &str, value: &str) -> Self {
        self.metadata["configuration"][key] = json!(value);
        self
    }

    pub(crate) fn protocol(mut self, protocol: Value) -> Self {
        self.protocol = protocol;
        self
    }

    /// The table as delta_kernel has it, nowhere.
    pub(crate) fn configuration(&self) -> TableConfiguration {
        let metadata = serde_json::from_value(self.metadata.clone()).unwrap();
        let protocol = serde_json::from_value(self.protocol.clone()).unwrap();
        let root = Url::parse("memory:///").unwrap();
        TableConfiguration::try_new(metadata, protocol, root, 0).unwrap()
    }

    /// Writes version 0 into a directory.
    pub(crate) fn create(&self, directory: &Path) {
        let actions = [
            json!({"protocol": self.protocol}),
            json!({"metaData": self.metadata}),
        ];
        write_version(directory, 0, &actions);
    }
}

fn write_version(directory: &Path, version: u64, actions: &[Value]) {
    let log = directory.join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
    std::fs::write(log.join(format!("{version:020}.json")), lines).unwrap();
}

/// Commits the files of a stage as a version of the table, and releases them.
pub(crate) fn commit(directory: &Path, version: u64, staged: &StagedFiles) {
    let adds = staged.added().iter().map(|file| {
        let values: HashMap<_, _> = file.partition_values.iter().cloned().collect();
        json!({"add": {
            "path": file.path.replace('%', "%25").replace(' ', "%20"),
            "partitionValues": values,
            "size": file.size,
            "modificationTime": file.modification_time,
            "stats": file.stats,
            "dataChange": true,
        }})
    });
    write_version(directory, version, &adds.collect::<Vec<_>>());
    dfd_runtime::block_on(staged.release()).unwrap().unwrap();
}

pub(crate) fn location(directory: &Path) -> Location {
    let uri = format!("file://{}", directory.display());
    Location::try_new(&uri, &HashMap::new(), None).unwrap()
}

/// Makes a stream of batches and errors; the first is a batch.
pub(crate) fn input(batches: Vec<Result<RecordBatch, SourceError>>) -> Input {
    Input {
        schema: batches[0].as_ref().unwrap().schema(),
        batches: stream::iter(batches).boxed(),
    }
}

/// Stages batches into a directory.
pub(crate) fn stage_into(
    directory: &Path,
    batches: Vec<RecordBatch>,
    settings: Settings,
) -> Result<StagedFiles, Error> {
    let work = crate::stage(
        location(directory),
        input(batches.into_iter().map(Ok).collect()),
        settings,
        CancellationToken::new(),
    );
    dfd_runtime::block_on(work).unwrap()
}

/// Reads the files of a stage, one after the other.
pub(crate) fn read_staged(directory: &Path, staged: &StagedFiles) -> Vec<RecordBatch> {
    let read = |path: &String| {
        let file = std::fs::File::open(directory.join(path)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = Arc::clone(builder.schema());
        let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    };
    staged.added().iter().map(|file| read(&file.path)).collect()
}

/// The files of a directory and those below it, relative to it.
pub(crate) fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(current) = waiting.pop() {
        for entry in current.read_dir().unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => {
                    let relative = path.strip_prefix(directory).unwrap();
                    found.push(relative.display().to_string());
                }
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn int64s(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Makes a batch; every column may be null.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}
