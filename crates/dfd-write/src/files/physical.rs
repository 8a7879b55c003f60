//! Rows of the table with the names and types that its files have.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

/// Gives the columns of a batch the names and types of a file.
///
/// # Errors
/// The types differ in more than names.
pub(crate) fn to_physical(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let pairs = batch.columns().iter().zip(schema.fields());
    let columns = pairs.map(|(column, field)| rename_fields(column, field.data_type()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns.collect::<Result<_, _>>()?,
        &options,
    )
}

/// Renames the fields inside a column, which column mapping gives other names too.
fn rename_fields(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    Ok(match data_type {
        DataType::Struct(fields) => {
            let inner = array.as_struct();
            let pairs = inner.columns().iter().zip(fields);
            let columns = pairs.map(|(column, field)| rename_fields(column, field.data_type()));
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns.collect::<Result<_, _>>()?,
                inner.nulls().cloned(),
                inner.len(),
            )?)
        }
        DataType::List(field) if matches!(array.data_type(), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                rename_fields(list.values(), field.data_type())?,
                list.nulls().cloned(),
            )?)
        }
        DataType::Map(field, is_sorted) if matches!(array.data_type(), DataType::Map(..)) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                map.offsets().clone(),
                rename_fields(&entries, field.data_type())?
                    .as_struct()
                    .clone(),
                map.nulls().cloned(),
                *is_sorted,
            )?)
        }
        other => {
            return Err(ArrowError::CastError(format!(
                "{} can't be written as {other}",
                array.data_type()
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, Schema};

    use crate::testing::{batch, int64s};

    #[test]
    fn names_change_at_every_depth_and_values_do_not() {
        let named = |name: &str| Field::new(name, DataType::Int64, true);
        let structs =
            |name: &str| StructArray::from(vec![(Arc::new(named(name)), int64s([Some(1), None]))]);
        let list = |name: &str| {
            let inner: ArrayRef = Arc::new(structs(name));
            let item = Arc::new(Field::new("element", inner.data_type().clone(), true));
            let offsets = arrow::buffer::OffsetBuffer::new(vec![0, 2].into());
            ListArray::new(item, offsets, inner, None)
        };
        let logical = batch(vec![
            ("l", Arc::new(list("x")) as ArrayRef),
            ("a", int64s([Some(5)])),
        ]);
        let physical = Arc::new(Schema::new(vec![
            Field::new("col-1", list("col-2").data_type().clone(), true),
            named("col-3"),
        ]));
        let renamed = to_physical(&logical, &physical).unwrap();
        assert_eq!(renamed.schema(), physical);
        assert_eq!(renamed.column(0).as_list::<i32>(), &list("col-2"));
        assert_eq!(renamed.column(1), logical.column(1));
    }

    #[test]
    fn other_types_are_an_error() {
        let rows = batch(vec![("a", int64s([Some(5)]))]);
        let text = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        assert!(to_physical(&rows, &text).is_err());
    }

    #[test]
    fn rows_without_columns_keep_their_number() {
        let none = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&none), Vec::new(), &options);
        assert_eq!(to_physical(&rows.unwrap(), &none).unwrap().num_rows(), 3);
    }
}
