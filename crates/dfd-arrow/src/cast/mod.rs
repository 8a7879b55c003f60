//! Casts that keep every value, or name the first one that they can't keep.
//!
//! Arrow's own cast truncates time stamps to a coarser unit, floats to integers and decimals to
//! fewer digits without a word, and its errors don't say where. Here a value is kept where
//! casting it back gives it again; text is kept where all of it was read.

mod inexact;
mod nested;
mod nulls;
mod parse;
mod primitive;
mod strict;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::datatypes::DataType;

pub use inexact::Inexact;
pub(crate) use nulls::not_null;
use strict::strict;

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
        (_, Dictionary(_, value)) if primitive::fits_dictionary(value) => castable(from, value),
        (Struct(from), Struct(to)) => nested::structs_castable(from, to, castable),
        (Map(from, sorted), Map(to, to_sorted)) if *sorted || !to_sorted => {
            nested::maps_castable(from, to, castable)
        }
        _ => match (nested::item(from), nested::item(to)) {
            (Some(from), Some(to)) => {
                castable(from.data_type(), to.data_type()).map_err(|why| format!("[]{why}"))
            }
            (None, None) if primitive::castable(from, to) => Ok(()),
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
        (Struct(_), Struct(fields)) => nested::structs(array.as_struct(), fields, exact_cast),
        (Map(_, _), Map(entries, sorted)) => {
            nested::maps(array.as_map(), entries, *sorted, exact_cast)
        }
        _ => match (nested::item(from), nested::item(to)) {
            (Some(item), Some(to_item)) => nested::lists(array, item, to, to_item, exact_cast),
            _ => primitive::cast(array, to),
        },
    }
}
