//! Columns by name, types by exact cast.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// Why a stream can't have the schema that is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// A column would be dropped.
    #[error("the stream has a column `{0}` that the target schema lacks; project it away first")]
    Extra(String),
    /// Two columns of the stream have one name.
    #[error("the stream has two columns named `{0}`; rename one")]
    Ambiguous(String),
    /// A column that may not be null isn't there.
    #[error("the stream lacks the column `{0}`, which may not be null")]
    Missing(String),
    /// No cast leads from one type to the other.
    #[error("the column `{name}` is {from} and can't become {to}")]
    Type {
        /// The column.
        name: String,
        /// Its type in the stream.
        from: DataType,
        /// Its type in the target schema.
        to: DataType,
    },
    /// A value doesn't fit the target type.
    #[error("the column `{name}` has a value that doesn't fit {to}: {source}")]
    Value {
        /// The column.
        name: String,
        /// Its type in the target schema.
        to: DataType,
        /// What the cast says.
        source: ArrowError,
    },
    /// A null where none may be.
    #[error("the column `{0}` has a null and may not be null")]
    Null(String),
    /// Batches of no rows would never end.
    #[error("batch_rows is at least 1")]
    NoRows,
    /// A batch could not be put together.
    #[error("a batch of the target schema can't be made: {0}")]
    Batch(#[from] ArrowError),
}

impl From<AlignError> for ArrowError {
    fn from(error: AlignError) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// Fail early where no batch of `from` can become one of `to`.
pub fn check(from: &Schema, to: &Schema) -> Result<(), AlignError> {
    for (position, field) in from.fields().iter().enumerate() {
        if to.column_with_name(field.name()).is_none() {
            return Err(AlignError::Extra(field.name().clone()));
        }
        if from.index_of(field.name())? != position {
            return Err(AlignError::Ambiguous(field.name().clone()));
        }
    }
    for field in to.fields() {
        match from.column_with_name(field.name()) {
            None if !field.is_nullable() => return Err(AlignError::Missing(field.name().clone())),
            Some((_, old)) if !can_cast_types(old.data_type(), field.data_type()) => {
                return Err(AlignError::Type {
                    name: field.name().clone(),
                    from: old.data_type().clone(),
                    to: field.data_type().clone(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The batch with the columns of `to`, values unchanged.
pub fn align(batch: &RecordBatch, to: &SchemaRef) -> Result<RecordBatch, AlignError> {
    if batch.schema_ref() == to {
        return Ok(batch.clone());
    }
    let columns = to
        .fields()
        .iter()
        .map(|field| column(batch, field))
        .collect::<Result<Vec<_>, _>>()?;
    // A batch without columns still has rows.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(to),
        columns,
        &options,
    )?)
}

fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, AlignError> {
    let Some(array) = batch.column_by_name(field.name()) else {
        return Ok(new_null_array(field.data_type(), batch.num_rows()));
    };
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = cast_with_options(array, field.data_type(), &strict).map_err(|source| {
        AlignError::Value {
            name: field.name().clone(),
            to: field.data_type().clone(),
            source,
        }
    })?;
    if !field.is_nullable() && cast.logical_null_count() > 0 {
        return Err(AlignError::Null(field.name().clone()));
    }
    Ok(cast)
}
