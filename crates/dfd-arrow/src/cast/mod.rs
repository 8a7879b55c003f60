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
mod widening;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::datatypes::DataType;

pub use inexact::Inexact;
pub(crate) use nulls::not_null;
use strict::strict;
pub use widening::widens;

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

#[cfg(test)]
mod tests {
    use arrow::array::{
        DictionaryArray, Int32Array, Int64Array, NullArray, RunArray, StringArray, new_empty_array,
    };
    use arrow::datatypes::{Field, Fields, Int8Type, Int32Type, TimeUnit};

    use super::*;

    fn dictionary(value: DataType) -> DataType {
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(value))
    }

    fn some_types() -> Vec<DataType> {
        let item = |inner| Arc::new(Field::new("item", inner, true));
        let price = Fields::from(vec![Field::new("price", DataType::Int32, true)]);
        vec![
            DataType::Null,
            DataType::Boolean,
            DataType::Int8,
            DataType::UInt32,
            DataType::Int64,
            DataType::Float16,
            DataType::Float64,
            DataType::Decimal128(10, 2),
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Binary,
            DataType::BinaryView,
            DataType::FixedSizeBinary(3),
            DataType::Date32,
            DataType::Date64,
            DataType::Timestamp(TimeUnit::Millisecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::Timestamp(TimeUnit::Second, Some("Asia/Tokyo".into())),
            DataType::Time32(TimeUnit::Millisecond),
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Duration(TimeUnit::Second),
            DataType::List(item(DataType::Int32)),
            DataType::LargeList(item(DataType::Utf8)),
            DataType::FixedSizeList(item(DataType::Int64), 2),
            DataType::ListView(item(DataType::Int64)),
            DataType::Struct(price.clone()),
            DataType::List(item(DataType::Struct(price))),
            dictionary(DataType::Utf8),
            dictionary(DataType::Int64),
            dictionary(DataType::Boolean),
            dictionary(DataType::BinaryView),
        ]
    }

    #[test]
    fn a_cast_that_is_promised_is_there_and_one_that_is_not_is_refused() {
        for from in &some_types() {
            for to in &some_types() {
                let cast = exact_cast(&new_empty_array(from), to);
                match castable(from, to) {
                    Ok(()) => assert_eq!(cast.unwrap().data_type(), to, "{from} to {to}"),
                    Err(why) => assert!(why.contains("can't become"), "{from} to {to}: {why}"),
                }
                let nulls = exact_cast(&arrow::array::new_null_array(from, 2), to);
                if castable(from, to).is_ok() {
                    assert_eq!(nulls.unwrap().logical_null_count(), 2, "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_column_of_nulls_is_a_column_of_nulls_of_any_type() {
        let nulls: ArrayRef = Arc::new(NullArray::new(3));
        for to in some_types() {
            assert_eq!(castable(&DataType::Null, &to), Ok(()));
            assert_eq!(
                exact_cast(&nulls, &to).unwrap().logical_null_count(),
                3,
                "{to}"
            );
        }
    }

    #[test]
    fn dictionaries_are_looked_into_and_made() {
        let coded: DictionaryArray<Int8Type> = ["7", "8", "7"].into_iter().collect();
        let coded: ArrayRef = Arc::new(coded);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 7]));
        assert_eq!(exact_cast(&coded, &DataType::Int64).as_ref(), Ok(&numbers));
        let packed = exact_cast(&numbers, &dictionary(DataType::Utf8)).unwrap();
        assert_eq!(&packed, &coded);
        assert!(castable(&DataType::Int64, &dictionary(DataType::BinaryView)).is_err());
    }

    #[test]
    fn more_values_than_keys_are_an_error() {
        let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
        assert!(exact_cast(&many, &dictionary(DataType::Int64)).is_err());
    }

    #[test]
    fn runs_are_looked_into() {
        let ends = Int32Array::from(vec![2, 3]);
        let values = StringArray::from(vec!["1", "x"]);
        let runs: ArrayRef = Arc::new(RunArray::<Int32Type>::try_new(&ends, &values).unwrap());
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "1", "x"]));
        assert_eq!(exact_cast(&runs, &DataType::Utf8), Ok(texts));
        let error = exact_cast(&runs, &DataType::Int64).unwrap_err();
        assert_eq!(error.row, 2);
    }
}
