//! Fields without the metadata that only the log needs.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// What a field keeps beside its name and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Whether it may be null.
    Nullability,
    /// Its field id of Parquet; it may be null.
    FieldIds,
    /// No more; it may be null.
    Nothing,
}

/// Strips fields, and those inside them, of all metadata but what is to be kept.
pub(crate) fn strip_metadata(fields: &Fields, keep: Keep) -> Fields {
    fields
        .iter()
        .map(|field| strip_field(field, keep))
        .collect()
}

/// Strips the fields inside a type of all metadata but what is to be kept.
pub(crate) fn strip_type_metadata(data_type: &DataType, keep: Keep) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(strip_metadata(fields, keep)),
        DataType::List(element) => DataType::List(strip_field(element, keep)),
        DataType::Map(entries, is_sorted) => {
            DataType::Map(strip_entries(entries, keep), *is_sorted)
        }
        other => other.clone(),
    }
}

fn strip_field(field: &FieldRef, keep: Keep) -> FieldRef {
    let data_type = strip_type_metadata(field.data_type(), keep);
    let is_nullable = keep != Keep::Nullability || field.is_nullable();
    let stripped = Field::new(field.name(), data_type, is_nullable);
    let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY);
    Arc::new(match id.filter(|_| keep == Keep::FieldIds) {
        Some(id) => stripped.with_metadata([(PARQUET_FIELD_ID_META_KEY.into(), id.clone())].into()),
        None => stripped,
    })
}

/// Strips the entries of a map, which are never null, like its keys.
fn strip_entries(entries: &FieldRef, keep: Keep) -> FieldRef {
    let DataType::Struct(pair) = entries.data_type() else {
        return Arc::clone(entries);
    };
    let key_and_value = pair.iter().enumerate().map(|(position, field)| {
        let stripped = strip_field(field, keep);
        let is_nullable = position > 0 && stripped.is_nullable();
        Arc::new(stripped.as_ref().clone().with_nullable(is_nullable))
    });
    Arc::new(Field::new(
        entries.name(),
        DataType::Struct(key_and_value.collect()),
        false,
    ))
}
