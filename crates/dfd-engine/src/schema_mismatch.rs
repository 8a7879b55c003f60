//! Whether a plan has the columns that are expected of it.

use arrow::datatypes::{DataType, FieldRef, Schema};

/// Two schemas that differ by the name, the type or the number of their columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("({expected}) in the session, ({found}) in the engine")]
pub struct SchemaMismatch {
    /// Names and types in the foreign session.
    pub expected: String,
    /// Names and types in the engine.
    pub found: String,
}

/// Fail unless names and types agree; what may be null and metadata may differ.
pub(crate) fn ensure_same_columns(expected: &Schema, found: &Schema) -> Result<(), SchemaMismatch> {
    let (wanted, given) = (expected.fields(), found.fields());
    if same_fields(wanted, given) {
        return Ok(());
    }
    Err(SchemaMismatch {
        expected: columns(wanted),
        found: columns(given),
    })
}

/// Names and types, for an error.
fn columns(fields: &[FieldRef]) -> String {
    let columns = fields
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()));
    columns.collect::<Vec<_>>().join(", ")
}

fn same_fields(a: &[FieldRef], b: &[FieldRef]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a.name() == b.name() && same_type(a.data_type(), b.data_type()))
}

/// Whether the types agree but for what may be null, metadata, and names that mean nothing.
fn same_type(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::Struct(a), DataType::Struct(b)) => same_fields(a, b),
        (DataType::List(a), DataType::List(b))
        | (DataType::LargeList(a), DataType::LargeList(b))
        | (DataType::ListView(a), DataType::ListView(b))
        | (DataType::LargeListView(a), DataType::LargeListView(b)) => {
            same_type(a.data_type(), b.data_type())
        }
        (DataType::FixedSizeList(a, m), DataType::FixedSizeList(b, n)) => {
            m == n && same_type(a.data_type(), b.data_type())
        }
        // The names inside a map mean nothing.
        (DataType::Map(a, m), DataType::Map(b, n)) => {
            m == n
                && match (a.data_type(), b.data_type()) {
                    (DataType::Struct(a), DataType::Struct(b)) => a
                        .iter()
                        .zip(b)
                        .all(|(a, b)| same_type(a.data_type(), b.data_type())),
                    _ => false,
                }
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Fields, TimeUnit};

    use super::*;

    fn field(name: &str, data_type: DataType, is_nullable: bool) -> FieldRef {
        Arc::new(Field::new(name, data_type, is_nullable))
    }

    fn agree(a: DataType, b: DataType) -> bool {
        let schema = |data_type| Schema::new(vec![Field::new("c", data_type, true)]);
        let found = ensure_same_columns(&schema(a.clone()), &schema(b.clone())).is_ok();
        assert_eq!(ensure_same_columns(&schema(b), &schema(a)).is_ok(), found);
        found
    }

    #[test]
    fn names_types_and_their_order_count() {
        let n = field("n", DataType::Int64, true);
        let s = field("s", DataType::Utf8, true);
        let schema = |fields: &[&FieldRef]| {
            Schema::new(
                fields
                    .iter()
                    .map(|field| Arc::clone(field))
                    .collect::<Fields>(),
            )
        };
        let both = schema(&[&n, &s]);
        assert_eq!(ensure_same_columns(&both, &both), Ok(()));
        assert!(ensure_same_columns(&both, &schema(&[&s, &n])).is_err());
        assert!(ensure_same_columns(&both, &schema(&[&n])).is_err());
        assert!(ensure_same_columns(&schema(&[]), &schema(&[])).is_ok());
        let other = field("S", DataType::Utf8, true);
        assert!(ensure_same_columns(&both, &schema(&[&n, &other])).is_err());
    }

    #[test]
    fn what_may_be_null_and_metadata_do_not_count() {
        let plain = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
        let labelled = Field::new("n", DataType::Int64, false)
            .with_metadata([("k".to_owned(), "v".to_owned())].into());
        let labelled = Schema::new(vec![labelled]).with_metadata([("k".into(), "v".into())].into());
        assert_eq!(ensure_same_columns(&plain, &labelled), Ok(()));
    }

    #[test]
    fn plain_types_are_compared_with_their_parameters() {
        assert!(agree(
            DataType::Decimal128(10, 2),
            DataType::Decimal128(10, 2)
        ));
        assert!(!agree(
            DataType::Decimal128(10, 2),
            DataType::Decimal128(10, 3)
        ));
        assert!(!agree(DataType::Utf8, DataType::Utf8View));
        let stamp =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        assert!(!agree(stamp(None), stamp(Some("UTC"))));
        let dictionary = |value| DataType::Dictionary(Box::new(DataType::Int32), Box::new(value));
        assert!(!agree(dictionary(DataType::Utf8), DataType::Utf8));
    }

    #[test]
    fn structs_are_compared_field_by_field() {
        let of = |name: &str, data_type, is_nullable| {
            DataType::Struct(vec![field(name, data_type, is_nullable)].into())
        };
        let number = of("a", DataType::Int64, true);
        assert!(agree(number.clone(), of("a", DataType::Int64, false)));
        assert!(!agree(number.clone(), of("b", DataType::Int64, true)));
        assert!(!agree(number.clone(), of("a", DataType::Int32, true)));
        assert!(!agree(number.clone(), DataType::Struct(Fields::empty())));
        assert!(agree(of("s", number.clone(), true), of("s", number, false)));
    }

    #[test]
    fn lists_are_compared_by_kind_and_item_and_not_by_its_name() {
        let list = |name: &str, data_type| DataType::List(field(name, data_type, true));
        assert!(agree(
            list("item", DataType::Int64),
            list("element", DataType::Int64)
        ));
        assert!(!agree(
            list("item", DataType::Int64),
            list("item", DataType::Utf8)
        ));
        let large = DataType::LargeList(field("item", DataType::Int64, true));
        assert!(!agree(list("item", DataType::Int64), large));
        let view = |item: &str| DataType::ListView(field(item, DataType::Int64, false));
        assert!(agree(view("item"), view("element")));
        let fixed = |size| DataType::FixedSizeList(field("item", DataType::Int64, true), size);
        assert!(agree(fixed(2), fixed(2)));
        assert!(!agree(fixed(2), fixed(3)));
    }

    #[test]
    fn the_names_inside_a_map_mean_nothing() {
        let map = |names: [&str; 3], value, is_sorted| {
            let pair = vec![
                field(names[1], DataType::Utf8, false),
                field(names[2], value, true),
            ];
            let pairs = field(names[0], DataType::Struct(pair.into()), false);
            DataType::Map(pairs, is_sorted)
        };
        let spark = map(["key_value", "key", "value"], DataType::Int64, false);
        assert!(agree(
            spark.clone(),
            map(["entries", "keys", "values"], DataType::Int64, false)
        ));
        assert!(!agree(
            spark.clone(),
            map(["key_value", "key", "value"], DataType::Utf8, false)
        ));
        assert!(!agree(
            spark.clone(),
            map(["key_value", "key", "value"], DataType::Int64, true)
        ));
        assert!(!agree(
            spark,
            DataType::Map(field("e", DataType::Int64, false), false)
        ));
    }

    #[test]
    fn an_error_shows_both_sides() {
        let schema = |name: &str, data_type| Schema::new(vec![Field::new(name, data_type, true)]);
        let error =
            ensure_same_columns(&schema("n", DataType::Int64), &schema("m", DataType::Utf8));
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "(n Int64) in the session, (m Utf8) in the engine"
        );
    }
}
