//! Add actions as files of a scan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use chrono::{TimeZone, Utc};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion_datasource::TableSchema;
use deltalake_core::kernel::LogicalFileView;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;
use url::Url;

use crate::column_names::TableNames;
use crate::error::Error;
use crate::mapping::ColumnMapping;
use crate::values::{Bound, End, bound, partition_value};

/// The columns of a scan: those in the files, then those of the partition values.
#[derive(Debug, Clone)]
pub struct ScanColumns {
    /// Logical names and types of the columns in the files.
    pub file_schema: SchemaRef,
    /// Logical names and types of the partition columns.
    pub partition: Fields,
    /// Where the columns are found.
    pub mapping: ColumnMapping,
}

impl ScanColumns {
    /// As DataFusion's scan has them.
    pub fn table_schema(&self) -> TableSchema {
        TableSchema::builder(Arc::clone(&self.file_schema))
            .with_table_partition_cols(self.partition.iter().cloned().collect::<Vec<_>>())
            .build()
    }

    /// What finds them in a file.
    pub fn names(&self) -> TableNames {
        TableNames {
            fields: self.file_schema.fields().clone(),
            mode: self.mapping.mode(),
        }
    }

    /// The same columns with texts and binaries of the files as views where `chosen`, which spare a copy of
    /// each value.
    pub fn with_views(&self, chosen: impl Fn(&str) -> bool) -> Self {
        Self {
            file_schema: Arc::new(with_views(&self.file_schema, chosen)),
            ..self.clone()
        }
    }
}

/// The schema with views in the columns that `chosen` names.
pub fn with_views(schema: &Schema, chosen: impl Fn(&str) -> bool) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let viewed = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            _ => return Arc::clone(field),
        };
        if chosen(field.name()) {
            Arc::new(field.as_ref().clone().with_data_type(viewed))
        } else {
            Arc::clone(field)
        }
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

/// One data file of a snapshot.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Path, size, partition values, statistics and row selection.
    pub scanned: PartitionedFile,
    /// Lower and upper bounds by column of the scan, for pruning.
    pub bounds: Vec<[Option<Bound>; 2]>,
    /// Statistics by column of the scan.
    pub statistics: Arc<Statistics>,
}

impl DataFile {
    /// From an add action of a table at `root`; `selection` are the rows its deletion vector leaves.
    pub fn try_new(
        file: &LogicalFileView,
        root: &Url,
        columns: &ScanColumns,
        selection: Option<ParquetRowSelection>,
    ) -> Result<Self, Error> {
        let refused = |reason: String| Error::File {
            path: file.path().into_owned(),
            reason,
        };
        let location = location(&file.path(), root).map_err(refused)?;
        let values = file.partition_values_map();
        let partition_values = columns
            .partition
            .iter()
            .map(|field| {
                let physical = columns.mapping.physical(field.name());
                let text = values.get(physical).or_else(|| values.get(field.name()));
                partition_value(text.and_then(Option::as_deref), field.data_type()).ok_or_else(
                    || {
                        refused(format!(
                            "the partition value of `{}` is unreadable",
                            field.name()
                        ))
                    },
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let json: Value = file
            .stats()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let (statistics, bounds) = statistics(&json, file, columns, &partition_values);
        let statistics = Arc::new(statistics);
        let mut scanned: PartitionedFile = ObjectMeta {
            location,
            size: u64::try_from(file.size()).map_err(|error| refused(error.to_string()))?,
            last_modified: Utc
                .timestamp_millis_opt(file.modification_time())
                .single()
                .unwrap_or_default(),
            e_tag: None,
            version: None,
        }
        .into();
        scanned.partition_values = partition_values;
        scanned.statistics = Some(Arc::clone(&statistics));
        if let Some(selection) = selection {
            scanned = scanned.with_extension(selection);
        }
        Ok(Self {
            scanned,
            bounds,
            statistics,
        })
    }
}

/// Where a file is in its store, from the decoded path of its add action: relative to the table's
/// root, or absolute, as in a shallow clone.
pub fn location(path: &str, root: &Url) -> Result<Path, String> {
    let readable = |error: object_store::path::Error| error.to_string();
    match Url::parse(path) {
        Ok(url) if (url.scheme(), url.host()) == (root.scheme(), root.host()) => {
            Path::from_url_path(url.path()).map_err(readable)
        }
        Ok(_) => Err("it lies in another store than the table".to_owned()),
        Err(_) => {
            let root = Path::from_url_path(root.path()).map_err(readable)?;
            Path::parse(format!("{root}/{path}")).map_err(readable)
        }
    }
}

type Bounds = Vec<[Option<Bound>; 2]>;

fn statistics(
    json: &Value,
    file: &LogicalFileView,
    columns: &ScanColumns,
    partition_values: &[ScalarValue],
) -> (Statistics, Bounds) {
    let deleted = file
        .deletion_vector_descriptor()
        .map(|vector| vector.cardinality);
    let stored = json.get("numRecords").and_then(Value::as_u64);
    let rows = stored
        .and_then(|rows| rows.checked_sub(u64::try_from(deleted.unwrap_or(0)).ok()?))
        .and_then(|rows| usize::try_from(rows).ok());
    let is_tight = json.get("tightBounds").and_then(Value::as_bool);
    let whole = deleted.is_none() && is_tight != Some(false);
    // The value of a partition without rows is no bound of any row.
    let has_rows = rows.is_some_and(|rows| rows > 0);
    let mut statistics = Statistics::new_unknown(&columns.file_schema);
    statistics.num_rows = rows.map_or(Precision::Absent, Precision::Exact);
    statistics.total_byte_size =
        usize::try_from(file.size()).map_or(Precision::Absent, Precision::Inexact);
    let mut bounds = Vec::with_capacity(columns.file_schema.fields().len());
    for (field, column) in columns
        .file_schema
        .fields()
        .iter()
        .zip(&mut statistics.column_statistics)
    {
        let name = columns.mapping.physical(field.name());
        let at = |end: End, key: &str| bound(json.get(key)?.get(name)?, field.data_type(), end);
        let found = [at(End::Least, "minValues"), at(End::Greatest, "maxValues")];
        let nulls = json
            .get("nullCount")
            .and_then(|counts| counts.get(name))
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok());
        column.null_count = precision(nulls, whole);
        column.min_value = precision_of(&found[0], whole);
        column.max_value = precision_of(&found[1], whole);
        bounds.push(found);
    }
    for value in partition_values {
        let is_null = value.is_null();
        let known = (!is_null).then(|| Bound {
            value: value.clone(),
            is_exact: true,
        });
        statistics.column_statistics.push(ColumnStatistics {
            null_count: match (is_null, rows) {
                (false, _) => Precision::Exact(0),
                (true, Some(rows)) => Precision::Exact(rows),
                (true, None) => Precision::Absent,
            },
            min_value: precision_of(&known, has_rows),
            max_value: precision_of(&known, has_rows),
            ..ColumnStatistics::new_unknown()
        });
        bounds.push([known.clone(), known]);
    }
    (statistics, bounds)
}

fn precision(value: Option<usize>, is_exact: bool) -> Precision<usize> {
    match value {
        Some(value) if is_exact => Precision::Exact(value),
        Some(value) => Precision::Inexact(value),
        None => Precision::Absent,
    }
}

fn precision_of(bound: &Option<Bound>, whole: bool) -> Precision<ScalarValue> {
    match bound {
        Some(bound) if bound.is_exact && whole => Precision::Exact(bound.value.clone()),
        Some(bound) => Precision::Inexact(bound.value.clone()),
        None => Precision::Absent,
    }
}
