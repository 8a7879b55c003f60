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
