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

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn a_null_counts_where_its_parent_is_there() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1), None]));
        let parents = |valid: [bool; 3]| NullBuffer::from(valid.to_vec());
        assert_eq!(first_null(&values, None), Some(0));
        assert_eq!(
            first_null(&values, Some(&parents([false, true, true]))),
            Some(2)
        );
        assert_eq!(
            first_null(&values, Some(&parents([false, true, false]))),
            None
        );
    }

    #[test]
    fn only_fields_that_may_not_be_null_are_looked_at() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let field = Field::new("n", DataType::Int32, true);
        assert!(not_null(&values, None, &field).is_ok());
        let refused = not_null(&values, None, &field.with_nullable(false));
        assert_eq!(refused.err().map(|error| error.row), Some(1));
    }
}
