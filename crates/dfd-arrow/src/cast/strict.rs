//! Arrow's own cast, with the row that it fails at.

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::inexact::Inexact;

/// The array as Arrow casts it, or the first row that it refuses.
pub(super) fn strict(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = |array: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        if !can_cast_types(array.data_type(), to) {
            let text = format!("{} can't become {to}", array.data_type());
            return Err(ArrowError::CastError(text));
        }
        cast_with_options(array, to, &options)
    };
    cast(array).map_err(|error| {
        let row = first_bad(array.len(), |rows| cast(&array.slice(0, rows)).is_ok());
        match cast(&array.slice(row, 1)) {
            Err(_) => Inexact::value(array, row, to),
            // Only all rows together are too many, as bytes of text or keys of a dictionary.
            Ok(_) => Inexact::new(row, error.to_string()),
        }
    })
}

/// The first row up to which not all is well; `fine` tells of the first rows.
pub(super) fn first_bad(rows: usize, fine: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, rows);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if fine(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}
