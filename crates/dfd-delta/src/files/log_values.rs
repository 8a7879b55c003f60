//! Values as the log writes them, read as Arrow's.
//!
//! Protocol, "Partition Value Serialization" and "Per-file Statistics". What can't be read right
//! is no value: a statistic is left out, a partition value is an error.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;
use dfd_arrow::exact_cast;
use serde_json::Value;

/// A partition value; null for an absent or empty text, whatever the type.
pub(crate) fn partition_value(text: Option<&str>, data_type: &DataType) -> Option<ScalarValue> {
    match text {
        None | Some("") => ScalarValue::try_from(data_type).ok(),
        Some(text) => match data_type {
            DataType::Binary => Some(ScalarValue::Binary(Some(text.into()))),
            _ => value(text, data_type).or_else(|| far_time(text, data_type)),
        },
    }
}

/// The value that a text says.
fn value(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    if data_type.is_decimal() {
        // Java writes 1E+3 and 0E-10, and of more digits than the type has none may be lost.
        let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let read = exact_cast(&texts, data_type).ok()?;
        return ScalarValue::try_from_array(&read, 0).ok();
    }
    ScalarValue::try_from_string(text.to_owned(), data_type).ok()
}

/// A date or time whose year has a sign or more than four digits, which Arrow doesn't read.
fn far_time(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    if let DataType::Date32 = data_type {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        return Some(ScalarValue::Date32(Some(i32::try_from(days).ok()?)));
    }
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = data_type else {
        return None;
    };
    let text = text.trim_end_matches('Z');
    let read = |format| NaiveDateTime::parse_from_str(text, format).ok();
    let time = read("%Y-%m-%d %H:%M:%S%.f").or_else(|| read("%Y-%m-%dT%H:%M:%S%.f"))?;
    let micros = time.and_utc().timestamp_micros();
    Some(ScalarValue::TimestampMicrosecond(
        Some(micros),
        zone.clone(),
    ))
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
        | DataType::Boolean => known(ScalarValue::try_from_string(text, data_type).ok()?, true),
        DataType::Date32 => match value(&text, data_type)? {
            ScalarValue::Date32(Some(day)) if !SURE_DAYS.contains(&day) => None,
            value => known(value, true),
        },
        // Writers cut a text to a prefix and make the upper bound larger; NaN and the sign of zero
        // are left out of the bounds of floats; a decimal may have gone through a float.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            json.as_str()?;
            known(ScalarValue::try_from_string(text, data_type).ok()?, false)
        }
        // Up to 15 digits survive a float.
        DataType::Decimal128(precision, _) if *precision <= 15 => {
            known(value(&text, data_type)?, false)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => timestamp(&text, data_type, end),
        _ => None,
    }
}

fn known(value: ScalarValue, is_exact: bool) -> Option<Bound> {
    (!value.is_null()).then_some(Bound { value, is_exact })
}

/// From 1582-10-15 to 9999-12-31. Of the days before, Spark's older files have others than the log:
/// those of the Julian calendar. Later ones are of writers who took seconds for milliseconds.
const SURE_DAYS: RangeInclusive<i32> = -141_427..=2_932_896;

/// From 1900 to 9999. The times before are others too in Spark's older files, by calendar and zone.
const SURE_MICROSECONDS: RangeInclusive<i64> = -2_208_988_800_000_000..=253_402_300_799_999_999;

