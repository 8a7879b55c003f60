//! Column mapping: under which names log and files know the columns of a table.
//!
//! Protocol, "Column Mapping". By name, a field's metadata has the physical name; by id, the
//! Parquet field id counts, and the physical name is only that of the log's statistics and
//! partition values. [`crate::column_names`] finds the columns in the files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};

/// The physical name in a field's metadata.
pub(crate) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
/// The id in a field's metadata.
pub(crate) const ID: &str = "delta.columnMapping.id";

/// A table's `delta.columnMapping.mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MappingMode {
    /// Files have the table's names.
    #[default]
    None,
    /// Files have physical names.
    Name,
    /// Files have ids.
    Id,
}

/// The physical names of a table's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnMapping {
    mode: MappingMode,
    physical: HashMap<String, String>,
}

impl ColumnMapping {
    /// From the table's logical schema and its `delta.columnMapping.mode`.
    pub(crate) fn new(schema: &Schema, mode: Option<&str>) -> Self {
        let mode = match mode {
            Some("id") => MappingMode::Id,
            Some("name") => MappingMode::Name,
            _ => return Self::default(),
        };
        let physical = schema.fields().iter().filter_map(|field| {
            let name = field.metadata().get(PHYSICAL_NAME)?;
            Some((field.name().clone(), name.clone()))
        });
        Self {
            mode,
            physical: physical.collect(),
        }
    }

    /// The name under which the log knows a column.
    pub(crate) fn physical<'a>(&'a self, logical: &'a str) -> &'a str {
        self.physical.get(logical).map_or(logical, String::as_str)
    }

    /// How files name their columns.
    pub(crate) fn mode(&self) -> MappingMode {
        self.mode
    }
}

/// The type with every field inside it nullable.
///
/// "Not null" inside a struct is a rule for writers: Spark's files have such fields as optional, and
/// an expression adapter refuses to make them required.
pub(crate) fn relaxed(data_type: &DataType) -> DataType {
    let nullable = |field: &FieldRef| -> FieldRef {
        let inner = relaxed(field.data_type());
        Arc::new(
            field
                .as_ref()
                .clone()
                .with_data_type(inner)
                .with_nullable(true),
        )
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(nullable).collect()),
        DataType::List(field) => DataType::List(nullable(field)),
        DataType::LargeList(field) => DataType::LargeList(nullable(field)),
        DataType::Map(entries, sorted) => match entries.data_type() {
            // A map's entries and keys are never null.
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = relaxed(pair[0].data_type());
                let key = Arc::new(pair[0].as_ref().clone().with_data_type(key));
                let pair = DataType::Struct(vec![key, nullable(&pair[1])].into());
                DataType::Map(
                    Arc::new(entries.as_ref().clone().with_data_type(pair)),
                    *sorted,
                )
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn required(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, false))
    }

    fn optional(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    fn map(key: DataType, value: FieldRef) -> DataType {
        let pair = DataType::Struct(vec![required("key", key), value].into());
        DataType::Map(required("entries", pair), false)
    }

    #[test]
    fn everything_inside_is_nullable_but_the_keys_of_maps() {
        let of = |leaf: fn(&str, DataType) -> FieldRef| {
            let inner = DataType::Struct(vec![leaf("x", DataType::Int64)].into());
            let listed = DataType::List(leaf("element", inner));
            let key = DataType::Struct(vec![leaf("k", DataType::Utf8)].into());
            let mapped = map(key, leaf("value", listed));
            let large = DataType::LargeList(leaf("element", mapped));
            DataType::Struct(vec![leaf("m", large), leaf("n", DataType::Binary)].into())
        };
        let found = relaxed(&of(required));
        assert_eq!(found, of(optional));
        assert_ne!(found, of(required));
        assert_eq!(relaxed(&DataType::Int64), DataType::Int64);
    }

    #[test]
    fn metadata_stays_with_its_field() {
        let metadata = [(PHYSICAL_NAME.to_owned(), "p1".to_owned())];
        let inner = Field::new("x", DataType::Int64, false).with_metadata(metadata.into());
        let DataType::Struct(fields) = relaxed(&DataType::Struct(vec![Arc::new(inner)].into()))
        else {
            unreachable!("a struct stays one");
        };
        assert!(fields[0].is_nullable());
        assert_eq!(fields[0].metadata()[PHYSICAL_NAME], "p1");
    }

    #[test]
    fn physical_names_count_where_the_table_maps_its_columns() {
        let metadata = [(PHYSICAL_NAME.to_owned(), "p1".to_owned())];
        let named = Field::new("a", DataType::Int64, true).with_metadata(metadata.into());
        let schema = Schema::new(vec![named, Field::new("b", DataType::Int64, true)]);
        let of = |mode| {
            let mapping = ColumnMapping::new(&schema, mode);
            let names = ["a", "b", "c"].map(|name| mapping.physical(name).to_owned());
            (mapping.mode(), names.concat())
        };
        assert_eq!(of(Some("name")), (MappingMode::Name, "p1bc".to_owned()));
        assert_eq!(of(Some("id")), (MappingMode::Id, "p1bc".to_owned()));
        for other in [None, Some("none"), Some("NAME")] {
            assert_eq!(of(other), (MappingMode::None, "abc".to_owned()));
        }
    }
}
