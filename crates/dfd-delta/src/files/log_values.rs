//! Values as the log writes them, read as Arrow's.
//!
//! Protocol, "Partition Value Serialization" and "Per-file Statistics". What can't be read right
//! is no value: a statistic is left out, a partition value is an error.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use serde_json::Value;

/// A partition value; null for an absent or empty text, whatever the type.
pub(crate) fn partition_value(text: Option<&str>, data_type: &DataType) -> Option<ScalarValue> {
    match text {
        None | Some("") => ScalarValue::try_from(data_type).ok(),
        Some(text) => match data_type {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => None,
            _ => ScalarValue::try_from_string(text.to_owned(), data_type).ok(),
        },
    }
}

/// A lower or upper bound of a column in one file, and whether it is a value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    /// Not null, and of the column's type.
    pub value: ScalarValue,
    /// False when a writer may have cut or rounded it.
    pub is_exact: bool,
}

/// Which end of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The smallest value.
    Least,
    /// The largest value.
    Greatest,
}

/// A bound as the statistics have it; None where none can be relied on.
pub(crate) fn bound(json: &Value, data_type: &DataType, end: End) -> Option<Bound> {
    let text = match json {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => return None,
    };
    match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Boolean => known(ScalarValue::try_from_string(text, data_type).ok()?, true),
        // Writers cut a text to a prefix and make the upper bound larger; NaN and the sign of zero
        // are left out of the bounds of floats; a decimal may have gone through a float.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            known(ScalarValue::try_from_string(text, data_type).ok()?, false)
        }
        // Up to 15 digits survive a float.
        DataType::Decimal128(precision, _) if *precision <= 15 => {
            known(ScalarValue::try_from_string(text, data_type).ok()?, false)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => timestamp(text, data_type, end),
        _ => None,
    }
}

fn known(value: ScalarValue, is_exact: bool) -> Option<Bound> {
    (!value.is_null()).then_some(Bound { value, is_exact })
}

/// Spark cuts timestamps to milliseconds, so that rows may lie up to one above the upper bound.
fn timestamp(text: String, data_type: &DataType, end: End) -> Option<Bound> {
    let value = ScalarValue::try_from_string(text, data_type).ok()?;
    let ScalarValue::TimestampMicrosecond(Some(micros), zone) = value else {
        return None;
    };
    let micros = match end {
        End::Least => micros,
        End::Greatest => micros.checked_add(999)?,
    };
    known(ScalarValue::TimestampMicrosecond(Some(micros), zone), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_and_absent_partition_values_are_null() {
        for text in [None, Some("")] {
            assert_eq!(
                partition_value(text, &DataType::Utf8),
                Some(ScalarValue::Utf8(None))
            );
        }
        assert_eq!(
            partition_value(Some("-7"), &DataType::Int64),
            Some(ScalarValue::Int64(Some(-7)))
        );
        assert_eq!(partition_value(Some("x"), &DataType::Int64), None);
        assert_eq!(partition_value(Some("x"), &DataType::Binary), None);
    }

    #[test]
    fn bounds_are_exact_only_where_no_writer_rounds() {
        let int = bound(&json!(5), &DataType::Int32, End::Least);
        assert_eq!(
            int,
            Some(Bound {
                value: ScalarValue::Int32(Some(5)),
                is_exact: true
            })
        );
        let text = bound(&json!("abc"), &DataType::Utf8, End::Greatest);
        assert!(text.is_some_and(|bound| !bound.is_exact));
        assert_eq!(bound(&json!(0.5), &DataType::Float64, End::Least), None);
        assert_eq!(bound(&json!(300), &DataType::Int8, End::Least), None);
        assert_eq!(bound(&json!(null), &DataType::Int8, End::Least), None);
    }

    #[test]
    fn upper_bounds_of_timestamps_cover_what_milliseconds_cut_off() {
        let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let text = json!("2020-01-01T00:00:00.001Z");
        let micros = |end| bound(&text, &kind, end).map(|found| found.value);
        let at = 1_577_836_800_001_000;
        assert_eq!(
            micros(End::Least),
            Some(ScalarValue::TimestampMicrosecond(
                Some(at),
                Some("UTC".into())
            ))
        );
        assert_eq!(
            micros(End::Greatest),
            Some(ScalarValue::TimestampMicrosecond(
                Some(at + 999),
                Some("UTC".into())
            ))
        );
    }
}
