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
