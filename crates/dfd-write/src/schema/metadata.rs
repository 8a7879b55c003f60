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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, data_type: DataType) -> Field {
        let id = [(PARQUET_FIELD_ID_META_KEY.to_owned(), "7".to_owned())];
        let note = [("comment".to_owned(), "mine".to_owned())];
        Field::new(name, data_type, false).with_metadata(id.into_iter().chain(note).collect())
    }

    fn bare(name: &str, data_type: DataType, is_nullable: bool) -> Field {
        Field::new(name, data_type, is_nullable)
    }

    #[test]
    fn nothing_but_what_is_kept_is_left() {
        let all: Fields = vec![field("a", DataType::Int64)].into();
        let stripped = |keep| strip_metadata(&all, keep)[0].as_ref().clone();
        assert_eq!(stripped(Keep::Nothing), bare("a", DataType::Int64, true));
        assert_eq!(
            stripped(Keep::Nullability),
            bare("a", DataType::Int64, false)
        );
        let with_id = stripped(Keep::FieldIds);
        assert!(with_id.is_nullable());
        assert_eq!(with_id.metadata().len(), 1);
        assert_eq!(with_id.metadata()[PARQUET_FIELD_ID_META_KEY], "7");
    }

    #[test]
    fn fields_inside_are_stripped_too() {
        let list = DataType::List(Arc::new(field("element", DataType::Int64)));
        let nested = DataType::Struct(vec![field("l", list)].into());
        let loose = DataType::List(Arc::new(bare("element", DataType::Int64, true)));
        assert_eq!(
            strip_type_metadata(&nested, Keep::Nothing),
            DataType::Struct(vec![bare("l", loose, true)].into())
        );
    }

    #[test]
    fn keys_of_maps_are_never_null() {
        let map = |entry: Vec<Field>| {
            let entries = Field::new("entries", DataType::Struct(entry.into()), false);
            DataType::Map(Arc::new(entries), false)
        };
        let given = map(vec![
            field("key", DataType::Utf8),
            field("value", DataType::Int64),
        ]);
        let wanted = map(vec![
            bare("key", DataType::Utf8, false),
            bare("value", DataType::Int64, true),
        ]);
        assert_eq!(strip_type_metadata(&given, Keep::Nothing), wanted);
    }
}
