//! Tables, sessions and plans for unit tests.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use dfd_delta::{At, DeltaTableProvider, TableSnapshot};
use dfd_runtime::{CacheLimits, Caches, Location};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config::EngineConfig;
use crate::rules::physical_rules;

/// A batch of columns by name.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

/// A column of numbers.
pub(crate) fn numbers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// A column of texts.
pub(crate) fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// A column of bytes.
pub(crate) fn bytes<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(values))
}

/// A Delta table in a directory that goes with it.
pub(crate) struct DeltaTable {
    directory: TempDir,
    snapshot: Arc<TableSnapshot>,
}

impl DeltaTable {
    /// A table with a file for each batch.
    pub(crate) fn new(files: &[RecordBatch]) -> Self {
        let files = files.iter().map(|file| (json!({}), file.clone())).collect();
        Self::create(&[], files)
    }

    /// A table with the partition column `column`, a text, and a file for each of its values.
    pub(crate) fn partitioned(column: &str, files: &[(&str, RecordBatch)]) -> Self {
        let files = files
            .iter()
            .map(|(value, file)| (json!({column: value}), file.clone()))
            .collect();
        Self::create(&[column], files)
    }

    fn create(partition_by: &[&str], files: Vec<(Value, RecordBatch)>) -> Self {
        let directory = TempDir::new().unwrap();
        let mut fields: Vec<Value> = files[0]
            .1
            .schema()
            .fields()
            .iter()
            .map(|field| delta_field(field.name(), delta_type(field.data_type())))
            .collect();
        fields.extend(partition_by.iter().map(|name| delta_field(name, "string")));
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        let mut log = vec![
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": {
                "id": "00000000-0000-0000-0000-000000000000",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema,
                "partitionColumns": partition_by,
                "configuration": {},
                "createdTime": 0,
            }}),
        ];
        for (position, (values, rows)) in files.iter().enumerate() {
            let name = format!("{position}.parquet");
            let size = write(&directory.path().join(&name), rows);
            log.push(json!({"add": {
                "path": name,
                "size": size,
                "partitionValues": values,
                "modificationTime": 0,
                "dataChange": true,
                "stats": statistics(rows).to_string(),
            }}));
        }
        let lines: Vec<String> = log.iter().map(ToString::to_string).collect();
        let log = directory.path().join("_delta_log");
        std::fs::create_dir(&log).unwrap();
        std::fs::write(log.join("00000000000000000000.json"), lines.join("\n")).unwrap();
        let uri = url::Url::from_directory_path(directory.path()).unwrap();
        let location = Location::try_new(uri.as_str(), &HashMap::new(), None).unwrap();
        let opened = TableSnapshot::open(location, At::Newest);
        let snapshot = dfd_runtime::block_on(opened).unwrap().unwrap();
        Self {
            directory,
            snapshot,
        }
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The table as foreign sessions have it.
    pub(crate) fn opaque(&self) -> Arc<DeltaTableProvider> {
        Arc::new(DeltaTableProvider::opaque(Arc::clone(&self.snapshot)))
    }

    /// The table as sessions of our own have it.
    pub(crate) fn native(&self) -> Arc<DeltaTableProvider> {
        Arc::new(DeltaTableProvider::native(Arc::clone(&self.snapshot)))
    }
}

fn delta_field(name: &str, data_type: &str) -> Value {
    json!({"name": name, "type": data_type, "nullable": true, "metadata": {}})
}

fn delta_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int64 => "long",
        DataType::Utf8 => "string",
        DataType::Binary => "binary",
        other => panic!("no table of a test has {other}"),
    }
}

fn write(path: &Path, rows: &RecordBatch) -> u64 {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    std::fs::metadata(path).unwrap().len()
}

fn statistics(rows: &RecordBatch) -> Value {
    let (mut least, mut most, mut nulls) = (json!({}), json!({}), json!({}));
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        nulls[field.name()] = json!(column.null_count());
        if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            least[field.name()] = json!(arrow::compute::min(numbers));
            most[field.name()] = json!(arrow::compute::max(numbers));
        }
    }
    json!({
        "numRecords": rows.num_rows(),
        "minValues": least,
        "maxValues": most,
        "nullCount": nulls,
    })
}

/// A session with the rules and stores of an engine, and four partitions.
pub(crate) fn session() -> SessionContext {
    session_with(SessionConfig::new())
}

/// A session with the rules and stores of an engine, four partitions and these settings.
pub(crate) fn session_with(config: SessionConfig) -> SessionContext {
    let caches = Caches::new(CacheLimits::default());
    let state = SessionStateBuilder::new()
        .with_config(config.with_target_partitions(4))
        .with_runtime_env(EngineConfig::default().environment(&caches).unwrap())
        .with_default_features()
        .with_physical_optimizer_rules(physical_rules(false))
        .build();
    SessionContext::new_with_state(state)
}

/// A table in memory with a partition for each batch.
pub(crate) fn in_memory(partitions: &[RecordBatch]) -> Arc<MemTable> {
    let schema = partitions[0].schema();
    let partitions = partitions.iter().map(|batch| vec![batch.clone()]).collect();
    Arc::new(MemTable::try_new(schema, partitions).unwrap())
}

/// The optimized plan of a query.
pub(crate) fn optimized(session: &SessionContext, sql: &str) -> LogicalPlan {
    let planned = dfd_runtime::block_on(session.sql(sql)).unwrap().unwrap();
    planned.into_optimized_plan().unwrap()
}

/// The physical plan of a query, by all rules.
pub(crate) fn physical(session: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let planned = dfd_runtime::block_on(session.sql(sql)).unwrap().unwrap();
    dfd_runtime::block_on(planned.create_physical_plan())
        .unwrap()
        .unwrap()
}

/// The nodes of a physical plan, from its root downwards.
pub(crate) fn nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        found.push(Arc::clone(node));
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    found
}

/// The rows of a plan as one batch.
pub(crate) fn rows(plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> RecordBatch {
    let schema: SchemaRef = plan.schema();
    let batches = dfd_runtime::block_on(collect(plan, state.task_ctx()))
        .unwrap()
        .unwrap();
    concat_batches(&schema, &batches).unwrap()
}

/// A batch as text, line by line.
pub(crate) fn shown(batch: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(batch))
        .unwrap()
        .to_string()
}