/// Spark cuts timestamps to milliseconds, so that rows may lie up to one above the upper bound.
fn timestamp(text: &str, data_type: &DataType, end: End) -> Option<Bound> {
    let ScalarValue::TimestampMicrosecond(Some(micros), zone) = value(text, data_type)? else {
        return None;
    };
    if !SURE_MICROSECONDS.contains(&micros) {
        return None;
    }
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

    fn read(text: &str, data_type: &DataType) -> Option<ScalarValue> {
        partition_value(Some(text), data_type)
    }

    #[test]
    fn partition_values_of_every_type() {
        let micros =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let utc = |value| ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into()));
        let local = |value| ScalarValue::TimestampMicrosecond(Some(value), None);
        let day = |value| ScalarValue::Date32(Some(value));
        let cases = [
            ("a b%", DataType::Utf8, ScalarValue::from("a b%")),
            (" ", DataType::Utf8, ScalarValue::from(" ")),
            ("-128", DataType::Int8, ScalarValue::Int8(Some(-128))),
            ("32767", DataType::Int16, ScalarValue::Int16(Some(i16::MAX))),
            ("0", DataType::Int32, ScalarValue::Int32(Some(0))),
            (
                "-9223372036854775808",
                DataType::Int64,
                ScalarValue::Int64(Some(i64::MIN)),
            ),
            ("1.5", DataType::Float32, ScalarValue::Float32(Some(1.5))),
            (
                "1.0E-5",
                DataType::Float64,
                ScalarValue::Float64(Some(1e-5)),
            ),
            (
                "Infinity",
                DataType::Float64,
                ScalarValue::Float64(Some(f64::INFINITY)),
            ),
            (
                "-Infinity",
                DataType::Float64,
                ScalarValue::Float64(Some(f64::NEG_INFINITY)),
            ),
            ("true", DataType::Boolean, ScalarValue::Boolean(Some(true))),
            (
                "false",
                DataType::Boolean,
                ScalarValue::Boolean(Some(false)),
            ),
            ("2020-02-29", DataType::Date32, day(18_321)),
            ("1969-12-31", DataType::Date32, day(-1)),
            ("0001-01-01", DataType::Date32, day(-719_162)),
            ("9999-12-31", DataType::Date32, day(2_932_896)),
            (
                "-1.50",
                DataType::Decimal128(5, 2),
                ScalarValue::Decimal128(Some(-150), 5, 2),
            ),
            (
                "-0.5",
                DataType::Decimal128(5, 2),
                ScalarValue::Decimal128(Some(-50), 5, 2),
            ),
            (
                "7",
                DataType::Decimal128(5, 2),
                ScalarValue::Decimal128(Some(700), 5, 2),
            ),
            // As Java writes decimals.
            (
                "1.2E+3",
                DataType::Decimal128(10, 0),
                ScalarValue::Decimal128(Some(1200), 10, 0),
            ),
            (
                "0E-10",
                DataType::Decimal128(38, 10),
                ScalarValue::Decimal128(Some(0), 38, 10),
            ),
            (
                "-1.2E-7",
                DataType::Decimal128(38, 10),
                ScalarValue::Decimal128(Some(-1200), 38, 10),
            ),
            (
                "x",
                DataType::Binary,
                ScalarValue::Binary(Some(b"x".into())),
            ),
            ("1970-01-01 00:00:01", micros(None), local(1_000_000)),
            ("1970-01-01 00:00:01.5", micros(Some("UTC")), utc(1_500_000)),
            ("1970-01-01T00:00:00.000001Z", micros(Some("UTC")), utc(1)),
            ("1970-01-01 02:00:00+02:00", micros(Some("UTC")), utc(0)),
            (
                "0001-01-01 00:00:00",
                micros(None),
                local(-62_135_596_800_000_000),
            ),
            (
                "9999-12-31 23:59:59.999999",
                micros(None),
                local(253_402_300_799_999_999),
            ),
            // Spark's years have signs before 0 and after 9999.
            (
                "-9999-12-31 23:59:59.999999",
                micros(None),
                local(-377_673_580_800_000_001),
            ),
            (
                "+10000-01-01T00:00:00.5Z",
                micros(Some("UTC")),
                utc(253_402_300_800_500_000),
            ),
            ("-0001-01-01", DataType::Date32, day(-719_893)),
        ];
        for (text, data_type, expected) in cases {
            assert_eq!(
                read(text, &data_type),
                Some(expected),
                "{text} as {data_type}"
            );
        }
        let Some(ScalarValue::Float64(Some(number))) = read("NaN", &DataType::Float64) else {
            unreachable!("NaN is a value of a partition");
        };
        assert!(number.is_nan());
    }

    #[test]
    fn what_is_no_value_of_the_type_is_none() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let cases = [
            ("128", DataType::Int8),
            ("1.5", DataType::Int32),
            ("9223372036854775808", DataType::Int64),
            ("yess", DataType::Boolean),
            ("2021-02-29", DataType::Date32),
            (
                "2020-01-01 25:00:00",
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ),
            ("1234.5", DataType::Decimal128(5, 2)),
            ("one", DataType::Decimal128(5, 2)),
            ("1.505", DataType::Decimal128(5, 2)),
            ("1E+3", DataType::Decimal128(5, 2)),
            ("-9999-13-31", DataType::Date32),
            ("+10000-01-01 24:00:00", micros),
        ];
        for (text, data_type) in cases {
            assert_eq!(read(text, &data_type), None, "{text} as {data_type}");
        }
        for data_type in [
            DataType::Binary,
            DataType::Date32,
            DataType::Decimal128(5, 2),
        ] {
            let null = partition_value(None, &data_type).unwrap();
            assert!(null.is_null());
            assert_eq!(null.data_type(), data_type);
        }
    }

    #[test]
    fn bounds_of_every_type() {
        let least = |json: Value, data_type: DataType| {
            bound(&json, &data_type, End::Least).map(|found| (found.value, found.is_exact))
        };
        let exact = |value| Some((value, true));
        let about = |value| Some((value, false));
        assert_eq!(
            least(json!(-1), DataType::Int8),
            exact(ScalarValue::Int8(Some(-1)))
        );
        assert_eq!(
            least(json!(7), DataType::Int16),
            exact(ScalarValue::Int16(Some(7)))
        );
        assert_eq!(
            least(json!(i64::MAX), DataType::Int64),
            exact(ScalarValue::Int64(Some(i64::MAX)))
        );
        assert_eq!(
            least(json!("5"), DataType::Int64),
            exact(ScalarValue::Int64(Some(5)))
        );
        assert_eq!(
            least(json!(false), DataType::Boolean),
            exact(ScalarValue::Boolean(Some(false)))
        );
        assert_eq!(
            least(json!("2020-02-29"), DataType::Date32),
            exact(ScalarValue::Date32(Some(18_321)))
        );
        assert_eq!(
            least(json!("1582-10-15"), DataType::Date32),
            exact(ScalarValue::Date32(Some(-141_427)))
        );
        for kind in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            let text = ScalarValue::from("é").cast_to(&kind).unwrap();
            assert_eq!(least(json!("é"), kind), about(text));
        }
        assert_eq!(
            least(json!(-12.34), DataType::Decimal128(15, 2)),
            about(ScalarValue::Decimal128(Some(-1234), 15, 2))
        );
        let none = [
            (json!(12.34), DataType::Decimal128(16, 2)),
            (json!(1), DataType::Decimal256(5, 2)),
            (json!(1e20), DataType::Decimal128(5, 2)),
            (json!(1.5), DataType::Int64),
            (json!(i64::MAX as u64 + 1), DataType::Int64),
            (json!(true), DataType::Int64),
            (json!("2020-02-30"), DataType::Date32),
            (json!(1.505), DataType::Decimal128(5, 2)),
            (json!("+48690-07-02"), DataType::Date32),
            (
                json!("+48690-07-02T22:50:38.211Z"),
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ),
            (json!(12), DataType::Utf8),
            // Days and times of another calendar in the files of Spark before 3.0.
            (json!("1582-10-14"), DataType::Date32),
            (
                json!("1899-12-31T23:59:59.999Z"),
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ),
            (json!(1.0), DataType::Float32),
            (json!("NaN"), DataType::Float64),
            (json!("eA=="), DataType::Binary),
            (json!({"x": 1}), DataType::Int64),
            (json!([1]), DataType::Utf8),
            (
                json!("soon"),
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ),
            (
                json!("2020-01-01 00:00:00"),
                DataType::Timestamp(TimeUnit::Nanosecond, None),
            ),
        ];
        for (json, kind) in none {
            assert_eq!(least(json.clone(), kind.clone()), None, "{json} as {kind}");
        }
    }
}
