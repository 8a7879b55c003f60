//! Fields without what only the log has of them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// What stays of a field of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Which may be null.
    Nullability,
    /// The field ids of Parquet.
    Ids,
    /// Name and type; each may be null.
    Nothing,
}

/// The fields without the log's metadata.
pub fn bare(fields: &Fields, kept: Kept) -> Fields {
    fields.iter().map(|field| bare_field(field, kept)).collect()
}

/// The type with its fields bare.
pub fn bare_type(data_type: &DataType, kept: Kept) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(bare(fields, kept)),
        DataType::List(element) => DataType::List(bare_field(element, kept)),
        DataType::Map(entries, is_sorted) => DataType::Map(bare_entries(entries, kept), *is_sorted),
        other => other.clone(),
    }
}

fn bare_field(field: &FieldRef, kept: Kept) -> FieldRef {
    let data_type = bare_type(field.data_type(), kept);
    let is_nullable = kept != Kept::Nullability || field.is_nullable();
    let bare = Field::new(field.name(), data_type, is_nullable);
    let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY);
    Arc::new(match id.filter(|_| kept == Kept::Ids) {
        Some(id) => bare.with_metadata([(PARQUET_FIELD_ID_META_KEY.into(), id.clone())].into()),
        None => bare,
    })
}

/// Entries and keys of a map are never null.
fn bare_entries(entries: &FieldRef, kept: Kept) -> FieldRef {
    let DataType::Struct(pair) = entries.data_type() else {
        return Arc::clone(entries);
    };
    let pair = pair.iter().enumerate().map(|(position, field)| {
        let bare = bare_field(field, kept);
        let is_nullable = position > 0 && bare.is_nullable();
        Arc::new(bare.as_ref().clone().with_nullable(is_nullable))
    });
    Arc::new(Field::new(
        entries.name(),
        DataType::Struct(pair.collect()),
        false,
    ))
}
