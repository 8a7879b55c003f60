//! Nulls in fields that may have none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Field;

use super::inexact::Inexact;

/// The values themselves, unless `field` may not be null and one is, where its parent isn't.
pub(crate) fn not_null(
    values: &ArrayRef,
    parents: Option<&NullBuffer>,
    field: &Field,
) -> Result<ArrayRef, Inexact> {
    if field.is_nullable() {
        return Ok(Arc::clone(values));
    }
    match first_null(values, parents) {
        Some(row) => Err(Inexact::new(row, "it is null and may not be")),
        None => Ok(Arc::clone(values)),
    }
}

/// The first row with a null whose parent isn't null.
fn first_null(values: &ArrayRef, parents: Option<&NullBuffer>) -> Option<usize> {
    let nulls = values
        .logical_nulls()
        .filter(|nulls| nulls.null_count() > 0)?;
    let is_seen = |row: usize| parents.is_none_or(|parents| parents.is_valid(row));
    (0..values.len()).find(|row| nulls.is_null(*row) && is_seen(*row))
}
