//! Batches aligned to a schema: columns by name, types by exact cast.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::cast::{Inexact, castable, exact_cast, not_null};

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
    #[error("the column `{name}`{reason}")]
    Type {
        /// The column.
        name: String,
        /// What has no way, with the path of the nested field.
        reason: String,
    },
    /// A value doesn't fit the target type.
    #[error("the column `{name}`{path} in row {row} of the stream: {reason}")]
    Value {
        /// The column.
        name: String,
        /// Where below it.
        path: String,
        /// The row, counted from 0 since the stream began.
        row: u64,
        /// The value, and what it isn't.
        reason: String,
    },
    /// Batches of no rows would never end.
    #[error("batch_rows is at least 1")]
    NoRows,
    /// A batch isn't what the stream said it would be.
    #[error("the batch after row {row} of the stream isn't as its schema says: {source}")]
    Batch {
        /// Rows that came before it.
        row: u64,
        /// What is wrong.
        source: ArrowError,
    },
}

impl From<AlignError> for ArrowError {
    fn from(error: AlignError) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// Checks before any batch is read: fail where no batch of `from` can become one of `to`.
pub fn check(from: &Schema, to: &Schema) -> Result<(), AlignError> {
    let found = |name: &str| from.fields().find(name);
    for (position, field) in from.fields().iter().enumerate() {
        let name = field.name();
        if to.fields().find(name).is_none() {
            return Err(AlignError::Extra(name.clone()));
        }
        if found(name).is_some_and(|(first, _)| first != position) {
            return Err(AlignError::Ambiguous(name.clone()));
        }
    }
    for field in to.fields() {
        let name = field.name().clone();
        match found(&name) {
            None if !field.is_nullable() => return Err(AlignError::Missing(name)),
            None => {}
            Some((_, old)) => castable(old.data_type(), field.data_type())
                .map_err(|reason| AlignError::Type { name, reason })?,
        }
    }
    Ok(())
}

/// The batch with the columns of `to`, values unchanged; `first_row` rows came before it.
pub fn align(
    batch: &RecordBatch,
    to: &SchemaRef,
    first_row: u64,
) -> Result<RecordBatch, AlignError> {
    if batch.schema_ref() == to {
        return Ok(batch.clone());
    }
    let columns = to
        .fields()
        .iter()
        .map(|field| {
            column(batch, field).map_err(|bad| AlignError::Value {
                name: field.name().clone(),
                path: bad.path,
                row: first_row + bad.row as u64,
                reason: bad.reason,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    // A batch without columns still has rows.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(to), columns, &options).map_err(|source| {
        AlignError::Batch {
            row: first_row,
            source,
        }
    })
}

fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, Inexact> {
    let Some(array) = batch.column_by_name(field.name()) else {
        return Ok(new_null_array(field.data_type(), batch.num_rows()));
    };
    not_null(&exact_cast(array, field.data_type())?, None, field)
}
