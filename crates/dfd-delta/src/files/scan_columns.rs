//! The columns that a scan reads, and where its files have them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::parquet::arrow::RowNumber;
use datafusion_datasource::TableSchema;
use deltalake_core::kernel::Metadata;

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
    /// The column that has the number of each row in its file, after all others.
    pub row_number: Option<FieldRef>,
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
            file_schema: Arc::new(Schema::new(in_files.cloned().collect::<Vec<_>>())),
            partition: partition.collect(),
            mapping,
            row_number: None,
        }
    }

    /// The columns of a version with this schema and metadata.
    pub(crate) fn of_version(schema: &Schema, metadata: &Metadata) -> Self {
        let mode = metadata.configuration().get("delta.columnMapping.mode");
        let mapping = ColumnMapping::new(schema, mode.map(String::as_str));
        Self::new(schema, metadata.partition_columns(), mapping)
    }

    /// The same with further columns: some in the files, some whose values are constant in each.
    pub(crate) fn with_more(&self, in_files: &[FieldRef], constants: &[FieldRef]) -> Self {
        let all = |known: &Fields, more: &[FieldRef]| known.iter().chain(more).cloned().collect();
        let fields: Fields = all(self.file_schema.fields(), in_files);
        Self {
            file_schema: Arc::new(Schema::new(fields)),
            partition: all(&self.partition, constants),
            mapping: self.mapping.clone(),
            row_number: self.row_number.clone(),
        }
    }

    /// The same with the number of each row in its file, from 0, under this name.
    pub(crate) fn with_row_number(self, name: &str) -> Self {
        let field = Field::new(name, DataType::Int64, false).with_extension_type(RowNumber);
        Self {
            row_number: Some(Arc::new(field)),
            ..self
        }
    }

    /// The schema as DataFusion's scan has it.
    pub(crate) fn table_schema(&self) -> TableSchema {
        TableSchema::builder(Arc::clone(&self.file_schema))
            .with_table_partition_cols(self.partition.iter().cloned().collect::<Vec<_>>())
            .with_virtual_columns(self.row_number.iter().cloned().collect::<Fields>())
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

/// The schema without NOT NULL, at any depth.
pub(crate) fn nullable(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let inside = relaxed(field.data_type());
        let field = field.as_ref().clone().with_nullable(true);
        field.with_data_type(inside)
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::column_mapping::MappingMode;
    use crate::test_tables::schema;

    fn columns() -> ScanColumns {
        let inner = Field::new("x", DataType::Utf8, false);
        let fields = [
            ("q", DataType::Utf8),
            ("id", DataType::Int64),
            ("p", DataType::Utf8),
            ("name", DataType::Utf8),
            ("long", DataType::LargeUtf8),
            ("raw", DataType::Binary),
            ("s", DataType::Struct(vec![inner].into())),
        ];
        let partition_by = ["p".to_owned(), "q".to_owned(), "gone".to_owned()];
        ScanColumns::new(&schema(&fields), &partition_by, ColumnMapping::default())
    }

    fn kinds(schema: &Schema) -> Vec<(&str, &DataType)> {
        let fields = schema.fields().iter();
        fields.map(|f| (f.name().as_str(), f.data_type())).collect()
    }

    #[test]
    fn columns_of_files_come_before_those_of_partitions_in_their_order() {
        let columns = columns();
        let names = columns.table_schema();
        let names = kinds(names.table_schema())
            .into_iter()
            .map(|(name, _)| name);
        let names: Vec<_> = names.collect();
        assert_eq!(names, ["id", "name", "long", "raw", "s", "p", "q"]);
        let asked = columns.names();
        assert_eq!(asked.mode, MappingMode::None);
        assert_eq!(&asked.fields, columns.file_schema.fields());
    }

    #[test]
    fn nothing_that_is_read_is_promised_to_be_there() {
        let of = |nullable| {
            let inner = Field::new("x", DataType::Utf8, nullable);
            let kind = DataType::Struct(vec![inner].into());
            let metadata = [("kept".to_owned(), "yes".to_owned())];
            let outer = Field::new("s", kind, nullable).with_metadata(metadata.into());
            Schema::new(vec![outer, Field::new("id", DataType::Int64, nullable)])
        };
        assert_eq!(nullable(&of(false)), of(true));
    }

    #[test]
    fn further_columns_come_after_those_of_their_kind() {
        let added = ["x", "y", "z"].map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        let columns = columns().with_more(&added[..1], &added[1..]);
        let schema = columns.table_schema();
        let names = kinds(schema.table_schema())
            .into_iter()
            .map(|(name, _)| name);
        let names: Vec<_> = names.collect();
        let expected = ["id", "name", "long", "raw", "s", "x", "p", "q", "y", "z"];
        assert_eq!(names, expected);
    }

    #[test]
    fn texts_and_binaries_of_files_are_views_where_they_are_chosen() {
        let columns = columns();
        let viewed = columns.with_views(|_| true);
        let expected = [
            ("id", DataType::Int64),
            ("name", DataType::Utf8View),
            ("long", DataType::Utf8View),
            ("raw", DataType::BinaryView),
        ];
        let expected: Vec<_> = expected.iter().map(|(n, k)| (*n, k)).collect();
        assert_eq!(kinds(&viewed.file_schema)[..4], expected);
        // What is inside of columns, and what the log has, stays as it is.
        assert_eq!(viewed.file_schema.field(4), columns.file_schema.field(4));
        assert_eq!(viewed.partition, columns.partition);
        let one = columns.with_views(|name| name == "raw" || name == "p");
        let changed = one.file_schema.fields().iter();
        let changed = changed
            .zip(columns.file_schema.fields())
            .filter(|(a, b)| a != b);
        let changed: Vec<_> = changed.map(|(field, _)| field.name().as_str()).collect();
        assert_eq!(changed, ["raw"]);
        assert_eq!(
            columns.with_views(|_| false).file_schema,
            columns.file_schema
        );
    }
}
