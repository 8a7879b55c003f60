//! The columns that a scan reads, and where its files have them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion_datasource::TableSchema;

use crate::files::column_mapping::{ColumnMapping, relaxed};
use crate::files::column_names::TableNames;

/// The columns of a scan: those in the files, then those of the partition values.
#[derive(Debug, Clone)]
pub(crate) struct ScanColumns {
    /// Logical names and types of the columns in the files.
    pub file_schema: SchemaRef,
    /// Logical names and types of the partition columns.
    pub partition: Fields,
    /// Where the columns are found.
    pub mapping: ColumnMapping,
}

impl ScanColumns {
    /// The columns of a table with these partition columns.
    pub(crate) fn new(schema: &Schema, partition_by: &[String], mapping: ColumnMapping) -> Self {
        let is_partition = |field: &Field| partition_by.contains(field.name());
        let in_files = schema.fields().iter().filter(|field| !is_partition(field));
        let partition = partition_by
            .iter()
            .filter_map(|name| schema.field_with_name(name).ok())
            .map(|field| Arc::new(field.clone()));
        Self {
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

    /// The schema as DataFusion's scan has it.
    pub(crate) fn table_schema(&self) -> TableSchema {
        TableSchema::builder(Arc::clone(&self.file_schema))
            .with_table_partition_cols(self.partition.iter().cloned().collect::<Vec<_>>())
            .build()
    }

    /// The names that find them in a file.
    pub(crate) fn names(&self) -> TableNames {
        TableNames {
            fields: self.file_schema.fields().clone(),
            mode: self.mapping.mode(),
        }
    }

    /// The same columns with texts and binaries of the files as views where `selected`, which spare a copy of
    /// each value.
    pub(crate) fn with_views(&self, selected: impl Fn(&str) -> bool) -> Self {
        Self {
            file_schema: Arc::new(with_views(&self.file_schema, selected)),
            ..self.clone()
        }
    }
}

/// The schema with views in the columns that `selected` names.
pub(crate) fn with_views(schema: &Schema, selected: impl Fn(&str) -> bool) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let viewed = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            _ => return Arc::clone(field),
        };
        if selected(field.name()) {
            Arc::new(field.as_ref().clone().with_data_type(viewed))
        } else {
            Arc::clone(field)
        }
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}
