//! Casts that keep every value, or name the first one that they can't keep.
//!
//! Arrow's own cast truncates time stamps to a coarser unit, floats to integers and decimals to
//! fewer digits without a word, and its errors don't say where. Here a value is kept where
//! casting it back gives it again; text is kept where all of it was read.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::leaf;
use crate::nested;

/// A value that another type doesn't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inexact {
    /// The first such row of the array.
    pub row: usize,
    /// Where below the column: empty, or like `.price` and `[].price` in structs and lists.
    pub path: String,
    /// The value, and what it isn't.
    pub reason: String,
}

impl Inexact {
    pub(crate) fn new(row: usize, reason: impl Into<String>) -> Self {
        Self {
            row,
            path: String::new(),
            reason: reason.into(),
        }
    }

    pub(crate) fn under(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }

    pub(crate) fn at(mut self, row: usize) -> Self {
        self.row = row;
        self
    }
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.reason)
    }
}

impl std::error::Error for Inexact {}

/// Whether [`exact_cast`] has a way from one type to the other.
///
/// # Errors
/// The reason, with the path of the nested field that has none.
pub fn castable(from: &DataType, to: &DataType) -> Result<(), String> {
    use DataType::{Dictionary, Map, Null, RunEndEncoded, Struct};
    if from == to {
        return Ok(());
    }
    match (from, to) {
        (Null, _) => Ok(()),
        (Dictionary(_, from), _) => castable(from, to),
        (RunEndEncoded(_, values), _) => castable(values.data_type(), to),
        (_, Dictionary(_, value)) if leaf::packs(value) => castable(from, value),
        (Struct(from), Struct(to)) => nested::structs_castable(from, to),
        (Map(from, sorted), Map(to, to_sorted)) if *sorted || !to_sorted => {
            nested::maps_castable(from, to)
        }
        _ => match (nested::item(from), nested::item(to)) {
            (Some(from), Some(to)) => {
                castable(from.data_type(), to.data_type()).map_err(|why| format!("[]{why}"))
            }
            (None, None) if leaf::castable(from, to) => Ok(()),
            _ => Err(format!(" is {from} and can't become {to}")),
        },
    }
}

/// The array in another type with every value kept; types as [`castable`] allows.
///
/// Values that nobody sees (under a null, outside of a slice) are not looked at. A null in a nested
/// field that may have none is refused; nulls of the array itself are the caller's affair.
///
/// # Errors
/// The first row that can't be kept.
pub fn exact_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    use DataType::{Dictionary, Map, Null, RunEndEncoded, Struct};
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    match (from, to) {
        (Null, _) => Ok(new_null_array(to, array.len())),
        (Dictionary(_, value), Dictionary(_, to_value)) if value == to_value => strict(array, to),
        (Dictionary(_, value), _) => exact_cast(&strict(array, value)?, to),
        (RunEndEncoded(_, values), _) => exact_cast(&strict(array, values.data_type())?, to),
        (_, Dictionary(_, value)) => strict(&exact_cast(array, value)?, to),
        (Struct(_), Struct(fields)) => nested::structs(array.as_struct(), fields),
        (Map(_, _), Map(entries, sorted)) => nested::maps(array.as_map(), entries, *sorted),
        _ => match (nested::item(from), nested::item(to)) {
            (Some(item), Some(_)) => nested::lists(array, item, to),
            _ => leaf::cast(array, to),
        },
    }
}

/// Arrow's cast, with the row that it fails at.
pub(crate) fn strict(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
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
            Err(_) => Inexact::new(row, leaf::doesnt_fit(array, row, to)),
            // Only all rows together are too many, as bytes of text or keys of a dictionary.
            Ok(_) => Inexact::new(row, error.to_string()),
        }
    })
}

/// The first row up to which not all is well; `fine` tells of the first rows.
pub(crate) fn first_bad(rows: usize, fine: impl Fn(usize) -> bool) -> usize {
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
