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
        if array.is_empty() {
            return error.into();
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn the_first_bad_row_is_found_by_halves() {
        for rows in [1, 2, 3, 100, 1000] {
            for bad in [0, 1, rows / 2, rows - 1] {
                let bad = bad.min(rows - 1);
                assert_eq!(
                    first_bad(rows, |first| first <= bad),
                    bad,
                    "{bad} of {rows}"
                );
            }
        }
    }

    #[test]
    fn an_error_names_the_first_row_that_arrow_refuses() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "2", "three", "four"]));
        let error = strict(&texts, &DataType::Int32).err();
        let found = error.map(|error| (error.row, error.reason));
        assert_eq!(found, Some((2, "\"three\" doesn't fit Int32".to_owned())));
    }

    #[test]
    fn types_without_a_cast_are_an_error_and_no_panic() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let struct_type = DataType::Struct(arrow::datatypes::Fields::empty());
        for array in [&numbers, &numbers.slice(0, 0)] {
            assert!(strict(array, &struct_type).is_err());
        }
    }
}
